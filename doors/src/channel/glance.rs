//! Waiting for a word of the kernel's, at a socket or an epoll, before a thread sleeps for it.
//!
//! Whoever asks the kernel whether something has come pays for a system call each time, so this is for waits at which a
//! peer is expected at once: the answer to a first call, and the next caller after one. To be woken from a sleep takes
//! longer than both. The peer may be on our own processor and need it, which nobody knows here: so the processor is
//! offered to others before each look, which costs next to nothing when there are none. Only where something had come
//! already when it was tried, as with many callers, the first look is at once. What does not pay shrinks, as in
//! [`wait`](super::wait), and a processor on which a third thread computes is given away seldom.

use std::time::{Duration, Instant};

use crate::primitive::{AtomicBool, AtomicU32, Ordering};
use crate::sys::clock::after;
use crate::sys::cpu;
use crate::waiting::Waiting;

/// The longest looking, in microseconds: above what it takes to wake the peer and have a short procedure answer.
const LONGEST_US: u32 = 50;
/// The shortest that is worth its beginning, in microseconds.
const SHORTEST_US: u32 = 4;
/// Every so many waits the longest looking is tried again.
const RETRY_EVERY: u32 = 32;
/// Every so many waits the first look is tried before the processor is offered.
const AT_ONCE_EVERY: u32 = 16;
/// The first waits sleep at once: a program that calls once is over by then, and need not know of any quota.
const UNTRIED: u32 = 8;
/// A processor that comes back later than this was a third thread's, for its whole time slice; the peer gives it back
/// sooner, also on a machine that is disturbed now and then.
const TOO_LONG: Duration = Duration::from_micros(500);
/// So many waits look at nothing after that, at first; twice as many each time, up to the latter.
const BARRED: u32 = 32;
const LONGEST_BARRED: u32 = 8192;
/// A wait that pays and whose number is a multiple of this begins that row anew.
const PARDON_EVERY: u32 = 256;

/// What was learned at one kind of wait. Threads that learn at the same time may lose what one of them has: it is only
/// about how long to look.
#[derive(Debug)]
pub(crate) struct Glance {
    waits: AtomicU32,
    budget_us: AtomicU32,
    /// Waits still to come that look at nothing.
    barred: AtomicU32,
    /// How many there will be after the next one.
    next_barred: AtomicU32,
    /// The last look that was made at once has found something.
    at_once: AtomicBool,
}

impl Default for Glance {
    fn default() -> Self {
        Self::new()
    }
}

impl Glance {
    pub(crate) const fn new() -> Self {
        Self {
            waits: AtomicU32::new(0),
            budget_us: AtomicU32::new(LONGEST_US),
            barred: AtomicU32::new(0),
            next_barred: AtomicU32::new(BARRED),
            at_once: AtomicBool::new(false),
        }
    }

    /// Looks for what is expected at once, since `begun` or now; false if it has not come, and the thread may as well sleep.
    /// Each look is told the time, if that is known.
    pub(crate) fn at(
        &self,
        begun: Option<Instant>,
        mut there: impl FnMut(Option<Instant>) -> bool,
    ) -> bool {
        let waits = self.waits.fetch_add(1, Ordering::Relaxed);
        let Some(budget) = self.budget(waits) else {
            return false;
        };
        if self.at_once.load(Ordering::Relaxed) || waits.is_multiple_of(AT_ONCE_EVERY) {
            let seen = there(None);
            self.at_once.store(seen, Ordering::Relaxed);
            if seen {
                self.pay(waits);
                return true;
            }
        }
        let begun = begun.unwrap_or_else(Instant::now);
        let mut before = begun;
        loop {
            cpu::yield_now();
            let now = Instant::now();
            let seen = there(Some(now));
            if after(before, TOO_LONG) < now {
                self.bar();
                return seen;
            }
            if seen {
                self.pay(waits);
                return true;
            }
            if now.saturating_duration_since(begun) > budget {
                self.fail();
                return false;
            }
            before = now;
        }
    }

