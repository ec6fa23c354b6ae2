//! The thread that tells a server that a door has become unreferenced.
//!
//! It is a thread of its own because whoever drops the last reference may hold locks that the notice needs. Notices of
//! one process come one at a time; one that is queued twice before it begins comes once.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::server::core::{Core, Notice, lock};
use crate::server::runtime::Runtime;

/// Doors whose notice is due.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
}

#[derive(Default)]
struct State {
    due: VecDeque<u64>,
    running: bool,
}

impl Queue {
    /// Queues a notice; starts the thread at the first.
    pub(crate) fn push(&self, runtime: &Arc<Runtime>, door: u64) {
        let mut state = lock(&self.state);
        state.due.push_back(door);
        if !state.running {
            let runtime = Arc::clone(runtime);
            let started = std::thread::Builder::new()
                .name("door-unref".into())
                .spawn(move || deliver_all(&runtime));
            // Without a thread the notice stays queued: the next one tries again.
            state.running = started.is_ok();
        }
        drop(state);
        self.filled.notify_one();
    }

    fn pop(&self) -> u64 {
        let mut state = lock(&self.state);
        loop {
            if let Some(door) = state.due.pop_front() {
                return door;
            }
            state = self
                .filled
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn deliver_all(runtime: &Arc<Runtime>) {
    loop {
        let door = runtime.notices.pop();
        let core = runtime.doors().get(&door).cloned();
        if let Some(core) = core {
            deliver(&core);
        }
    }
}

fn deliver(core: &Core) {
    let due = core.claim_notice();
    if due {
        // Not run under the lock: the notice may revoke the door or hand out references.
        let notice = lock(&core.notice).take();
        if let Some(mut notice) = notice {
            let _panic = catch_unwind(AssertUnwindSafe(&mut notice));
            put_back(core, notice);
        }
    }
    core.notice_over(due);
}

fn put_back(core: &Core, notice: Notice) {
    if !core.is_revoked() {
        *lock(&core.notice) = Some(notice);
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}
