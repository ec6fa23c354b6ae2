//! The sleeps of threads on one channel, as whoever ends those that last sees them.
//!
//! Where calls come often a sleep has no timeout. It is *watched*: somebody has the channel in a list, and looks now and
//! then. Most sleeps find the mark of that and do nothing about it. Once a look finds what the last one found, the
//! channel leaves the list: nobody sleeps there, or whoever does is called away.
//!
//! | the thread, at a sleep | the watch, at a look that finds the number of the last |
//! |---|---|
//! | 1. counts its sleep | 1. takes the mark away |
//! | 2. swaps the mark in; not there before: enters the list | 2. looks at the count again; another number: swaps the mark in, and if it was not there the channel stays in the list |
//!
//! Ordering: of the swaps of the mark each sees all that came before those that it follows (acquire and release), and they
//! are in one order. If the thread's swap comes first, the watch's, and so its look at the count, comes after the count
//! of that sleep: it sees another number. If the watch's comes first, the thread finds no mark, and enters the
//! list. So no sleep is without a watch. And the channel is in the list once, since whoever has swapped the
//! mark in, and nobody else, has it there. A load in the place of the thread's swap would be one that may overtake its count.

use crate::primitive::{Count, Mark, Ordering};

/// The count of one channel, and the marks of those who look at it.
#[derive(Debug, Default)]
pub(crate) struct Rounds<C, M> {
    /// Counts up at each beginning and at each end of a sleep: odd while a thread sleeps.
    round: C,
    /// The sleep out of which somebody called the thread, because it is needed elsewhere or has slept for long.
    evicted: C,
    /// The channel is in the list of those that are looked at.
    watched: M,
}

/// What was found at a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Calls come, or it is the first look.
    Changes,
    /// No call has come since the last look: this sleep is to end.
    Lasts(u64),
    /// Nobody has slept there since the last look.
    IsLeft,
}

/// Whether this is the number of a sleep, rather than of the time between two.
pub(crate) fn is_asleep(round: u64) -> bool {
    !round.is_multiple_of(2)
}

impl<C: Count, M: Mark> Rounds<C, M> {
    /// On which nobody sleeps.
    #[cfg(loom)]
    pub(crate) fn new(round: C, evicted: C, watched: M) -> Self {
        Self {
            round,
            evicted,
            watched,
        }
    }

    /// A sleep begins or ends; its number.
    pub(crate) fn turn_over(&self) -> u64 {
        self.round.add(1, Ordering::Release).wrapping_add(1)
    }

    /// The number as it was a moment ago. What depends on the newest is decided under a lock, or asked again.
    pub(crate) fn round(&self) -> u64 {
        self.round.load(Ordering::Acquire)
    }

    /// Whether nobody looks at the channel yet; who asks, after it has counted its sleep, has to see to it.
    pub(crate) fn is_to_be_watched(&self) -> bool {
        !self.watched.swap(true, Ordering::AcqRel)
    }

    /// The thread that sleeps this sleep is to leave; who says so wakes it, until it has.
    pub(crate) fn evict(&self, round: u64) {
        self.evicted.store(round, Ordering::Release);
    }

    /// Whether the thread was called out of this sleep.
    pub(crate) fn is_evicted(&self, round: u64) -> bool {
        self.evicted.load(Ordering::Acquire) == round
    }

    /// A look, which finds the number that the last one found: a sleep that goes on is to end. After all but
    /// [`Look::Changes`] the channel is watched no more, or by somebody else.
    pub(crate) fn look(&self, last: &mut Option<u64>) -> Look {
        let round = self.round();
        if last.replace(round) != Some(round) {
            return Look::Changes;
        }
        if is_asleep(round) {
            self.evict(round);
        }
        let _mark = self.watched.swap(false, Ordering::AcqRel);
        if self.round() != round && self.is_to_be_watched() {
            Look::Changes
        } else if is_asleep(round) {
            Look::Lasts(round)
        } else {
            Look::IsLeft
        }
    }
}
