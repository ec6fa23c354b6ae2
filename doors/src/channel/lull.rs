//! Looking away from a caller that is about to call again.
//!
//! A cache line that both sides use is with one processor at a time. A writer has to fetch it, and a look takes it back: who
//! looks while the peer has its line, but not yet what to write there, makes it fetch the line twice. In a chain of
//! calls the server knows when the next one comes: as long after its answer as the last ones, to some nanoseconds. So it looks away
//! for about that long, and says so; the client then fetches the line of its next call as soon as it has the answer
//! ([`Words::fetch`](crate::sys::words::Words::fetch)), and the server's first look finds the call. That saves one
//! journey of a line between the processors, of the four that a call has. (The same for the answer saves as much by
//! itself, but less than nothing beside this: each side then waits for an event that moves with its own waiting.)
//!
//! How long is learned from what the first look finds. A call that is there may have been there for some time: look a
//! little earlier. One that is not: look later, and by more, since a look that is too early costs more than one that is
//! a little late. Now and then the first look is much earlier, which finds out whether that would do.
//!
//! It pays only where callers are regular. So it is judged by every 256 calls, and left for a longer and longer
//! time where it does not pay; a client fetches nothing then, and the server looks all the time.

use std::hint::black_box;

/// Steps of the length that are one round of the loop, about a nanosecond.
const FINE: u32 = 8;
/// The first look is earlier by so much after one that was late enough.
const EARLIER: u32 = 2;
/// It is later by so much after one that was too early.
const LATER: u32 = 16;
/// It is never later than this: some 300 ns, which is what a call that comes sooner than the last ones may lose.
const LONGEST: u32 = 384 * FINE;
/// Every so many calls the first look comes after half the time.
const PROBE_EVERY: u32 = 32;
/// Calls after which is judged what they have shown.
const TERM: u32 = 256;
/// The least first looks of a term that must have been late enough.
const FOUND: u32 = 190;
/// The most probes of it that may have been.
const PROBED: u32 = 1;
/// Terms without success after which it is left for a while.
const TRIES: u32 = 3;
/// Terms for which it is left at first, and at most.
const REST: u32 = 8;
const LONGEST_REST: u32 = 256;
/// Looks before the first pause: for a microsecond or two, in which a short procedure returns, and a caller calls again. A
/// `pause` lets a sibling thread of the processor go first, and takes 64 cycles on the machine that we measure on: half of that
/// is what an answer waits on average to be seen, on either side.
pub(super) const KEEN_LOOKS: u32 = 1000;

/// Looks without a pause for as long as a peer takes that does little else than to answer. True: the answer is there.
#[inline]
pub(super) fn look_keenly(there: impl Fn() -> bool) -> bool {
    (0..KEEN_LOOKS).any(|_| there())
}

/// For how long to look away.
#[derive(Debug)]
pub(super) struct Lull {
    length: u32,
    /// Calls of this term, and how many of its first looks and probes were late enough.
    calls: u32,
    found: u32,
    probed: u32,
    /// What the last probe has found.
    last_probe: bool,
    /// Terms in a row that did not pay.
    tries: u32,
    /// Terms still to come without looking away.
    resting: u32,
    /// How many there will be the next time.
    rest: u32,
    /// The last term has paid.
    settled: bool,
}

impl Lull {
    /// Nothing is known yet.
    pub(super) fn new() -> Self {
        Self {
            length: 0,
            calls: 0,
            found: 0,
            probed: 0,
            last_probe: false,
            tries: 0,
            resting: 0,
            rest: REST,
            settled: false,
        }
    }

    /// Whether the next call is likely to be there at the first look.
    #[inline]
    pub(super) fn is_settled(&self) -> bool {
        self.settled
    }

    /// Looks away if that pays, and then as [`look_keenly`].
    #[inline]
    pub(super) fn look(&mut self, there: impl Fn() -> bool) -> bool {
        self.calls = self.calls.wrapping_add(1);
        if self.calls == TERM {
            self.judge();
        }
        if self.resting > 0 {
            return look_keenly(there);
        }
        // Not the first of a term, which comes late.
        let probes = self.calls % PROBE_EVERY == PROBE_EVERY / 2;
        let length = if probes { self.length / 2 } else { self.length };
        pass(length);
        let found = there();
        if probes {
            self.probe_has(found);
        } else if found {
            self.length = length.saturating_sub(EARLIER);
            self.found = self.found.saturating_add(1);
        }
        if found {
            return true;
        }
        let seen = look_keenly(there);
        if seen && !probes {
            self.length = self.length.saturating_add(LATER).min(LONGEST);
        }
        seen
    }

