//! A bounded number of threads, there only while there is work.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::{shielded, stay_out};
use crate::lock::lock;
use crate::sys::{fork, thread};

/// A thread without work ends after this time.
const LINGER: Duration = Duration::from_secs(1);

/// What a thread of a crew is given to do.
pub(crate) type Errand = Box<dyn FnOnce() + Send>;

/// Threads for one kind of errand.
pub(crate) struct Crew {
    name: &'static str,
    most: usize,
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Errand>,
    idle: usize,
    threads: usize,
}

impl State {
    /// Whether something waits for a thread that is not there. One that is idle may have been promised already.
    fn is_short(&self, most: usize) -> bool {
        self.queue.len() > self.idle && self.threads < most
    }
}

impl Crew {
    pub(crate) fn new(name: &'static str, most: usize) -> Arc<Self> {
        Arc::new(Self {
            name,
            most,
            state: Mutex::default(),
            more: Condvar::new(),
        })
    }

    /// Queues an errand, to be begun in its order. False: the crew has no thread and could not get one; the errand
    /// waits for the next [`push`](Self::push) or [`staff`](Self::staff).
    pub(crate) fn push(self: &Arc<Self>, errand: Errand) -> bool {
        lock(&self.state).queue.push_back(errand);
        self.more.notify_one();
        self.staff()
    }

    /// As [`push`](Self::push), for an errand for which one that is being run may be waiting: it is the next to begin,
    /// on a thread beyond the bound if need be.
    pub(crate) fn push_nested(self: &Arc<Self>, errand: Errand) -> bool {
        lock(&self.state).queue.push_front(errand);
        self.more.notify_one();
        self.start(usize::MAX);
        lock(&self.state).threads > 0
    }

    /// Starts threads for what waits, as many as there may be. False: there is none.
    pub(crate) fn staff(self: &Arc<Self>) -> bool {
        while self.start(self.most) {}
        lock(&self.state).threads > 0
    }

    /// Starts a thread if one is missing; whether it did.
    fn start(self: &Arc<Self>, most: usize) -> bool {
        {
            let mut state = lock(&self.state);
            if !state.is_short(most) {
                return false;
            }
            state.threads = state.threads.saturating_add(1);
            // Promised, until it looks at the queue itself.
            state.idle = state.idle.saturating_add(1);
        }
        let crew = Arc::clone(self);
        let started = thread::start(self.name, move || crew.work()).is_ok();
        if !started {
            let mut state = lock(&self.state);
            state.threads = state.threads.saturating_sub(1);
            state.idle = state.idle.saturating_sub(1);
        }
        started
    }

    /// Whether something waits for a thread that could not be started.
    pub(crate) fn is_short(&self) -> bool {
        lock(&self.state).is_short(self.most)
    }

    /// How many errands have not begun.
    pub(crate) fn waiting(&self) -> usize {
        lock(&self.state).queue.len()
    }

    fn work(&self) {
        let life = fork::life();
        let mut state = lock(&self.state);
        state.idle = state.idle.saturating_sub(1);
        loop {
            while let Some(errand) = state.queue.pop_front() {
                drop(state);
                let _panicked = shielded(errand);
                if fork::life() != life {
                    stay_out();
                }
                state = lock(&self.state);
            }
            state.idle = state.idle.saturating_add(1);
            let (woken, waited) = self
                .more
                .wait_timeout(state, LINGER)
                .unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle = state.idle.saturating_sub(1);
            if waited.timed_out() && state.queue.is_empty() {
                state.threads = state.threads.saturating_sub(1);
                return;
            }
        }
    }
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::Crew;

    #[test]
    fn one_that_is_stuck_holds_up_no_other_below_the_bound() {
        let crew = Crew::new("door-test", 2);
        let (go, gate) = channel::<()>();
        let (sender, receiver) = channel();
        let first = sender.clone();
        assert!(crew.push(Box::new(move || {
            gate.recv().unwrap();
            first.send("stuck").unwrap();
        })));
        // One after the other: the thread that is idle is never promised twice.
        for _ in 0..50 {
            let other = sender.clone();
            assert!(crew.push(Box::new(move || other.send("free").unwrap())));
            assert_eq!(receiver.recv(), Ok("free"));
        }
        go.send(()).unwrap();
        assert_eq!(receiver.recv(), Ok("stuck"));
    }

    #[test]
    fn a_nested_errand_is_begun_beyond_the_bound() {
        let crew = Crew::new("door-test", 1);
        let (go, gate) = channel::<()>();
        let (sender, receiver) = channel();
        let outer = sender.clone();
        crew.push(Box::new(move || {
            gate.recv().unwrap();
            outer.send("outer").unwrap();
        }));
        crew.push_nested(Box::new(move || {
            go.send(()).unwrap();
            sender.send("inner").unwrap();
        }));
        let mut heard = [receiver.recv().unwrap(), receiver.recv().unwrap()];
        heard.sort_unstable();
        assert_eq!(heard, ["inner", "outer"]);
    }
}
