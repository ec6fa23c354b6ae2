//! Whether first calls can be expected to be quick, by those that were.

use std::time::Duration;

/// How often the deputy looks at the seat where nobody sets the bell, in milliseconds.
pub(super) const LOOKS_EVERY: u8 = 1;
/// A call that is over within this time, of which what is done around it is a part, holds up nobody.
const QUICK: Duration = Duration::from_micros(100);
/// So many in a row are believed.
const QUICK_RUNS: u32 = 16;
/// One that was not makes as many not count as this time is contained in the time for which it may have held up others.
const LOST_BY: Duration = Duration::from_micros(4);

/// The longest that a call holds up others for which nobody sets the bell.
pub(super) fn longest() -> Duration {
    Duration::from_millis(u64::from(LOOKS_EVERY))
}

/// How many quick calls there were, one upon the other.
#[derive(Clone, Copy, Default)]
pub(super) struct Credit {
    runs: u32,
    /// So many that do not count yet.
    owed: u128,
}

impl Credit {
    /// A call has taken so long. Whether the next one can be expected to be quick.
    pub(super) fn ran(&mut self, is_keen: bool, took: Duration) -> bool {
        if took > QUICK {
            self.lose(took);
        } else if !is_keen {
            self.runs = 0;
        } else if let Some(owed) = self.owed.checked_sub(1) {
            self.owed = owed;
        } else {
            self.runs = self.runs.saturating_add(1);
        }
        self.runs >= QUICK_RUNS
    }

    /// A call was not quick.
    pub(super) fn lose(&mut self, took: Duration) {
        let parts = took.min(longest()).as_nanos();
        let parts = parts.checked_div(LOST_BY.as_nanos()).unwrap_or(parts);
        self.owed = self.owed.max(parts);
        self.runs = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_micros(5);

    /// So many quick calls until the next one can be expected to be.
    fn earned(credit: &mut Credit) -> u32 {
        let mut runs = 1_u32;
        while !credit.ran(true, SOON) {
            runs = runs.saturating_add(1);
        }
        runs
    }

    #[test]
    fn calls_are_quick_after_some_that_were() {
        let mut credit = Credit::default();
        assert_eq!(earned(&mut credit), QUICK_RUNS);
        assert!(credit.ran(true, SOON));
        // The next one came after a pause.
        assert!(!credit.ran(false, SOON));
        assert_eq!(earned(&mut credit), QUICK_RUNS);
    }

    #[test]
    fn one_that_was_not_quick_has_to_be_earned_by_many_that_are() {
        let mut credit = Credit::default();
        assert!(!credit.ran(true, Duration::from_hours(1)));
        // Nor does a pause let it be forgotten.
        assert!(!credit.ran(false, SOON));
        let runs = earned(&mut credit);
        assert!(SOON.saturating_mul(runs) >= longest(), "{runs}");
        assert!(!credit.ran(true, QUICK.saturating_mul(2)));
        assert!(earned(&mut credit) < runs);
    }
}
