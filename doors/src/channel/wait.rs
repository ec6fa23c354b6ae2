//! How a side waits for the other before it sleeps.
//!
//! Which wait is right depends on where the peer runs. On another processor, looking at its word without a pause
//! is fastest, for about as long as a wake-up across processors takes (20 to 50 us): an answer that needs longer is
//! not worth a processor. How long that is differs between machines, and between processors that doze and those that
//! do not; so whoever wakes its peer says when, and the peer learns from it how long a wake-up takes.
//! On our own processor looking is useless, since the peer cannot run; giving the processor
//! away a few times is then the cheapest switch there is (`sched_yield(2)`), and after that sleeping is.
//!
//! A budget that does not pay shrinks, so that a wrong guess ends by itself; now and then the whole one is tried
//! again, since two sides that both sleep would otherwise never find out that they need not.

use std::time::Duration;

use super::lull::{Lull, look_keenly};
use crate::sys::{clock, cpu};
use crate::waiting::Waiting;

/// The longest looking, in microseconds, until a wake-up was seen: above the one-way wake-up of the machines we know.
const LONGEST_US: u32 = 50;
/// What the longest looking may become, in microseconds.
const LONGEST_FROM_US: u32 = 20;
const LONGEST_TO_US: u32 = 100;
/// A wake-up that took longer tells of a busy processor, not of the machine; or of a peer that lies.
const WAKE_TO_US: u32 = 200;
/// The budget never falls below this, in microseconds: an answer that is nearly there.
const SHORTEST_US: u32 = 1;
/// Every so many waits the whole budget is tried again.
const RETRY_EVERY: u32 = 32;
/// So many calls in a row that were handed over on one processor make what was learned about others stale.
const HANDED: u32 = 8;
/// How often the processor is given away when the peer needs it.
const YIELDS: u32 = 6;
/// A yield that comes back later than this has let a third thread run for its whole time slice, which can be
/// milliseconds. There are none then for a number of waits: a thread that has given way still counts as
/// one that wants the processor, and the kernel moves its peer away to make room.
const YIELD_TOO_LONG: Duration = Duration::from_micros(100);
/// That number, at first.
const BARRED: u32 = 32;
/// It doubles with each yield that was too long again, up to this: a short sleep takes a few microseconds more than a yield,
/// a third thread that computes takes milliseconds.
const LONGEST_BARRED: u32 = 8192;
/// Yields that have paid after which the number is that of the beginning.
const PAID: u32 = 256;
/// What comes within this time after we gave the processor away came soon.
const SOON: Duration = Duration::from_micros(30);
/// Pauses between two looks at what else may end the wait.
const STRIDE: u32 = 64;

/// What the peer did when the wait began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// It looked at our word, or was busy.
    Awake,
    /// It slept, and we have just woken it. A caller whose processor has changed since its last call, of many that were
    /// handed over on one processor, has not learned from those how long it takes now.
    Woken,
}

/// How a wait without sleeping ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spent {
    /// The peer's word came while we looked.
    Seen,
    /// It came after we had given the processor away, soon or late.
    Yielded {
        /// Within about the time that a wake-up across processors takes.
        soon: bool,
    },
    /// It did not come while we looked from another processor.
    Blown,
    /// It did not come, and looking was not what there was to do.
    Nothing,
}

/// What one side has learned about waiting on one channel.
#[derive(Debug)]
pub(crate) struct Patience {
    waiting: Waiting,
    /// For a peer that was awake, and for one that we have just woken.
    budget_us: [u32; 2],
    /// The whole budget.
    longest_us: u32,
    yields: u32,
    /// Waits on our own processor still to come without a yield.
    barred: u32,
    /// How many there will be after the next one that is too long.
    next_barred: u32,
    /// Yields that have paid since the last one that was too long.
    paid: u32,
    waits: u32,
    /// Calls in a row that were handed over to a peer on our own processor.
    handed: u32,
    /// How long a server thread looks away first.
    lull: Option<Lull>,
}

impl Patience {
    /// Nothing is known yet: try the whole budget.
    pub(crate) fn new(waiting: Waiting) -> Self {
        cpu::read_quota();
        Self {
            waiting,
            budget_us: [LONGEST_US; 2],
            longest_us: LONGEST_US,
            yields: YIELDS,
            barred: 0,
            next_barred: BARRED,
            paid: 0,
            waits: 0,
            handed: 0,
            lull: None,
        }
    }

