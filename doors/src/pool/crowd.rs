//! How many channels have a thread of their own.
//!
//! A channel on which calls come often is fastest with a thread of its own: a call that finds it elsewhere goes by the leader and takes
//! the thread of another such channel away, which is then missed there (16 callers in a closed loop on two processors: 2.6 M
//! calls/s with 5 threads, 4.3 M with 16). So where a call waits for a thread another one is made, up to some threads for each processor.
//!
//! With many more than that, however, pairs of a caller and its thread want so many more processors than there are that one side of each
//! is mostly out when the other looks: both sleep for each other, and each call takes two wake-ups (64 callers: 0.3 M calls/s with 64
//! threads, 3.6 M with 16). With fewer threads a call goes to one that *runs* and has nothing to do just then: the two are a pair at once, and
//! stay one for a time slice. So
//!
//! | who | does |
//! |---|---|
//! | a call on a channel without a thread, nobody idle, room left | gets a further thread, if threads are the library's own |
//! | a call on a channel without a thread, no room left, processors short | waits for a thread that looks, or for one that sleeps on a channel and is called away, even if others are idle |
//! | a thread that is about to sleep on its channel, beyond the room, processors short | leaves the channel |
//!
//! Processors are short while threads that give theirs away before they sleep come back late: somebody else had it. Callers that pause
//! on processors that are idle otherwise keep their threads, however many they are.
//!
//! # A call that waits while threads are idle
//!
//! Nobody may count on a thread that is busy, perhaps for ever. Whoever queues such a call has queued it before it looks for a thread that
//! has a channel and is parked, with a `SeqCst` fence between; whoever takes a call says that it is not parked, passes a fence, and looks
//! at the queue. So one of them sees the other: either nobody is counted on who is busy, or he finds the queue and
//! [rouses](Pool::rouse_if_queued) an idle thread. The others come to the queue by themselves: a thread that looks stops for it, one between
//! two parts rouses somebody as well, one that goes to sleep looks at it after a fence, one that leaves its channel takes from
//! it what there is, and passes on out of which sleep it was called if it stays.

use std::sync::Arc;
use std::time::Duration;

use super::Pool;
use crate::primitive::{AtomicU64, AtomicUsize, Ordering, fence};
use crate::server::meter::Running;
use crate::sys::{clock, cpu};

/// Channels with a thread for each processor.
const ROOM: usize = 8;
/// A processor that was given away and comes back later than this was somebody else's meanwhile: without anybody who wants it, the call
/// takes a third of a microsecond.
const LATE: Duration = Duration::from_micros(2);
/// What was seen holds for the rest of its period and for the next one, in nanoseconds: some time slices.
const PERIOD_NS: u64 = 20_000_000;

/// The crowd at the channels of a pool.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    /// Channels that have a thread.
    staffed: AtomicUsize,
    /// The period after the last one in which processors were short.
    short_until: AtomicU64,
}

/// A thread has a channel, until this is dropped.
#[derive(Debug)]
pub(crate) struct Staffing<'a> {
    pool: &'a Pool,
    running: Arc<Running>,
}

impl Crowd {
    fn say_short(&self, period: u64) {
        self.short_until
            .store(period.saturating_add(1), Ordering::Relaxed);
    }

    fn is_short(&self, period: u64) -> bool {
        self.short_until.load(Ordering::Relaxed) >= period
    }

    fn staffed(&self) -> usize {
        self.staffed.load(Ordering::Relaxed)
    }
}

impl Pool {
    /// A thread comes to a channel.
    pub(crate) fn staff(&self, running: &Arc<Running>) -> Staffing<'_> {
        self.crowd.staffed.fetch_add(1, Ordering::Relaxed);
        running.say_staffing(true);
        Staffing {
            pool: self,
            running: Arc::clone(running),
        }
    }

    /// Whether a thread that is about to sleep on its channel had better leave it. It gives the processor away to find out, unless that is
    /// barred.
    #[inline]
    pub(crate) fn is_left_in_crowd(&self, barred: bool) -> bool {
        self.crowd.staffed() > room() && self.is_too_many(barred)
    }

    #[cold]
    fn is_too_many(&self, barred: bool) -> bool {
        if self.at_work() <= room() {
            return false;
        }
        if barred {
            return self.crowd.is_short(period());
        }
        let begun = clock::now_ns();
        cpu::yield_now();
        let short = clock::between(begun, clock::now_ns()) >= LATE;
        if short {
            self.crowd.say_short(period());
        }
        short
    }

    /// Whether no further channel is to have a thread, since processors are short.
    pub(super) fn is_crowded(&self) -> bool {
        let crowd = &self.crowd;
        crowd.staffed() >= room() && crowd.is_short(period()) && self.at_work() >= room()
    }

    /// How many threads have channels on which calls come and go. Who is in a procedure for longer needs no processor, for all we know.
    fn at_work(&self) -> usize {
        let now = clock::coarse_ns();
        let is_recent = |since| now.saturating_sub(since) < PERIOD_NS;
        let desks = self.desks.load();
        let at_work = desks
            .iter()
            .filter(|desk| desk.is_staffing() && (desk.is_parked() || is_recent(desk.since())));
        at_work.count()
    }

    /// Whether a thread has a channel and looks for calls: it looks at the queue, too. The caller has queued a call and has the lock of the
    /// state, so that nobody who leaves his channel meanwhile overlooks it.
    pub(super) fn somebody_looks(&self) -> bool {
        fence(Ordering::SeqCst);
        let desks = self.desks.load();
        // In this order: who parks for the last time before he is not counted on has said that before.
        desks
            .iter()
            .any(|desk| desk.is_parked() && desk.is_staffing())
    }

    /// The calling thread has taken a call and may be counted on for another: an idle one goes instead, if there is one. It has said that it
    /// is not parked, and passed a fence.
    #[inline]
    pub(crate) fn rouse_if_queued(&self) {
        if self.has_queue() {
            self.rouse();
        }
    }
}

impl Drop for Staffing<'_> {
    fn drop(&mut self) {
        self.running.say_staffing(false);
        self.pool.crowd.staffed.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many channels may have a thread while processors are short, and how many threads are made for speed.
pub(super) fn room() -> usize {
    cpu::count().saturating_mul(ROOM)
}

fn period() -> u64 {
    clock::coarse_ns() / PERIOD_NS
}

#[cfg(test)]
mod tests {
    use super::Crowd;

    #[test]
    fn processors_are_short_until_the_end_of_the_next_period() {
        let crowd = Crowd::default();
        assert!(!crowd.is_short(10));
        crowd.say_short(10);
        assert!(crowd.is_short(10) && crowd.is_short(11));
        assert!(!crowd.is_short(12));
    }
}
