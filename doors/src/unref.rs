//! The thread that tells a server that a door has become unreferenced.
//!
//! It is a thread of its own because whoever drops the last reference may hold locks that the notice needs. Notices of
//! one process come one at a time; one that is queued twice before it begins comes once.
//!
//! A door is *unreferenced* when no reference of any kind is left after there has been one: no handed-out pair, no
//! connection through a name, no name. Each row is a test in `tests/unref.rs`, `tests/notices.rs` or
//! `tests/owner.rs`.
//!
//! | what happens | notices |
//! |---|---|
//! | never handed out; called by its own process only | 0 |
//! | one descriptor handed out, then closed | 1 |
//! | ... and a dup of it in the holder | 1, when the last copy is closed |
//! | ... and a copy in a forked child of the holder, the holder killed | 1, when the child goes |
//! | the holder executes another program | 1 (close-on-exec) |
//! | a copy in flight in an unread socket, its sender killed | 1, when the socket is read and closed, or closed |
//! | the holder is killed | 1 |
//! | two hand-outs, one closed | 0; then the other: 1 |
//! | a holder asks for a fresh descriptor and closes the first | 0; then the fresh one: 1 |
//! | a name attached, then detached, dropped or removed by anybody (`rm`, a rename over it), no connection | 1 |
//! | the name moved elsewhere | 0: it still is a name |
//! | the same with a connection open | 0; when the connection is closed: 1 |
//! | connections come and go while the name is there | 0 |
//! | handed out and closed five times | once: 1; each time: 5 |
//! | handed out and closed again and again before the notice begins | 1 |
//! | ... while a notice runs | 1 more, after it |
//! | handed out again before the notice begins | 0; when that one goes: 1 |
//! | the last reference goes while a call is active, held, or came as a packet | 1, when the last call is over |
//! | the door is revoked before the notice begins | 0 |
//! | a holder calls shutdown(2) on its copy | 0 until the last copy is closed; other hand-outs go on |
//! | the owner drops its `Door` first | 1; then the door ends and the procedure is dropped |
//! | the owner drops its `Door` and there is no reference | 0; the door ends at once |
//! | the owner hands out and drops its `Door` inside the notice | 1 more |

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::foreign::{end_nothing_here, shielded, stay_out};
use crate::lock::lock;
use crate::server::core::{Core, Notice};
use crate::server::runtime::Runtime;
use crate::sys::thread;

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
        lock(&self.state).due.push_back(door);
        self.filled.notify_one();
        self.try_again(runtime);
        if self.is_short() {
            // The leader tries again now and then.
            runtime.wake();
        }
    }

    /// Whether notices wait for the thread, which could not be started.
    pub(crate) fn is_short(&self) -> bool {
        let state = lock(&self.state);
        !state.running && !state.due.is_empty()
    }

    /// Starts the thread, if it is needed and not there.
    pub(crate) fn try_again(&self, runtime: &Arc<Runtime>) {
        let mut state = lock(&self.state);
        if !state.running && !state.due.is_empty() {
            let runtime = Arc::clone(runtime);
            let started = thread::start("door-unref", move || deliver_all(&runtime));
            state.running = started.is_ok();
        }
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
    // A destructor that waits must not keep the notices of other doors.
    let _restore = end_nothing_here();
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
            let _panicked = shielded(&mut notice);
            if core.is_inherited() {
                stay_out();
            }
            put_back(core, notice);
        }
    }
    core.notice_over(due);
}

fn put_back(core: &Core, notice: Notice) {
    *lock(&core.notice) = Some(notice);
    // Looked at afterwards: whoever revoked the door meanwhile has found the place empty.
    if core.is_revoked() {
        core.forget_notice();
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}
