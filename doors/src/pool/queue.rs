//! The way of a job to a thread.

use std::collections::VecDeque;
use std::sync::Arc;

use super::life::Parker;
use super::{Job, Pool, State};
use crate::lock::lock;
use crate::primitive::Ordering;
use crate::server::core::Core;
use crate::sys::dense::Dense;

impl Pool {
    /// Gives a job to the thread that was parked last, or queues it and frees a thread that waits on some channel: in a crowd even
    /// if one is idle (`crowd.rs`).
    pub(crate) fn dispatch(self: &Arc<Self>, job: Job) {
        let mut state = lock(&self.state);
        if state.closed {
            drop(state);
            return job.turn_away();
        }
        let on_channel = matches!(job, Job::Channel(_));
        let crowded = on_channel && self.is_crowded();
        if !crowded && let Some(parker) = self.take_idle(&mut state) {
            parker.give(job);
            return;
        }
        state.queue.push_back(job);
        self.queued.store(state.queue.len(), Ordering::SeqCst);
        let victim = state.evict();
        let rouses = victim.is_none() && !state.idle.is_empty() && !self.somebody_looks();
        let owed = state.creation.owed;
        let grows = on_channel && self.grows(&state);
        drop(state);
        if let Some((channel, round)) = victim {
            channel.call_away(round);
        } else if rouses {
            self.rouse();
        } else if owed {
            self.create_owed();
        }
        if grows {
            self.want_for_speed();
        }
    }

    /// Takes the thread that was parked last out of the idle ones. Whoever calls this has the lock of the state.
    fn take_idle(&self, state: &mut State) -> Option<Arc<Parker>> {
        let parker = state.idle.pop()?;
        self.idle.store(state.idle.len(), Ordering::Relaxed);
        Some(parker)
    }

    /// Has an idle thread take what waits in the queue, if both are there.
    #[cold]
    pub(super) fn rouse(&self) {
        let mut state = lock(&self.state);
        if state.queue.is_empty() {
            return;
        }
        if let Some(parker) = self.take_idle(&mut state)
            && let Some(job) = state.queue.pop_front()
        {
            self.queued.store(state.queue.len(), Ordering::SeqCst);
            parker.give(job);
        }
    }

    /// Whether a call waits for a thread.
    #[inline]
    pub(crate) fn has_queue(&self) -> bool {
        self.queued.load(Ordering::Relaxed) != 0
    }

    /// Ends the pool: its threads leave, the callers of queued calls are told.
    pub(crate) fn close(&self) {
        let (idle, queue, sleepers) = {
            let mut state = lock(&self.state);
            state.closed = true;
            self.queued.store(0, Ordering::SeqCst);
            self.idle.store(0, Ordering::Relaxed);
            let sleepers: Vec<_> = std::iter::from_fn(|| state.evict()).collect();
            (
                std::mem::take(&mut state.idle),
                std::mem::take(&mut state.queue),
                sleepers,
            )
        };
        for parker in idle {
            parker.dismissed.store(true, Ordering::Release);
            parker.thread.unpark();
        }
        for (channel, round) in sleepers {
            channel.call_away(round);
        }
        for job in queue {
            job.turn_away();
        }
    }

    /// Tells the callers of queued calls on a door that it was revoked, or that its server drains: they need no thread
    /// for that, and there may be none for long.
    ///
    /// Whoever queues a call looks at the door again afterwards and comes here if it takes no calls: the mark is stored
    /// before this lock is taken, so either the call is found here or the mark is seen there.
    pub(crate) fn turn_away(&self, core: &Dense<Core>) {
        for job in self.take_out(|job| job.begins_on(core)) {
            job.turn_away();
        }
    }

    /// Takes jobs out of the queue that nobody waits for any more.
    pub(crate) fn discard(&self, unwanted: impl Fn(&Job) -> bool) {
        // Outside the lock: the end of a call can do all kinds of things.
        drop(self.take_out(unwanted));
    }

    fn take_out(&self, chosen: impl Fn(&Job) -> bool) -> VecDeque<Job> {
        let mut state = lock(&self.state);
        let queue = std::mem::take(&mut state.queue);
        let (out, stay) = queue.into_iter().partition(chosen);
        state.queue = stay;
        self.queued.store(state.queue.len(), Ordering::SeqCst);
        out
    }
}
