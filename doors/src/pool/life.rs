//! The life of a server thread.

use std::sync::{Arc, Mutex};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::place::leave_asked;
use super::{Job, Pool, ServerThread};
use crate::lock::lock;
use crate::primitive::{AtomicBool, Ordering};
use crate::server::desk::Desk;
use crate::server::meter::Running;

/// An idle thread above the floor ends after this time.
const RETIRE_AFTER: Duration = Duration::from_secs(10);

/// An idle thread.
pub(super) struct Parker {
    pub(super) thread: Thread,
    pub(super) job: Mutex<Option<Job>>,
    pub(super) dismissed: AtomicBool,
    /// It never ends by itself.
    stays: bool,
}

impl Pool {
    /// The life of a server thread.
    pub(super) fn serve(self: &Arc<Self>, place: ServerThread) {
        // What was asked for before it served anything has no effect.
        let _stale = leave_asked();
        let running = Arc::new(Running::default());
        {
            let mut state = lock(&self.state);
            state.threads = state.threads.saturating_add(1);
            state.desks.push(Arc::clone(&running));
        }
        let mut desk = Desk::new(Arc::clone(&running));
        let stays = !place.asked;
        let mut place = Some(place);
        while let Some(job) = self.next_job(&mut desk, &mut place, stays) {
            desk.serve(self, job);
            if leave_asked() {
                break;
            }
        }
        let last = desk.unpark(self);
        // Who leaves may be the one that stood behind the busy threads, or make room below the ceiling.
        let depleted = {
            let mut state = lock(&self.state);
            state.threads = state.threads.saturating_sub(1);
            state.desks.retain(|other| !Arc::ptr_eq(other, &running));
            !state.queue.is_empty() || (last && state.threads > 0)
        };
        if depleted {
            self.create_thread(true);
        }
    }

    /// Waits for something to do. The place of a new thread is given up only when the thread is parked: until then
    /// it is on its way, and no other is asked for.
    fn next_job(
        &self,
        desk: &mut Desk,
        place: &mut Option<ServerThread>,
        stays: bool,
    ) -> Option<Job> {
        let parker = {
            let mut state = lock(&self.state);
            if state.closed {
                return None;
            }
            if let Some(job) = state.queue.pop_front() {
                self.queued.store(state.queue.len(), Ordering::SeqCst);
                // As if parked for an instant: depletion is judged when the call is taken.
                desk.park(self);
                drop(place.take());
                return Some(job);
            }
            let parker = Arc::new(Parker {
                thread: thread::current(),
                job: Mutex::new(None),
                dismissed: AtomicBool::new(false),
                stays,
            });
            state.idle.push(Arc::clone(&parker));
            desk.park(self);
            drop(place.take());
            parker
        };
        self.wait_idle(&parker)
    }

    fn wait_idle(&self, parker: &Arc<Parker>) -> Option<Job> {
        let since = Instant::now();
        loop {
            if let Some(job) = lock(&parker.job).take() {
                return Some(job);
            }
            if parker.dismissed.load(Ordering::Acquire) {
                return None;
            }
            if self.stays(parker) {
                thread::park();
            } else if since.elapsed() >= RETIRE_AFTER {
                if self.retire(parker) {
                    return None;
                }
                // A job was put down at this very moment: the next turn finds it.
            } else {
                thread::park_timeout(RETIRE_AFTER.saturating_sub(since.elapsed()));
            }
        }
    }

    /// Whether this idle thread is among the floor's: those parked first stay.
    fn stays(&self, parker: &Arc<Parker>) -> bool {
        if parker.stays {
            return true;
        }
        let state = lock(&self.state);
        state
            .idle
            .iter()
            .take(state.limits.floor)
            .any(|other| Arc::ptr_eq(other, parker))
    }

    fn retire(&self, parker: &Arc<Parker>) -> bool {
        let mut state = lock(&self.state);
        let before = state.idle.len();
        state.idle.retain(|other| !Arc::ptr_eq(other, parker));
        state.idle.len() < before
    }
}
