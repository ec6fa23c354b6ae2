//! The sleeps of threads on one channel, as whoever wants the thread, or ends a sleep that lasts, sees them.
//!
//! A sleep takes no lock, and where calls come often it has no timeout. Three things may still be missed by neither side.
//!
//! | | the thread | the other side | if both missed |
//! |---|---|---|---|
//! | wanted | counts its sleep, *fence*, looks whether it is wanted | stores what it wants threads for, *fence*, looks at the counts | a call waits, and so does a thread |
//! | watched | counts its sleep, *fence*, looks at the mark: not there, so swaps it in and enters the list | the watch takes the mark away, *fence*, looks at the count: another, so swaps the mark in, and keeps the channel in the list | nobody ends the sleep |
//! | called away | counts the end of its sleep, looks out of which it was called | stores the number of the sleep, looks at the count: the same | whoever called counts on a thread that stays |
//!
//! Ordering: in the first two each side stores before it looks, with a `SeqCst` fence between, so that one of them sees the other;
//! release and acquire would let the store pass the look. The thread has one fence for both: that of
//! [`stop_looking`](super::state::stop_looking), which it passes anyhow before it sleeps. Who swaps a mark in and finds none
//! before, and nobody else, has the channel in the list: that is one order of the swaps of one word, and needs no other.
//!
//! In the third the looks at the count are additions (of nothing), which are in one order with the thread's. If the caller's
//! comes first, the thread's acquires what it released: the number that it stored before. If the thread's comes first, the caller
//! finds another number, and has called nobody. The number of a later sleep stays where one of an earlier would follow.
//!
//! The time at which a sleep began is stored before the sleep is counted (release), and loaded after the count (acquire): it is that of
//! the sleep with this number, or of a later one, which is younger. So no sleep is taken for one that has lasted longer.
//! (Where the thread spares a look at the clock it is the time of the call before, `server/duty/waiting.rs`: no call has come since.)

use crate::primitive::{Count, Mark, Ordering, fence};

/// The count of one channel, and the marks of those who look at it.
#[derive(Debug, Default)]
pub(crate) struct Rounds<C, M> {
    /// Counts up at each beginning and at each end of a sleep: odd while a thread sleeps.
    round: C,
    /// When the sleep began, on the monotonic clock.
    since: C,
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
    /// No call has come for long: this sleep is to end.
    Lasts(u64),
    /// Nobody has slept there since the last look.
    IsLeft,
}

/// Whether this is the number of a sleep, rather than of the time between two.
pub(crate) fn is_asleep(round: u64) -> bool {
    !round.is_multiple_of(2)
}

impl<C: Count, M: Mark> Rounds<C, M> {
    /// Where a sleep has this number that has begun at that time, and is or is not watched.
    #[cfg(loom)]
    pub(crate) fn new(round: C, since: C, evicted: C, watched: M) -> Self {
        Self {
            round,
            since,
            evicted,
            watched,
        }
    }

    /// A sleep begins; its number. The thread passes a `SeqCst` fence before it looks whether it is wanted or watched.
    #[inline]
    pub(crate) fn begin(&self, since: u64) -> u64 {
        // One thread at a time sleeps here.
        self.since.store(since, Ordering::Relaxed);
        self.round.add(1, Ordering::Release).wrapping_add(1)
    }

    /// A sleep is over. True: the thread was called out of it.
    #[inline]
    pub(crate) fn end(&self, round: u64) -> bool {
        self.round.add(1, Ordering::Acquire);
        self.is_evicted(round)
    }

    /// The number as it was a moment ago. What depends on the newest is asked after a fence, or decided by [`Self::evict`].
    pub(crate) fn round(&self) -> u64 {
        self.round.load(Ordering::Acquire)
    }

    /// Whether nobody looks at the channel yet; who asks, after the fence, has to see to it.
    #[inline]
    pub(crate) fn is_to_be_watched(&self) -> bool {
        // Most find the mark, by a look that takes the line from nobody.
        !self.watched.load(Ordering::Relaxed) && !self.watched.swap(true, Ordering::Relaxed)
    }

    /// Calls the thread out of this sleep: it will hear of that. False: it has left. Who calls wakes it, until it has.
    pub(crate) fn evict(&self, round: u64) -> bool {
        self.evicted.raise(round, Ordering::Relaxed);
        self.round.add(0, Ordering::Release) == round
    }

    /// Whether the thread was called out of this sleep, by what is seen so far.
    #[inline]
    pub(crate) fn is_evicted(&self, round: u64) -> bool {
        self.evicted.load(Ordering::Relaxed) == round
    }

    /// Since when a thread sleeps here that nobody has called away, with the number of its sleep.
    pub(crate) fn idle(&self) -> Option<(u64, u64)> {
        let round = self.round();
        let idle = is_asleep(round) && !self.is_evicted(round);
        idle.then(|| (self.since.load(Ordering::Relaxed), round))
    }

    /// A look: a sleep that has begun long ago is to end, and nobody sleeps where the number of no sleep is found
    /// that the last look found. After all but [`Look::Changes`] the channel is watched no more, or by somebody else.
    pub(crate) fn look(&self, last: &mut Option<u64>, is_long_ago: impl Fn(u64) -> bool) -> Look {
        let round = self.round();
        let same = last.replace(round) == Some(round);
        let over = if is_asleep(round) {
            is_long_ago(self.since.load(Ordering::Relaxed)) && self.evict(round)
        } else {
            same
        };
        if !over {
            return Look::Changes;
        }
        let _mark = self.watched.swap(false, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if self.round() != round && self.is_to_be_watched() {
            Look::Changes
        } else if is_asleep(round) {
            Look::Lasts(round)
        } else {
            Look::IsLeft
        }
    }
}
