//! Lets one thread at a time open the way to a server.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

use crate::lock::lock;

/// A gate with a waiting line that sleeps: many threads that come at once cost no processor.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    taken: Mutex<bool>,
    freed: Condvar,
}

/// The turn of one thread; the next one's begins when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a>(&'a Gate);

impl Gate {
    /// Waits for a turn; `None` when the time is over.
    pub(crate) fn enter(&self, until: Instant) -> Option<Turn<'_>> {
        let mut taken = lock(&self.taken);
        while *taken {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            taken = self
                .freed
                .wait_timeout(taken, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        *taken = true;
        Some(Turn(self))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *lock(&self.0.taken) = false;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use super::Gate;

    #[test]
    fn one_at_a_time_goes_through_and_nobody_waits_for_ever() {
        let gate = Arc::new(Gate::default());
        let turn = gate.enter(Instant::now()).unwrap();
        assert!(gate.enter(Instant::now()).is_none());
        let other = Arc::clone(&gate);
        let later = Instant::now() + Duration::from_mins(1);
        let waiting = std::thread::spawn(move || other.enter(later).is_some());
        drop(turn);
        assert!(waiting.join().unwrap());
        assert!(gate.enter(Instant::now()).is_some());
    }
}
