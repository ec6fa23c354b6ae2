//! Looking away from a peer that is about to answer.
//!
//! A cache line that both sides use is with one processor at a time. A writer has to fetch it, and a look takes it back: who
//! looks while the peer has its line but not yet what to write there makes it fetch the line twice. In a chain of calls the
//! time of the answer is known: as long after our turn as the last ones, to some nanoseconds. So each side fetches its
//! line early ([`Words::fetch`](crate::sys::words::Words::fetch)), the other one looks away for about as long as the answer
//! takes, and its first look finds it. That saves two journeys of a line between the processors, of the four that a
//! call has.
//!
//! How long is learned from what the first look finds. An answer that is there may have been there for some time: look a
//! little earlier. One that is not: look later, and by more, since a look that is too early costs more than one that is
//! a little late; so one look in five is too early. An answer that comes much later is that of a peer which does
//! more than to answer, this time or always, and has little influence.

use std::hint::black_box;

/// Steps of the length that are one round of the loop, about a nanosecond.
const FINE: u32 = 8;
/// The first look is earlier by so much after one that was late enough.
const EARLIER: u32 = 2;
/// It is later by so much after one that was a little too early: that costs more.
const LATER: u32 = 8;
/// It is later by so much after one that was much too early, as the one before it.
const CLIMB: u32 = 2;
/// It is never later than this: some 300 ns, which is what an answer that comes sooner than the last ones may lose.
const LONGEST: u32 = 384 * FINE;
/// A first look was a little too early if the answer comes within so many others: what a line needs that is taken away.
const NEAR: u32 = 256;
/// Looks before the first pause: for a microsecond or two, in which a short procedure returns, and a caller calls again. A
/// `pause` lets a sibling thread of the processor go first, and takes 64 cycles on the machine that we measure on: half of that
/// is what an answer waits on average to be seen, on either side.
pub(super) const KEEN_LOOKS: u32 = 1000;

/// For how long to look away.
#[derive(Debug, Default)]
pub(super) struct Lull {
    length: u32,
    /// The last first look was much too early.
    far: bool,
}

impl Lull {
    /// Looks away, and then without a pause for as long as a peer takes that does little else than to answer. True: the
    /// answer is there.
    #[inline]
    pub(super) fn look(&mut self, there: impl Fn() -> bool) -> bool {
        self.pass();
        if there() {
            self.length = self.length.saturating_sub(EARLIER);
            self.far = false;
            return true;
        }
        for looks in 1..KEEN_LOOKS {
            if there() {
                self.was_early(looks);
                return true;
            }
        }
        self.far = false;
        false
    }

    /// The answer was there so many looks after the first one.
    #[inline]
    fn was_early(&mut self, looks: u32) {
        let far = looks > NEAR;
        let later = match (far, self.far) {
            (false, _) => LATER,
            (true, true) => CLIMB,
            (true, false) => 0,
        };
        self.length = self.length.saturating_add(later).min(LONGEST);
        self.far = far;
    }

    /// Lets the time pass.
    #[inline]
    fn pass(&self) {
        let mut number = 3_u32;
        for _ in 0..self.length / FINE {
            // Each round waits for the one before: a sibling thread of the processor has the rest of it.
            number = black_box(number.wrapping_mul(number));
        }
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "small numbers of the test")]
mod tests {
    use std::cell::Cell;

    use super::{FINE, KEEN_LOOKS, LATER, LONGEST, Lull, NEAR};

    /// The first look at an answer that comes after so many rounds of the loop, of which a look takes as many as one.
    fn first_look_finds(lull: &mut Lull, after: u32) -> bool {
        let at = lull.length / FINE;
        let looks = Cell::new(0);
        let there = || {
            looks.set(looks.get() + 1);
            at + looks.get() > after
        };
        assert!(lull.look(there), "no look found it");
        looks.get() == 1
    }

    #[test]
    fn the_first_look_comes_when_the_answer_does() {
        let mut lull = Lull::default();
        for after in [200, 40, 300] {
            for _ in 0..5_000 {
                first_look_finds(&mut lull, after);
            }
            let found = (0..1_000).filter(|_| first_look_finds(&mut lull, after));
            assert!((700..900).contains(&found.count()));
            let off = (lull.length / FINE).abs_diff(after);
            assert!(off <= 2, "{off} rounds from {after}");
        }
    }

    #[test]
    fn answers_that_take_longer_now_and_then_change_nothing() {
        let mut lull = Lull::default();
        for _ in 0..5_000 {
            first_look_finds(&mut lull, 50);
        }
        for call in 0..5_000 {
            let after = if call % 2 == 0 { 50 } else { 50 + 2 * NEAR };
            first_look_finds(&mut lull, after);
        }
        assert!(lull.length / FINE <= 52);
    }

    #[test]
    fn nobody_looks_away_for_long() {
        let mut lull = Lull::default();
        for _ in 0..10_000 {
            first_look_finds(&mut lull, 384 + NEAR / 2);
            assert!(lull.length <= LONGEST);
        }
        assert_eq!(lull.length, LONGEST);
        // A peer that does not answer while we look teaches nothing.
        let looks = Cell::new(0);
        let never = || {
            looks.set(looks.get() + 1);
            false
        };
        assert!(!lull.look(never));
        assert_eq!((looks.get(), lull.length), (KEEN_LOOKS, LONGEST));
        // And one that begins to answer at once is found out by and by.
        while lull.length > LATER {
            assert!(first_look_finds(&mut lull, 0));
        }
    }
}
