//! The place of a thread in a pool.

use std::sync::Arc;

use super::State;
use super::{PROCESS_POOL, Pool};

/// A thread that a pool asks for; the creation callback receives it.
///
/// Whoever makes the thread calls [`serve`](Self::serve) on it. Dropping the value declines: callers then wait
/// for the threads that there are.
#[derive(Debug)]
#[must_use = "the pool waits for this thread; `serve` on a new thread joins it, dropping declines"]
pub struct ServerThread {
    pub(super) pool: Arc<Pool>,
    pub(super) depleted: bool,
    /// The pool asked for it; else a thread of the program's own offers itself.
    pub(super) asked: bool,
    /// The thread is the library's own.
    pub(super) ours: bool,
}

impl ServerThread {
    /// Serves calls on the calling thread until [`unbind`] is called by a server procedure on it, or its private
    /// door is gone.
    ///
    /// A thread that the pool asked for also ends when it is above the floor and was idle for long. One that joined
    /// by [`join_pool`](crate::join_pool) or [`Door::bind`](crate::Door::bind) stays: it may be the main thread.
    ///
    /// In a forked child it returns at once: the pool is the parent's.
    ///
    /// # Blocking
    /// For as long as it serves. A private door is also gone when it was handed over; the process pool stays, even
    /// without any door. A panic of a server procedure ends its call and not the thread.
    #[doc(alias = "door_return")]
    pub fn serve(self) {
        // In a forked child it is a place among threads that do not exist.
        if self.pool.is_inherited() {
            return;
        }
        let pool = Arc::clone(&self.pool);
        pool.serve(self);
    }

    /// As [`serve`](Self::serve), on a thread that the library made for nothing else: it may choose its processors.
    pub(super) fn serve_as_ours(mut self) {
        self.ours = true;
        self.serve();
    }

    /// A place in a pool for a thread that exists.
    pub(crate) fn of(pool: &Arc<Pool>) -> Self {
        Self {
            pool: Arc::clone(pool),
            depleted: false,
            asked: false,
            ours: false,
        }
    }

    /// A place for a thread that the pool asks for.
    pub(super) fn asked(pool: &Arc<Pool>, depleted: bool) -> Self {
        Self {
            pool: Arc::clone(pool),
            depleted,
            asked: true,
            ours: false,
        }
    }

    /// The thread is there: no other is on its way.
    pub(super) fn arrive(mut self, state: &mut State) {
        if std::mem::take(&mut self.asked) {
            state.creation.under_way = false;
            state.creation.lacking = false;
        }
    }

    /// Whether the pool ran out of threads (`DOOR_DEPLETION_CB`); false for the first thread of a pool.
    #[doc(alias = "DOOR_DEPLETION_CB")]
    #[must_use]
    pub fn is_depletion(&self) -> bool {
        self.depleted
    }

    /// The door that the pool is private to, by its unique id; `None` for the pool of the process.
    #[doc(alias = "DOOR_QUERY")]
    #[must_use]
    pub fn private_to(&self) -> Option<u64> {
        (self.pool.id != PROCESS_POOL).then_some(self.pool.id)
    }
}

impl Drop for ServerThread {
    fn drop(&mut self) {
        if self.asked && !self.pool.is_inherited() {
            self.pool.declined();
        }
    }
}

thread_local! {
    static LEAVES: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Has the calling server thread leave its pool when the server procedure that it runs has returned
/// (`door_unbind`); [`ServerThread::serve`] then returns. Without effect on a thread that serves nothing.
///
/// # Examples
/// A server that serves on its main thread until a call tells it to end:
/// ```no_run
/// use doors::{Door, DoorAttributes};
///
/// let door = Door::create(
///     |call| {
///         if call.data() == b"end" {
///             doors::unbind();
///         }
///         call.door_return(&[], vec![])
///     },
///     DoorAttributes::PRIVATE,
/// )?;
/// let _name = door.attach("/run/service", 0o600)?;
/// door.bind()?.serve();
/// # Ok::<(), doors::DoorError>(())
/// ```
#[doc(alias = "door_unbind")]
pub fn unbind() {
    LEAVES.set(true);
}

/// Whether [`unbind`] was called by the procedure that has just run.
#[inline]
pub(crate) fn leaves() -> bool {
    LEAVES.get()
}

/// Whether [`unbind`] was called since the last look.
pub(crate) fn leave_asked() -> bool {
    LEAVES.replace(false)
}
