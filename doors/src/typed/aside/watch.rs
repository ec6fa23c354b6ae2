//! The watch over those who wait for a thread: over their deadlines, and over those for whom none could be started.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use super::threads::{LINGER, State, Threads};
use crate::foreign::{keep_free, shielded};
use crate::lock::lock;
use crate::sys::clock::after;
use crate::sys::thread;

impl State {
    /// The next deadline of those that wait, and the next attempt to start a thread for them, if nobody looks at it in time.
    fn unwatched(&self) -> Option<Instant> {
        let deadline = self.lines.first_deadline();
        let deadline = deadline.filter(|_| self.lines.waiting() > self.owed);
        let next = sooner(deadline, self.again)?;
        let is_watched = self.watched.is_some_and(|watched| watched <= next);
        (!is_watched).then_some(next)
    }

    /// Whether it is time to try again; nobody is about to any more then.
    fn is_time(&mut self, now: Instant) -> bool {
        self.again.take_if(|again| *again <= now).is_some()
    }
}

fn sooner(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
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
            // Nobody does, and who comes next, and has a thread, needs nobody to.
            state.again = None;
        }
        started
    }

    /// Ends what waits when its time is over, and starts threads that could not be started.
    fn keep_watch(self: &Arc<Self>) {
        // What it drops may be the last of a door: nothing of that runs here.
        keep_free();
        let mut last = None;
        let mut state = lock(&self.state);
        loop {
            let now = Instant::now();
            if let Some(piece) = state.lines.late(now) {
                drop(state);
                let _panicked = shielded(|| piece.end_late());
                self.stay_with_the_parent();
                state = lock(&self.state);
                continue;
            }
            if state.is_time(now) {
                self.look_after(state, false);
                state = lock(&self.state);
                continue;
            }
            let next = match (sooner(state.lines.first_deadline(), state.again), last) {
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