    /// The same for a server thread, which waits for calls.
    pub(crate) fn for_calls(waiting: Waiting) -> Self {
        Self {
            lull: Some(Lull::new()),
            ..Self::new(waiting)
        }
    }

    /// The thread runs elsewhere now: what was learned does not hold there.
    pub(crate) fn begin_anew(&mut self) {
        self.budget_us = [self.longest_us; 2];
        self.yields = YIELDS;
        self.barred = 0;
    }

    /// A wake-up from another processor took so long. It counts for an eighth, so that no single one decides.
    #[cold]
    pub(crate) fn learn_wake(&mut self, took_us: u32) {
        if (1..=WAKE_TO_US).contains(&took_us) {
            let wished = took_us.saturating_add(took_us / 2);
            let learned = self.longest_us.saturating_mul(7).saturating_add(wished) / 8;
            self.longest_us = learned.clamp(LONGEST_FROM_US, LONGEST_TO_US);
        }
    }

    /// A sleep took so long, with the peer on our own processor. True: it was so short that giving the processor away
    /// would have done.
    #[inline]
    pub(crate) fn learn_nap(&mut self, took: Duration) -> bool {
        let soon = took <= SOON;
        if soon && self.barred == 0 {
            self.yields = YIELDS;
        }
        soon
    }

    /// Whether the peer leaves our own processor soon when we give it away: it does not compute between two turns.
    pub(crate) fn peer_rests(&self) -> bool {
        self.yields > 0
    }

    /// Whether yields take too long here to be made.
    pub(crate) fn is_barred(&self) -> bool {
        self.barred > 0
    }

    /// Whether the next wait is likely to begin with looking away until the peer's word is there.
    #[inline]
    pub(crate) fn looks_away(&self) -> bool {
        self.lull.as_ref().is_some_and(Lull::is_settled)
    }

    /// Waits a bounded time without sleeping: until `there` is, the budget is spent, or `stop` says that something
    /// else is to be done.
    #[inline]
    pub(crate) fn spend(
        &mut self,
        cpus: impl Fn() -> (u32, u32),
        there: impl Fn() -> bool,
        stop: impl Fn() -> bool,
        state: Peer,
    ) -> Spent {
        // Two looks are free: in a chain of calls the peer is mostly done by then.
        if there() || there() {
            if state == Peer::Woken {
                self.hand_over();
            }
            return Spent::Seen;
        }
        if self.waiting == Waiting::Block {
            return Spent::Nothing;
        }
        self.waits = self.waits.wrapping_add(1);
        let whole = self.waits.is_multiple_of(RETRY_EVERY) || self.waiting == Waiting::Spin;
        let (own, peer) = cpus();
        if own == peer {
            if self.barred > 0 {
                self.barred = self.barred.saturating_sub(1);
                return Spent::Nothing;
            }
            return self.give_way(there, stop);
        }
        if self.waiting == Waiting::Handoff || cpu::is_short() {
            return Spent::Blown;
        }
        self.handed = 0;
        let seen = match (state, &mut self.lull) {
            (Peer::Awake, Some(lull)) => lull.look(&there),
            (Peer::Awake, None) => look_keenly(&there),
            // It is not that fast.
            (Peer::Woken, _) => false,
        };
        let [awake, woken] = &mut self.budget_us;
        let own_us = match state {
            Peer::Awake => awake,
            Peer::Woken => woken,
        };
        let spent = if seen {
            Spent::Seen
        } else {
            let budget_us = if whole { self.longest_us } else { *own_us };
            let budget = budget_us.saturating_mul(cpu::pauses_per_microsecond());
            look(budget, there, stop)
        };
        *own_us = if spent == Spent::Seen {
            own_us.saturating_mul(2).min(self.longest_us)
        } else {
            (*own_us / 2).max(SHORTEST_US)
        };
        spent
    }

    /// A peer on our own processor has had it from us. After some of those the next that is elsewhere is looked for with
    /// the whole budget: our thread was moved, the peer will follow, and who sleeps meanwhile is moved again.
    fn hand_over(&mut self) {
        self.handed = self.handed.saturating_add(1);
        if self.handed >= HANDED {
            let [_, woken] = &mut self.budget_us;
            *woken = self.longest_us;
        }
    }

