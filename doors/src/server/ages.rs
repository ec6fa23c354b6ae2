//! The ages of running calls, as far as they are told to who asks.

use std::collections::BinaryHeap;

use crate::sys::clock::coarse_ns;
use crate::wire::limits::RUNNING_AGES;

/// When the oldest calls began, no more of them than are told: a door may run a hundred thousand.
#[derive(Debug, Default)]
pub(crate) struct Oldest {
    /// The youngest of them on top.
    since: BinaryHeap<u64>,
}

impl Oldest {
    /// A call that began at this time of the coarse monotonic clock.
    pub(crate) fn add(&mut self, since: u64) {
        self.since.push(since);
        if self.since.len() > RUNNING_AGES {
            self.since.pop();
        }
    }

    /// Their ages now in nanoseconds, the oldest first. None is 0: the clock has steps of some milliseconds.
    pub(crate) fn ages_ns(self) -> Vec<u64> {
        let now = coarse_ns();
        let since = self.since.into_sorted_vec();
        since
            .into_iter()
            .map(|since| now.saturating_sub(since).max(1))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_kept_and_come_first() {
        let mut oldest = Oldest::default();
        let calls = u64::try_from(RUNNING_AGES).unwrap() + 36;
        for since in (1..=calls).rev() {
            oldest.add(since);
        }
        let kept = oldest.since.clone().into_sorted_vec();
        assert_eq!(kept.len(), RUNNING_AGES);
        assert_eq!((kept.first(), kept.last()), (Some(&1), Some(&(calls - 36))));
        assert!(oldest.ages_ns().is_sorted_by(|a, b| a >= b));
    }

    #[test]
    fn a_call_that_has_just_begun_has_an_age() {
        let mut oldest = Oldest::default();
        oldest.add(u64::MAX);
        assert_eq!(oldest.ages_ns(), [1]);
    }
}
