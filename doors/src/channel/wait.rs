//! How a side waits for the other before it sleeps.
//!
//! Which wait is right depends on where the peer runs. On another processor, looking at its word without a pause
//! is fastest, for about as long as a wake-up across processors takes (20 to 50 us): an answer that needs longer is
//! not worth a processor. On our own processor looking is useless, since the peer cannot run; giving the processor
//! away a few times is then the cheapest switch there is (`sched_yield(2)`), and after that sleeping is.
//!
//! A budget that does not pay shrinks, so that a wrong guess ends by itself; now and then the whole one is tried
//! again, since two sides that both sleep would otherwise never find out that they need not.

use std::time::{Duration, Instant};

use crate::sys::cpu;

/// The longest looking, in microseconds: above the one-way wake-up of the machines we know.
const LONGEST_US: u32 = 50;
/// The budget never falls below this, in microseconds: an answer that is nearly there.
const SHORTEST_US: u32 = 1;
/// Every so many waits the whole budget is tried again.
const RETRY_EVERY: u32 = 32;
/// How often the processor is given away when the peer needs it.
const YIELDS: u32 = 6;
/// A yield that comes back later than this has let a third thread run for its whole time slice, which can be
/// milliseconds: no more of them, the futex gets us back as soon as the peer is done.
const YIELD_TOO_LONG: Duration = Duration::from_micros(100);
/// Pauses between two looks at what else may end the wait.
const STRIDE: u32 = 64;

/// What one side has learned about waiting on one channel.
#[derive(Debug)]
pub(crate) struct Patience {
    budget_us: u32,
    yields: u32,
    waits: u32,
}

impl Patience {
    /// Nothing is known yet: try the whole budget.
    pub(crate) const fn new() -> Self {
        Self {
            budget_us: LONGEST_US,
            yields: YIELDS,
            waits: 0,
        }
    }

    /// Waits a bounded time without sleeping. True as soon as `there` is; false if the budget is spent or
    /// `stop` says that something else is to be done.
    #[inline]
    pub(crate) fn spend(
        &mut self,
        peer_cpu: impl Fn() -> u32,
        there: impl Fn() -> bool,
        stop: impl Fn() -> bool,
    ) -> bool {
        // Two looks are free: in a chain of calls the peer is mostly done by then.
        if there() || there() {
            return true;
        }
        self.waits = self.waits.wrapping_add(1);
        let whole = self.waits.is_multiple_of(RETRY_EVERY);
        if peer_cpu() == cpu::current() {
            return self.give_way(whole, there, stop);
        }
        let budget_us = if whole { LONGEST_US } else { self.budget_us };
        let seen = look(
            budget_us.saturating_mul(cpu::pauses_per_microsecond()),
            there,
            stop,
        );
        self.budget_us = if seen {
            self.budget_us.saturating_mul(2).min(LONGEST_US)
        } else {
            (self.budget_us / 2).max(SHORTEST_US)
        };
        seen
    }

    /// The peer is on our own processor: let it run.
    #[cold]
    fn give_way(&mut self, whole: bool, there: impl Fn() -> bool, stop: impl Fn() -> bool) -> bool {
        let yields = if whole { YIELDS } else { self.yields };
        let mut before = Instant::now();
        for _ in 0..yields {
            cpu::yield_now();
            if there() {
                self.yields = YIELDS;
                return true;
            }
            let now = Instant::now();
            if now.saturating_duration_since(before) > YIELD_TOO_LONG {
                self.yields = 0;
                return false;
            }
            before = now;
            if stop() {
                return false;
            }
        }
        false
    }
}

#[inline]
fn look(mut pauses: u32, there: impl Fn() -> bool, stop: impl Fn() -> bool) -> bool {
    while pauses > 0 {
        for _ in 0..STRIDE {
            std::hint::spin_loop();
            if there() {
                return true;
            }
        }
        if stop() {
            return false;
        }
        pauses = pauses.saturating_sub(STRIDE);
    }
    false
}