    /// For how long this wait looks, if it does.
    fn budget(&self, waits: u32) -> Option<Duration> {
        if waits < UNTRIED {
            return None;
        }
        if waits == UNTRIED {
            cpu::read_quota();
        }
        let waiting = Waiting::of_process();
        if matches!(waiting, Waiting::Block | Waiting::Handoff) || cpu::is_short() {
            return None;
        }
        let barred = self.barred.load(Ordering::Relaxed);
        if let Some(left) = barred.checked_sub(1) {
            self.barred.store(left, Ordering::Relaxed);
            return None;
        }
        let own = self.budget_us.load(Ordering::Relaxed);
        let whole = waits.is_multiple_of(RETRY_EVERY) || waiting == Waiting::Spin;
        let budget = if whole { LONGEST_US } else { own };
        (budget > 0).then(|| Duration::from_micros(u64::from(budget)))
    }

    /// It was worth looking.
    fn pay(&self, waits: u32) {
        if waits.is_multiple_of(PARDON_EVERY) {
            self.next_barred.store(BARRED, Ordering::Relaxed);
        }
        let own = self.budget_us.load(Ordering::Relaxed);
        if own < LONGEST_US {
            let more = own.saturating_mul(2).clamp(SHORTEST_US, LONGEST_US);
            self.budget_us.store(more, Ordering::Relaxed);
        }
    }

    /// It did not come.
    fn fail(&self) {
        let own = self.budget_us.load(Ordering::Relaxed) / 2;
        let own = if own < SHORTEST_US { 0 } else { own };
        self.budget_us.store(own, Ordering::Relaxed);
    }

    /// A third thread has had its time slice.
    #[cold]
    fn bar(&self) {
        let run = self.next_barred.load(Ordering::Relaxed);
        self.barred.store(run, Ordering::Relaxed);
        let next = run.saturating_mul(2).min(LONGEST_BARRED);
        self.next_barred.store(next, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "small numbers of the test")]
mod tests {
    use std::cell::Cell;
    use std::thread::sleep;

    use super::{BARRED, Glance, RETRY_EVERY, TOO_LONG, UNTRIED};

    /// Beside other tests.
    const TRIES: u32 = 1000;

    /// Looks for what comes with the nth look, if ever; how often it was looked for.
    fn looks(glance: &Glance, nth: u32) -> u32 {
        let looks = Cell::new(0);
        glance.at(None, |_| {
            looks.set(looks.get() + 1);
            looks.get() == nth
        });
        looks.get()
    }

    fn tried() -> Glance {
        let glance = Glance::new();
        assert!((0..UNTRIED).all(|_| looks(&glance, 1) == 0));
        glance
    }

    #[test]
    fn what_is_there_is_seen_and_what_does_not_come_is_looked_for_less_and_less() {
        // A thread of another test may have the processor for as long as is looked, or longer; then it is tried again.
        let glance = (0..TRIES).find_map(|_| {
            let glance = tried();
            let took = [looks(&glance, 1), looks(&glance, 2)];
            (took == [1, 2]).then_some(glance)
        });
        let glance = glance.unwrap();
        // Whether each of them has come to its end or to another thread's time slice, the next ones look less.
        let mut waits = 0;
        while looks(&glance, u32::MAX) > 0 {
            waits += 1;
            assert!(waits < RETRY_EVERY, "looked for ever");
        }
        let tries = (0..=RETRY_EVERY + BARRED).map(|_| looks(&glance, 1));
        assert!(tries.sum::<u32>() > 0, "never tried again");
    }

    #[test]
    fn after_another_threads_time_slice_some_waits_do_not_look() {
        // The yield before the first look may have taken all the time that there is.
        let glance = (0..TRIES).find_map(|_| {
            let glance = tried();
            let late = Cell::new(0);
            let seen = glance.at(None, |_| {
                late.set(late.get() + 1);
                if late.get() == 1 {
                    sleep(TOO_LONG * 2);
                }
                false
            });
            assert!(!seen);
            (late.get() > 1).then_some(glance)
        });
        let glance = glance.unwrap();
        assert!((0..BARRED).all(|_| looks(&glance, 1) == 0));
        assert_eq!(looks(&glance, 1), 1);
    }
}
