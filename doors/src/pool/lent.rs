//! The place of an idle thread, lent to another that runs a call in its stead.
//!
//! The pool sees what it would if the idle thread had taken the call: it is not idle and, while the procedure runs, not parked, and
//! counts against the ceiling. Nobody wakes it. What was meant for it meanwhile (a job, its dismissal) it gets with its place.

use std::sync::Arc;
use std::time::Instant;

use super::life::Parker;
use super::place::leave_asked;
use super::{Job, PROCESS_POOL, Pool, PoolLimits};
use crate::event;
use crate::foreign::shielded;
use crate::lock::lock;
use crate::primitive::Ordering;
use crate::server::desk::{Desk, Unsent};
use crate::server::packet::PacketCall;

/// The place of an idle thread; given back when dropped.
pub(crate) struct Lent {
    pool: Arc<Pool>,
    parker: Arc<Parker>,
    /// Where it stood among the idle ones, of which the first are those that stay.
    at: usize,
    unbound: bool,
    job: Option<Job>,
}

impl Pool {
    /// Lends the place of the thread that would get the next job, if it is one of the library's own.
    ///
    /// Whoever has made a door private may count on it that its threads serve no other door, and those of others do not
    /// serve it. Whoever has lowered the ceiling may count on what it says of the threads themselves: with one, say, that
    /// all calls run on the same.
    pub(crate) fn lend(self: &Arc<Self>) -> Option<Lent> {
        if self.id != PROCESS_POOL {
            return None;
        }
        let mut state = lock(&self.state);
        let limited = state.limits.ceiling < PoolLimits::default().ceiling;
        if limited || state.closed || !state.queue.is_empty() {
            return None;
        }
        let parker = state.idle.pop_if(|parker| parker.ours)?;
        self.idle.store(state.idle.len(), Ordering::Relaxed);
        parker.lent.store(true, Ordering::Relaxed);
        Some(Lent {
            at: state.idle.len(),
            pool: Arc::clone(self),
            parker,
            unbound: false,
            job: None,
        })
    }
}

impl Lent {
    /// Runs a first call on the calling thread; what is left to do then.
    pub(crate) fn serve(mut self, call: Box<PacketCall>) -> Option<Unsent> {
        let _stale = leave_asked();
        let mut desk = Desk::lent(&self.parker.running);
        let unsent = shielded(|| desk.serve_lent(&self.pool, call));
        if unsent.is_none() {
            event::panicked("door-server");
        }
        // Also if it never came to run.
        desk.park();
        self.unbound = leave_asked();
        unsent.flatten()
    }

    /// Gives the place back, and a job to the thread whose it is.
    pub(crate) fn give(mut self, job: Job) {
        self.job = Some(job);
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let parker = &self.parker;
        let mut state = lock(&self.pool.state);
        parker.lent.store(false, Ordering::Relaxed);
        let mut wakes = std::mem::take(&mut state.relimited);
        if parker.overslept.load(Ordering::Relaxed) {
            parker.overslept.store(false, Ordering::Relaxed);
            wakes = true;
        }
        if state.closed || self.unbound {
            parker.unbound.store(self.unbound, Ordering::Relaxed);
            parker.dismissed.store(true, Ordering::Release);
            wakes = true;
        }
        let mut job = self.job.take();
        if job.is_none() && !self.unbound && !state.closed {
            job = state.queue.pop_front();
            if job.is_some() {
                self.pool.queued.store(state.queue.len(), Ordering::SeqCst);
            }
        }
        if job.is_some() {
            *lock(&parker.job) = job;
            wakes = true;
        } else if !parker.dismissed.load(Ordering::Relaxed) {
            // Calls have come: as if the thread had run this one itself.
            *lock(&parker.since) = Instant::now();
            let at = self.at.min(state.idle.len());
            state.idle.insert(at, Arc::clone(parker));
            self.pool.idle.store(state.idle.len(), Ordering::Relaxed);
            // One that was among those that stay may have slipped out of them, and sleeps without an end.
            if let Some(slipped) = state.idle.get(state.limits.floor)
                && at < state.limits.floor
            {
                slipped.thread.unpark();
            }
        }
        drop(state);
        if wakes {
            parker.thread.unpark();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    /// A pool with one idle thread.
    fn pool() -> Arc<Pool> {
        pool_of(PROCESS_POOL)
    }

    fn pool_of(door: u64) -> Arc<Pool> {
        let limits = PoolLimits::new(0, PoolLimits::default().ceiling);
        let pool = Pool::new(door, limits, None);
        pool.create_thread(false);
        wait_for(|| pool.idle() == 1);
        pool
    }

    fn wait_for(happened: impl Fn() -> bool) {
        while !happened() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_pool_with_a_ceiling_of_its_own_lends_nothing() {
        let pool = pool();
        pool.set_limits(PoolLimits::new(0, 1));
        assert!(pool.lend().is_none());
    }

    #[test]
    fn the_pool_of_a_private_door_lends_nothing() {
        assert!(pool_of(7).lend().is_none());
    }

    #[test]
    fn a_place_is_lent_once_and_comes_back() {
        let pool = pool();
        let lent = pool.lend().unwrap();
        assert!(pool.lend().is_none());
        assert_eq!((pool.idle(), pool.threads()), (0, 1));
        drop(lent);
        assert_eq!(pool.idle(), 1);
    }

    #[test]
    fn a_thread_whose_place_is_lent_stays_until_it_has_it_again() {
        let pool = pool();
        let lent = pool.lend().unwrap();
        let parker = Arc::clone(&lent.parker);
        pool.retire_after(Duration::ZERO);
        parker.thread.unpark();
        wait_for(|| parker.overslept.load(Ordering::Relaxed));
        assert_eq!(pool.threads(), 1);
        drop(lent);
        wait_for(|| pool.threads() == 0);
    }

    #[test]
    fn a_place_that_was_lent_has_been_idle_since_it_came_back() {
        let pool = pool();
        let lent = pool.lend().unwrap();
        let parker = Arc::clone(&lent.parker);
        let begun = Instant::now();
        assert!(*lock(&parker.since) <= begun);
        drop(lent);
        assert!(*lock(&parker.since) >= begun);
    }

    #[test]
    fn a_thread_leaves_when_its_pool_was_closed_or_its_place_unbound() {
        let pool = pool();
        let lent = pool.lend().unwrap();
        pool.close();
        assert_eq!(pool.threads(), 1);
        drop(lent);
        wait_for(|| pool.threads() == 0);

        let pool = self::pool();
        let mut lent = pool.lend().unwrap();
        lent.unbound = true;
        drop(lent);
        wait_for(|| pool.threads() == 0);
    }
}
