//! The watch over the deadlines of those who wait for a thread.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use super::threads::{LINGER, State, Threads};
use crate::foreign::{keep_free, shielded};
use crate::lock::lock;
use crate::sys::clock::after;
use crate::sys::thread;

impl State {
    /// The next deadline of those that wait, if nobody looks at it in time.
    fn unwatched(&self) -> Option<Instant> {
        let next = self.lines.first_deadline()?;
        let is_watched = self.watched.is_some_and(|watched| watched <= next);
        (self.lines.waiting() > self.owed && !is_watched).then_some(next)
    }
}

impl Threads {
    /// Has the watch look in time. False: there is no thread for it.
    pub(super) fn watch(self: &Arc<Self>, state: &mut State) -> bool {
        let Some(next) = state.unwatched() else {
            return true;
        };
        if state.watched.replace(next).is_some() {
            self.sooner.notify_one();
            return true;
        }
        // Under the lock: nobody must count on one that could not be started.
        let threads = Arc::clone(self);
        let started = thread::start("door-deadlines", move || threads.keep_watch()).is_ok();
        if !started {
            state.watched = None;
        }
        started
    }

    /// Ends what waits when its time is over.
    fn keep_watch(&self) {
        // What it drops may be the last of a door: nothing of that runs here.
        keep_free();
        let mut last = None;
        let mut state = lock(&self.state);
        loop {
            let now = Instant::now();
            if let Some(piece) = state.lines.late(now) {
                drop(state);
                let _panicked = shielded(|| piece.end_late());
                state = lock(&self.state);
                continue;
            }
            let next = match (state.lines.first_deadline(), last) {
                (Some(next), _) => {
                    last = None;
                    next
                }
                (None, None) => *last.insert(after(now, LINGER)),
                (None, Some(until)) if until > now => until,
                (None, Some(_)) => {
                    state.watched = None;
                    return;
                }
            };
            state.watched = Some(next);
            let left = next.saturating_duration_since(now);
            let waited = self.sooner.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
