//! Asking for a thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use super::{Pool, ServerThread};
use crate::event;
use crate::lock::lock;
use crate::primitive::Ordering;

/// Makes a thread for a pool.
pub(crate) type Creator = Arc<dyn Fn(ServerThread) + Send + Sync>;

impl Pool {
    /// Replaces the creation callback; returns the one before.
    pub(crate) fn replace_creator(&self, creator: Creator) -> Creator {
        std::mem::replace(&mut lock(&self.creator), creator)
    }

    /// Runs the creation callback, unless a thread is on its way or the ceiling is reached.
    #[cold]
    pub(crate) fn create_thread(self: &Arc<Self>, depleted: bool) {
        {
            let state = lock(&self.state);
            if state.closed || state.threads >= state.limits.ceiling {
                return;
            }
        }
        if self.creating.swap(true, Ordering::AcqRel) {
            return;
        }
        let creator = Arc::clone(&lock(&self.creator));
        let place = ServerThread {
            pool: Arc::clone(self),
            depleted,
            asked: true,
        };
        // Foreign code, run on a thread that has somebody's call in its hands: one that panics has declined.
        let _panic = catch_unwind(AssertUnwindSafe(|| creator(place)));
    }
}

/// The default creation callback: one detached thread. Lack of threads is not reported; callers wait.
pub(super) fn start_default(request: ServerThread) {
    let pool = Arc::clone(&request.pool);
    let started = thread::Builder::new()
        .name("door-server".into())
        .spawn(move || request.serve());
    pool.failed.store(started.is_err(), Ordering::Relaxed);
    if let Err(error) = started {
        event::no_thread(&error);
    }
}