    /// The peer is on our own processor: let it run.
    #[cold]
    fn give_way(&mut self, there: impl Fn() -> bool, stop: impl Fn() -> bool) -> Spent {
        self.yields = self.yields.max(1);
        let begun = clock::now_ns();
        let mut before = begun;
        for _ in 0..self.yields {
            cpu::yield_now();
            if there() {
                self.hand_over();
                let took = clock::between(begun, clock::now_ns());
                if took > YIELD_TOO_LONG {
                    self.bar();
                } else {
                    self.pay();
                }
                return Spent::Yielded { soon: took <= SOON };
            }
            let now = clock::now_ns();
            if clock::between(before, now) > YIELD_TOO_LONG {
                self.bar();
                return Spent::Nothing;
            }
            before = now;
            if stop() {
                return Spent::Nothing;
            }
        }
        // One is left: the peer runs on before we do what sleeping takes.
        self.yields = (self.yields / 2).max(1);
        Spent::Nothing
    }

    /// A yield was too long.
    fn bar(&mut self) {
        self.yields = 0;
        self.barred = self.next_barred;
        self.next_barred = self.next_barred.saturating_mul(2).min(LONGEST_BARRED);
        self.paid = 0;
    }

    /// A yield has paid.
    fn pay(&mut self) {
        self.paid = self.paid.saturating_add(1);
        if self.paid == PAID {
            self.next_barred = BARRED;
        }
    }
}

fn look(mut pauses: u32, there: impl Fn() -> bool, stop: impl Fn() -> bool) -> Spent {
    while pauses > 0 {
        for _ in 0..STRIDE {
            std::hint::spin_loop();
            if there() {
                return Spent::Seen;
            }
        }
        if stop() {
            return Spent::Nothing;
        }
        pauses = pauses.saturating_sub(STRIDE);
    }
    Spent::Blown
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "small numbers of the test")]
mod rules;

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "small numbers of the test")]
mod tests {
    use std::cell::Cell;
    use std::time::{Duration, Instant};

    use super::{BARRED, LONGEST_BARRED, PAID, Patience, Peer, Spent, YIELD_TOO_LONG};
    use crate::waiting::Waiting;

    /// A wait on our own processor, with a peer that answers at once or after a third thread's time slice; whether the
    /// processor was given away.
    fn gives_way(patience: &mut Patience, at_once: bool) -> bool {
        let looks = Cell::new(0);
        let there = || {
            looks.set(looks.get() + 1);
            // Two looks come before anything else.
            if looks.get() == 3 && !at_once {
                let until = Instant::now() + YIELD_TOO_LONG + Duration::from_micros(20);
                while Instant::now() < until {}
            }
            looks.get() > 2
        };
        let spent = patience.spend(|| (0, 0), there, || false, Peer::Awake);
        assert!(matches!(spent, Spent::Yielded { .. } | Spent::Nothing));
        looks.get() > 2
    }

    /// Waits until the processor is given away again.
    fn barred(patience: &mut Patience) -> u32 {
        (0..=LONGEST_BARRED)
            .find(|_| gives_way(patience, false))
            .expect("never")
    }

    #[test]
    fn yields_that_take_long_are_made_more_and_more_seldom() {
        let mut patience = Patience::new(Waiting::Auto);
        assert_eq!(barred(&mut patience), 0);
        let mut run = BARRED;
        while run < LONGEST_BARRED {
            assert_eq!(barred(&mut patience), run);
            run *= 2;
        }
        assert_eq!(barred(&mut patience), LONGEST_BARRED);
        assert_eq!(barred(&mut patience), LONGEST_BARRED);
    }

    #[test]
    fn short_sleeps_end_no_bar_and_yields_that_pay_shorten_the_next() {
        let mut patience = Patience::new(Waiting::Auto);
        assert_eq!(barred(&mut patience), 0);
        assert!(patience.learn_nap(Duration::ZERO));
        assert_eq!(barred(&mut patience), BARRED);
        assert!(!gives_way(&mut patience, true));
        let mut paid = 0;
        while paid < PAID {
            // Another thread may run for long here, too, and begin a longer bar.
            paid = if gives_way(&mut patience, true) {
                patience.paid
            } else {
                paid
            };
        }
        assert_eq!(barred(&mut patience), 0);
        assert_eq!(barred(&mut patience), BARRED);
    }
}
