//! How a server thread waits for the next turn of its channel.

use std::time::{Duration, Instant};

use super::Duty;
use crate::channel::ends::low;
use crate::channel::gear::Shift;
use crate::channel::wait::Spent;
use crate::pool::Pool;
use crate::server::footing::Footing;
use crate::sys::{cpu, futex};
use crate::wire::layout::presence;

/// Why a thread stops waiting on a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The client has published a turn.
    Turn {
        /// It came after a pause that may have been long.
        late: bool,
    },
    /// Nothing came for long, or the thread is needed elsewhere.
    Leave,
    /// The session is over.
    Dead,
}

impl Duty {
    /// Waits for the client's next turn.
    #[inline]
    pub(crate) fn await_turn(&mut self, pool: &Pool, footing: &mut Footing) -> Event {
        let channel = &self.channel;
        let (end, session) = (&channel.end, &channel.session);
        let last = low(self.turn);
        let stop = || pool.has_queue() || session.is_dead();
        let spent = self.patience.spend(
            || (cpu::current(), end.peer_cpu()),
            || end.turn() != last,
            stop,
        );
        let shift = self.gear.learn(spent);
        if shift != Shift::None {
            self.shift(shift, footing);
        }
        match spent {
            Spent::Seen => Event::Turn { late: false },
            Spent::Yielded { .. } => Event::Turn { late: true },
            Spent::Blown | Spent::Nothing => self.sleep(pool, footing),
        }
    }

    #[cold]
    fn shift(&mut self, shift: Shift, footing: &mut Footing) {
        if shift == Shift::Part {
            if !footing.part(self.channel.end.peer_cpu()) {
                return self.gear.stay();
            }
            self.patience.begin_anew();
        }
        if let Some(last) = &self.last {
            last.core.meter.shifted(shift);
        }
    }

    #[cold]
    fn sleep(&mut self, pool: &Pool, footing: &mut Footing) -> Event {
        let channel = &self.channel;
        let (end, last) = (&channel.end, low(self.turn));
        if self.gear.follows() {
            footing.follow(end.peer_cpu());
            end.say_cpu();
        }
        let begun = Instant::now();
        let until = begun.checked_add(self.rests_after());
        loop {
            if channel.session.is_dead() {
                return Event::Dead;
            }
            let round = pool.enter_sleep(channel);
            let mut slept = futex::Slept::Look;
            let alone = end.say_presence(presence::SLEEPING, self.turn);
            let wanted = channel.sleeper.is_evicted(round) || pool.has_queue();
            if alone && !wanted && !channel.session.is_dead() {
                slept = futex::wait(end.sleep_word(), last, until);
            }
            let evicted = pool.leave_sleep(channel, round);
            end.say_awake();
            if end.turn() != last {
                if evicted {
                    pool.pass_eviction_on();
                }
                if slept == futex::Slept::Woken {
                    self.learn(begun.elapsed(), footing);
                }
                return Event::Turn { late: true };
            }
            if channel.session.is_dead() {
                return Event::Dead;
            }
            let wanted = evicted || pool.has_queue();
            if wanted || slept == futex::Slept::TimedOut {
                self.has_rested = !wanted;
                return Event::Leave;
            }
        }
    }

    /// A caller has woken the thread after this time.
    fn learn(&mut self, took: Duration, footing: &mut Footing) {
        let end = &self.channel.end;
        if end.peer_cpu() == cpu::current() {
            let soon = self.patience.learn_nap(took);
            let shift = self.gear.napped(soon);
            if shift != Shift::None {
                self.shift(shift, footing);
            }
        } else {
            self.patience.learn_wake(end.woken_for_us());
        }
    }
}
