//! The life of a server thread.

use std::sync::{Arc, Mutex};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::place::{leave_asked, unbind};
use super::{Job, Pool, ServerThread};
use crate::event;
use crate::foreign::{end_nothing_here, shielded};
use crate::lock::lock;
use crate::primitive::{AtomicBool, Ordering};
use crate::server::desk::Desk;
use crate::server::footing::Footing;
use crate::server::meter::Running;

/// An idle thread above the floor ends after this time.
pub(super) const RETIRE_AFTER: Duration = Duration::from_secs(10);

/// An idle thread.
pub(super) struct Parker {
    pub(super) thread: Thread,
    /// Since when; in its own place, or whoever had that. Not locked while the pool's lock is waited for.
    pub(super) since: Mutex<Instant>,
    pub(super) job: Mutex<Option<Job>>,
    pub(super) dismissed: AtomicBool,
    /// It never ends by itself.
    stays: bool,
    /// It is the library's own.
    pub(super) ours: bool,
    /// What it does, for those who look from outside.
    pub(super) running: Arc<Running>,
    /// Another thread has its place. Changed under the pool's lock.
    pub(super) lent: AtomicBool,
    /// It should have looked meanwhile whether it is to end. Changed under the pool's lock.
    pub(super) overslept: AtomicBool,
    /// Who had its place has left the pool in its stead.
    pub(super) unbound: AtomicBool,
}

impl Parker {
    /// Gives it something to do. Whoever calls this has taken it out of the idle ones.
    pub(super) fn give(&self, job: Job) {
        *lock(&self.job) = Some(job);
        self.thread.unpark();
    }
}

/// What a server thread is, for good.
struct Own {
    stays: bool,
    ours: bool,
    running: Arc<Running>,
}

#[cfg(test)]
impl Pool {
    /// Changes the time after which idle threads end: a test does not wait for the real one.
    pub(crate) fn retire_after(&self, idle: Duration) {
        let mut state = lock(&self.state);
        state.retire_after = idle;
        for parker in &state.idle {
            parker.thread.unpark();
        }
    }

    /// How many threads are idle.
    pub(crate) fn idle(&self) -> usize {
        lock(&self.state).idle.len()
    }
}

impl Pool {
    /// The life of a server thread.
    pub(super) fn serve(self: &Arc<Self>, place: ServerThread) {
        let _restore = end_nothing_here();
        // What was asked for before it served anything has no effect.
        let _stale = leave_asked();
        let running = Arc::new(Running::default());
        {
            let mut state = lock(&self.state);
            state.threads = state.threads.saturating_add(1);
            self.change_desks(|desks| desks.push(Arc::clone(&running)));
        }
        let mut desk = Desk::new(Arc::clone(&running), Footing::new(place.ours));
        let own = Own {
            stays: !place.asked,
            ours: place.ours,
            running: Arc::clone(&running),
        };
        let mut place = Some(place);
        let mut unbound = false;
        while !unbound && let Some(job) = self.next_job(&mut desk, &mut place, &own) {
            // A procedure's panic is caught where it runs. Nothing else is known to panic; if something does, it
            // must not take a thread that is counted.
            if shielded(|| desk.serve(self, job)).is_none() {
                event::panicked("door-server");
                desk.widen();
            }
            unbound = leave_asked();
        }
        self.leave(&mut desk, &running, unbound || leave_asked());
    }

    /// The calling thread is none of the pool's any more.
    fn leave(self: &Arc<Self>, desk: &mut Desk, running: &Arc<Running>, unbound: bool) {
        let last = desk.unpark(self);
        let asks = {
            let mut state = lock(&self.state);
            state.threads = state.threads.saturating_sub(1);
            self.change_desks(|desks| desks.retain(|other| !Arc::ptr_eq(other, running)));
            let empty = state.threads == 0;
            // It may have stood behind busy threads that found the pool not depleted, or have been waited for.
            state.creation.owed |= last || empty;
            let waited_for = !state.queue.is_empty() && self.is_depleted();
            waited_for || (unbound && last && !empty)
        };
        if asks {
            self.create_thread(true);
        }
        // It may have been counted on while others are idle.
        self.rouse_if_queued();
    }

    /// Waits for something to do. The place of a new thread is given up only when the thread is parked: until then
    /// it is on its way, and no other is asked for.
    fn next_job(
        &self,
        desk: &mut Desk,
        place: &mut Option<ServerThread>,
        own: &Own,
    ) -> Option<Job> {
        let parker = {
            let mut state = lock(&self.state);
            if state.closed {
                return None;
            }
            // As if parked for an instant, even if there is a call: depletion is judged when it is taken.
            desk.park();
            if let Some(place) = place.take() {
                place.arrive(&mut state);
            }
            if let Some(job) = state.queue.pop_front() {
                self.queued.store(state.queue.len(), Ordering::SeqCst);
                return Some(job);
            }
            let parker = Arc::new(Parker {
                thread: thread::current(),
                since: Mutex::new(Instant::now()),
                job: Mutex::new(None),
                dismissed: AtomicBool::new(false),
                stays: own.stays,
                ours: own.ours,
                running: Arc::clone(&own.running),
                lent: AtomicBool::new(false),
                overslept: AtomicBool::new(false),
                unbound: AtomicBool::new(false),
            });
            state.idle.push(Arc::clone(&parker));
            self.idle.store(state.idle.len(), Ordering::Relaxed);
            parker
        };
        self.wait_idle(&parker)
    }

    fn wait_idle(&self, parker: &Arc<Parker>) -> Option<Job> {
        loop {
            if let Some(job) = lock(&parker.job).take() {
                return Some(job);
            }
            if parker.dismissed.load(Ordering::Acquire) {
                if parker.unbound.load(Ordering::Relaxed) {
                    unbind();
                }
                return None;
            }
            let Some(stays_for) = self.stays_for(parker) else {
                thread::park();
                continue;
            };
            let left = stays_for.saturating_sub(lock(&parker.since).elapsed());
            if !left.is_zero() {
                thread::park_timeout(left);
            } else if self.retire(parker) {
                return None;
            }
            // Else a job was put down at this very moment: the next turn finds it.
        }
    }

    /// How long this idle thread stays; `None` for good. Of those above the floor, the ones parked first do.
    fn stays_for(&self, parker: &Arc<Parker>) -> Option<Duration> {
        let state = lock(&self.state);
        if parker.lent.load(Ordering::Relaxed) {
            parker.overslept.store(true, Ordering::Relaxed);
            return None;
        }
        let mut floor = state.idle.iter().take(state.limits.floor);
        let stays = parker.stays || floor.any(|other| Arc::ptr_eq(other, parker));
        (!stays).then_some(state.retire_after)
    }

    /// Takes an idle thread out of the list of those that get jobs; false if it is not there any more.
    fn retire(&self, parker: &Arc<Parker>) -> bool {
        let mut state = lock(&self.state);
        let before = state.idle.len();
        state.idle.retain(|other| !Arc::ptr_eq(other, parker));
        self.idle.store(state.idle.len(), Ordering::Relaxed);
        state.idle.len() < before
    }

    /// Has another list of what the threads do. Whoever calls this has the lock of the state.
    pub(super) fn change_desks(&self, change: impl FnOnce(&mut Vec<Arc<Running>>)) {
        let mut desks = Vec::clone(&self.desks.load());
        change(&mut desks);
        self.desks.store(Arc::new(desks));
    }
}
