//! What a thread says of itself to those who count on it.

use std::sync::Arc;

use super::Desk;
use crate::pool::Pool;
use crate::sys::barrier;

impl Desk {
    /// Says that the thread is parked. On its way from one wait to another it stays so: else a call that is taken in
    /// between would find the pool depleted.
    #[inline]
    pub(crate) fn park(&self) {
        self.running.say_parked(true);
    }

    /// Says that the thread has something to do, or leaves. True: it was parked, and nobody is any more.
    pub(crate) fn unpark(&self, pool: &Pool) -> bool {
        let was = self.running.is_parked();
        self.running.say_parked(false);
        barrier::full();
        was && pool.is_depleted()
    }

    /// The thread has taken a call: it is not parked, has said so, and has passed a fence. Whoever counted on it is seen to.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "one run of code: `server/desk.rs`")]
    pub(super) fn tell_taken(&mut self, pool: &Arc<Pool>) {
        pool.rouse_if_queued();
        if pool.is_depleted() {
            self.tell_depletion(pool);
        }
    }

    /// The creation callback is foreign, and its threads inherit the mask of this one.
    #[cold]
    fn tell_depletion(&mut self, pool: &Arc<Pool>) {
        self.footing.widen();
        pool.tell_depletion();
    }
}
