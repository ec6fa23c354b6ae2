//! How a server thread waits for the next turn of its channel.

use std::cell::Cell;
use std::time::Duration;

use super::{Duty, Progress};
use crate::channel::ends::low;
use crate::channel::gear::Shift;
use crate::channel::wait::{Peer, Spent};
use crate::pool::{Bed, Pool};
use crate::server::footing::Footing;
use crate::sys::{clock, cpu, futex};
use crate::wire::layout::presence;

/// After a sleep that was not longer the next one has no timeout: the leader looks at it.
const BRISK: Duration = Duration::from_micros(500);

/// A caller pauses that has not called for so long. A sleep for one need not be timed well: it counts from the call before it, which
/// spares a look at the clock, 27 ns of each call. Should the caller pause no more it is found out after so many calls.
const PAUSE: Duration = Duration::from_micros(100);
const UNTIMED: u32 = 15;

/// Why a thread stops waiting on a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The client has published a turn.
    Turn(Arrival),
    /// Nothing came for long, or the thread is needed elsewhere.
    Leave,
    /// The session is over.
    Dead,
}

/// When a turn has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Soon after the one before.
    Soon,
    /// After a pause that may have been long.
    Late,
    /// At this time of the monotonic clock.
    At(u64),
}

impl Duty {
    /// Waits for the client's next turn.
    #[inline]
    pub(crate) fn await_turn(
        &mut self,
        pool: &Pool,
        bed: &mut Bed<'_>,
        footing: &mut Footing,
    ) -> Event {
        let channel = &self.channel;
        let (end, session) = (&channel.end, &channel.session);
        let last = low(self.turn);
        let stop = || pool.has_queue() || session.is_dead();
        let here = Cell::new(None);
        let spent = self.patience.spend(
            || {
                let cpu = cpu::current();
                here.set(Some(cpu));
                (cpu, end.peer_cpu())
            },
            || end.turn() != last,
            stop,
            Peer::Awake,
        );
        let in_vain = matches!(spent, Spent::Blown | Spent::Nothing);
        if in_vain
            && self.may_leave()
            && !stop()
            && pool.is_left_in_crowd(self.patience.is_barred())
        {
            // It says nothing about the caller, who may have lost its processor.
            let came = self.channel.end.turn() != last;
            return if came {
                Event::Turn(Arrival::Late)
            } else {
                Event::Leave
            };
        }
        let shift = self.gear.learn(spent);
        if shift != Shift::None {
            self.shift(shift, footing);
        }
        match spent {
            Spent::Seen => Event::Turn(Arrival::Soon),
            Spent::Yielded { .. } => Event::Turn(Arrival::Late),
            Spent::Blown | Spent::Nothing => {
                // A look takes long enough to be moved meanwhile.
                let seen = here.get().filter(|_| spent == Spent::Nothing);
                let here = seen.unwrap_or_else(cpu::current);
                self.sleep(pool, bed, footing, here)
            }
        }
    }

    /// Whether the channel can do without its thread between two calls that come soon.
    fn may_leave(&self) -> bool {
        self.gear.looks() && matches!(self.progress, Progress::Idle)
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

    // Of a call that comes after a pause each line of code that lies elsewhere is a miss.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "one run of code: `server/desk.rs`")]
    fn sleep(&mut self, pool: &Pool, bed: &mut Bed<'_>, footing: &mut Footing, here: u32) -> Event {
        let channel = &self.channel;
        let (end, last) = (&channel.end, low(self.turn));
        let leaf = self.last.as_ref().is_some_and(|last| last.core.is_leaf());
        // Holding the thread of a leaf door costs nothing: it is not widened for the call.
        let held = self.gear.holds(self.patience.peer_rests() && !leaf);
        // A client that sleeps is often woken on its waker's processor: the two would change places. Once it is awaited.
        let from = end.peer_cpu();
        self.recent.stayed = self.recent.woke && from != here && !self.recent.stayed;
        if held {
            footing.follow(if self.recent.stayed { here } else { from });
        } else {
            footing.widen();
        }
        if self.gear.follows() {
            end.say_cpu(if from == here { here } else { cpu::current() });
        }
        let begun = match self.recent.untimed {
            0 => clock::now_ns(),
            _ => self.recent.at,
        };
        let rests_after = self.rests_after();
        // The leader looks at the time of small channels only.
        let mut watched = self.recent.brisk && !self.has_large_area();
        loop {
            if channel.session.is_dead() {
                return Event::Dead;
            }
            let round = bed.enter(channel, begun);
            let mut slept = futex::Slept::Look;
            // With the fence between the beginning of the sleep and the looks below.
            let alone = end.say_presence(presence::SLEEPING, self.turn);
            let wanted = channel.sleeper.is_evicted(round) || pool.has_queue();
            if alone && !wanted && !channel.session.is_dead() {
                if watched && channel.sleeper.is_to_be_watched() {
                    // The leader ends this sleep if it lasts.
                    channel.session.runtime.watch(channel);
                }
                let slept_for = || clock::between(begun, clock::now_ns());
                let left = (!watched).then(|| rests_after.saturating_sub(slept_for()));
                slept = futex::wait_for(end.sleep_word(), last, left);
            }
            let evicted = channel.sleeper.end(round);
            end.say_awake();
            if end.turn() != last {
                if evicted {
                    pool.pass_eviction_on();
                }
                if slept != futex::Slept::Woken {
                    return Event::Turn(Arrival::Late);
                }
                let now = clock::now_ns();
                let took = clock::between(begun, now);
                self.recent.at = now;
                self.recent.untimed = match self.recent.untimed.checked_sub(1) {
                    _ if took > BRISK => 0,
                    Some(left) => left,
                    None if took > PAUSE => UNTIMED,
                    None => 0,
                };
                self.learn(took, held, footing);
                return Event::Turn(Arrival::At(now));
            }
            if channel.session.is_dead() {
                return Event::Dead;
            }
            let wanted = evicted || pool.has_queue();
            if wanted || slept == futex::Slept::TimedOut {
                // The leader calls away, too, who has slept for long.
                let slept_for = clock::between(begun, clock::now_ns());
                let lasted = watched && slept_for >= rests_after && !pool.has_queue();
                self.has_rested = lasted || !wanted;
                return Event::Leave;
            }
            // Woken for nothing: a client that goes on doing that must not keep the thread.
            watched = false;
        }
    }

    /// A caller has woken the thread after this time.
    #[inline]
    fn learn(&mut self, took: Duration, held: bool, footing: &mut Footing) {
        self.recent.brisk = took <= BRISK;
        let end = &self.channel.end;
        let (from, to) = (end.peer_cpu(), cpu::current());
        self.gear.woken(held, from, to);
        if from == to {
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
