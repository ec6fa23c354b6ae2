//! Pauses that grow while something is retried until a deadline.

use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_micros(50);
const LONGEST: Duration = Duration::from_millis(5);

/// The state of a retry.
pub(super) struct Backoff {
    deadline: Instant,
    pause: Duration,
}

impl Backoff {
    pub(super) fn until(deadline: Instant) -> Self {
        Self {
            deadline,
            pause: FIRST,
        }
    }

    pub(super) fn for_at_most(patience: Duration) -> Self {
        let now = Instant::now();
        Self::until(now.checked_add(patience).unwrap_or(now))
    }

    /// Sleeps for the next pause; false, at once, if the deadline has passed.
    pub(super) fn pause(&mut self) -> bool {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        std::thread::sleep(self.pause.min(left));
        self.pause = self.pause.saturating_mul(2).min(LONGEST);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passed_deadline_ends_it_at_once() {
        assert!(!Backoff::until(Instant::now()).pause());
    }

    #[test]
    fn pauses_grow_to_the_longest() {
        let mut backoff = Backoff::for_at_most(Duration::from_mins(1));
        let mut longest = FIRST;
        for _ in 0..10 {
            assert!(backoff.pause());
            assert!(backoff.pause >= longest);
            longest = backoff.pause;
        }
        assert_eq!(longest, LONGEST);
    }

    #[test]
    fn the_last_try_comes_after_the_deadline() {
        let mut backoff = Backoff::for_at_most(Duration::from_millis(20));
        let begin = Instant::now();
        while backoff.pause() {}
        assert!(begin.elapsed() >= Duration::from_millis(20));
    }
}