    #[cfg(test)]
    fn next_length(&self) -> u32 {
        let calls = self.calls.wrapping_add(1) % TERM;
        match (self.resting, calls % PROBE_EVERY == PROBE_EVERY / 2) {
            (0, true) => self.length / 2,
            (0, false) => self.length,
            _ => 0,
        }
    }

    /// What a probe has found. A single one may be chance.
    #[cold]
    fn probe_has(&mut self, found: bool) {
        if found {
            self.probed = self.probed.saturating_add(1);
            if self.last_probe {
                self.length = self.length.saturating_sub(self.length / 4);
            }
        }
        self.last_probe = found;
    }

    /// A term is over.
    #[cold]
    fn judge(&mut self) {
        self.calls = 0;
        let found = std::mem::take(&mut self.found);
        let probed = std::mem::take(&mut self.probed);
        if self.resting > 0 {
            self.resting = self.resting.saturating_sub(1);
            return;
        }
        self.settled = found >= FOUND && probed <= PROBED;
        if self.settled {
            self.tries = 0;
            self.rest = REST;
            return;
        }
        self.tries = self.tries.saturating_add(1);
        if self.tries == TRIES {
            self.tries = 0;
            self.resting = self.rest;
            self.rest = self.rest.saturating_mul(2).min(LONGEST_REST);
        }
    }
}

/// Lets the time pass.
#[inline]
fn pass(length: u32) {
    let mut number = 3_u32;
    for _ in 0..length / FINE {
        // Each round waits for the one before: a sibling thread of the processor has the rest of it.
        number = black_box(number.wrapping_mul(number));
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "small numbers of the test")]
mod tests {
    use std::cell::Cell;

    use super::{FINE, KEEN_LOOKS, LATER, LONGEST, LONGEST_REST, Lull, TERM};

    /// Whether the first look finds a call that comes after so many rounds of the loop; a look takes as long as one.
    fn first_look_finds(lull: &mut Lull, after: u32) -> bool {
        let at = lull.next_length() / FINE;
        let looks = Cell::new(0);
        let there = || {
            looks.set(looks.get() + 1);
            at + looks.get() > after
        };
        assert!(lull.look(there), "no look found it");
        looks.get() == 1
    }

    #[test]
    fn the_first_look_comes_when_the_call_does() {
        let mut lull = Lull::new();
        for after in [200, 40, 300] {
            for _ in 0..10 * TERM {
                first_look_finds(&mut lull, after);
            }
            assert!(lull.is_settled(), "{after}: {lull:?}");
            let off = (lull.length / FINE).abs_diff(after);
            assert!(off <= 3, "{off} rounds from {after}");
        }
    }

    #[test]
    fn where_calls_come_at_any_time_it_is_left() {
        let mut lull = Lull::new();
        let (mut number, mut away) = (1_u32, 0);
        for _ in 0..1_000 * TERM {
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            away += u32::from(lull.resting == 0);
            first_look_finds(&mut lull, (number >> 16) % 400);
        }
        assert!(away < 100 * TERM, "{away}");
        // And tried again: what the caller does may have changed.
        for _ in 0..2 * LONGEST_REST * TERM {
            first_look_finds(&mut lull, 100);
        }
        assert!(lull.is_settled());
    }

    #[test]
    fn nobody_looks_away_for_long() {
        let mut lull = Lull::new();
        for _ in 0..10 * TERM {
            first_look_finds(&mut lull, LONGEST / FINE + 100);
            assert!(lull.length <= LONGEST && !lull.is_settled());
        }
        // A peer that does not call while we look teaches nothing.
        let mut lull = Lull::new();
        for _ in 0..TERM {
            let looks = Cell::new(0);
            let never = || {
                looks.set(looks.get() + 1);
                false
            };
            assert!(!lull.look(never));
            assert_eq!((looks.get(), lull.length), (KEEN_LOOKS + 1, 0));
        }
        // And one that calls at once is found out by and by.
        lull.length = LONGEST;
        lull.resting = 0;
        while lull.length > LATER {
            assert!(first_look_finds(&mut lull, 0));
        }
    }
}
