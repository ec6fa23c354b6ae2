//! The turns of one call on its channel.

use std::os::fd::OwnedFd;
use std::time::Instant;

use try_lock::Locked;

use super::area::{enlarge, suit};
use super::arguments::Arguments;
use super::cancel::Cancel;
use super::channel::{Channel, State, Waited};
use super::condition::condition;
use super::descriptors;
use super::establish::Link;
use super::session::Session;
use crate::channel::descriptors::Gathering;
use crate::channel::ends::{CallHead, ReplyHead};
use crate::channel::parts::{Cut, Place};
use crate::channel::small::{SmallCall, pack, unpack};
use crate::error::CallCondition;
use crate::pieces::Pieces;
use crate::sys::{cpu, huge};
use crate::wire::code::{Answer, Failure, Move};
use crate::wire::layout::{SMALL_CALL_BYTES, SMALL_REPLY_BYTES, usize_of};
use crate::wire::limits::{DESCRIPTORS, LARGEST_CALL_BYTES};
use crate::wire::message::{Message, Violation};

/// A call that has a channel.
struct Exchange<'a> {
    session: &'a Session,
    channel: &'a Channel,
    state: Locked<'a, State>,
    head: CallHead,
    until: Option<Instant>,
    cancel: Option<&'a Cancel>,
    /// How the arguments are cut into parts.
    cut: Cut,
    /// The next part of the arguments, which lies in the area already.
    ahead: Option<Place>,
    /// Size of the results in all, once a part of them has come.
    announced: Option<u64>,
    /// The last part of the arguments is published, or about to be: before, no procedure can run with them.
    complete: bool,
}

/// Makes a call on a channel.
#[inline]
pub(super) fn run<'a>(
    link: &'a Link,
    channel: &'a Channel,
    mut state: Locked<'a, State>,
    arguments: &'a Arguments<'_>,
    out: &mut Vec<u8>,
) -> Result<Vec<OwnedFd>, CallCondition> {
    let session = link.session();
    let data = arguments.data;
    let generation = state.turn.wrapping_add(1);
    if std::mem::take(&mut state.given_up) {
        channel.discard_descriptors();
        channel.take_socket_lost();
    }
    suit(session, channel, &mut state, data.len(), arguments.until)
        .map_err(|condition| arguments.not_begun(condition))?;
    // Last of what can fail: without a turn the next call has the same generation, and would take them for its own.
    if arguments.count > 0 {
        descriptors::send(session, channel, generation, arguments)
            .map_err(|condition| arguments.not_begun(condition))?;
    }
    let head = CallHead {
        step: Move::Call.number(),
        generation,
        registration: link.registration,
        total: u64::try_from(data.len()).unwrap_or(u64::MAX),
        part: 0,
        part_at: 0,
        pair: state.area.number,
        descriptors: u32::try_from(arguments.count).unwrap_or(u32::MAX),
        small: SmallCall::default(),
    };
    let mut exchange = Exchange {
        session,
        channel,
        state,
        head,
        until: arguments.until,
        cancel: arguments.cancel,
        cut: Cut::default(),
        ahead: None,
        announced: None,
        complete: false,
    };
    let outcome = exchange.run(arguments, out);
    // What has come with the reply, or is on its way, goes before the next call.
    exchange.state.given_up |= outcome.is_err();
    outcome
}

impl Exchange<'_> {
    #[inline]
    fn run(
        &mut self,
        arguments: &Arguments<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Vec<OwnedFd>, CallCondition> {
        let mut left = self.put_first(arguments.data)?;
        let start = out.len();
        loop {
            self.complete = left.is_empty();
            let reply = self.turn(left)?;
            match Answer::from_number(reply.answer) {
                Some(Answer::Returned | Answer::Part) if !left.is_empty() => {
                    // It says that it ran, on a part of the arguments.
                    self.complete = true;
                    return Err(self.broken(Violation::Turn));
                }
                Some(Answer::Returned) => {
                    self.check_part(&reply, start, out)?;
                    self.take_part(&reply, out)?;
                    let have = u64::try_from(out.len().saturating_sub(start));
                    if have != Ok(reply.total) {
                        return Err(self.broken(Violation::Value));
                    }
                    return self.take_descriptors(usize_of(reply.descriptors));
                }
                Some(Answer::Part) => {
                    self.check_part(&reply, start, out)?;
                    self.make_room(&reply, start, out)?;
                    self.take_part(&reply, out)?;
                    self.widen(&reply, start, out);
                    self.head.step = Move::Next.number();
                    self.head.part = 0;
                }
                Some(Answer::More) => {
                    self.head.step = Move::Arguments.number();
                    if left.is_empty() {
                        return Err(self.broken(Violation::Turn));
                    }
                    left = self.put(left)?;
                }
                Some(Answer::Failed) => return Err(self.failed(&reply, arguments)),
                None => return Err(self.broken(Violation::Value)),
            }
            // A turn that is answered without a sleep does not look at the clock.
            if arguments.is_over() {
                return Err(self.give_up());
            }
        }
    }

    /// Puts the first part of the arguments into the area, or all of them among the words; returns what is left.
    #[inline]
    fn put_first<'d>(&mut self, data: Pieces<'d>) -> Result<Pieces<'d>, CallCondition> {
        if self.head.total <= SMALL_CALL_BYTES {
            self.head.small = pack(data.small());
            self.head.part = u32::try_from(data.len()).unwrap_or(0);
            return Ok(Pieces::default());
        }
        let apart = self.channel.end.peer_cpu() != cpu::current();
        self.cut = Cut::new(data.len(), self.state.area.shape.area_bytes(), apart);
        self.put(data)
    }

    /// Puts the next part of the arguments into the area, unless it is there already; returns what is left.
    #[inline]
    fn put<'d>(&mut self, data: Pieces<'d>) -> Result<Pieces<'d>, CallCondition> {
        let area_at = self.area_at();
        let ahead = self.ahead.take();
        let place = ahead
            .or_else(|| put_down(&mut self.state, self.cut, area_at, data))
            .ok_or_else(|| self.broken(Violation::Memory))?;
        self.head.part = u32::try_from(place.len).unwrap_or(0);
        self.head.part_at = u32::try_from(place.at).unwrap_or(0);
        Ok(data.after(place.len))
    }

    #[inline]
    fn area_at(&self) -> usize {
        let own = self.channel.end.0.pair();
        let area = &self.state.area;
        let place = if area.number == own.number {
            self.channel.end.0.place()
        } else {
            0
        };
        area.shape.area_at(place)
    }

    /// One turn; every way in which it can fail leaves the channel sound or out of use. While the server takes a part of
    /// the arguments, the next one of those that are left is put down.
    #[inline]
    fn turn(&mut self, left: Pieces<'_>) -> Result<ReplyHead, CallCondition> {
        let cut = self.cut;
        let area_at = if left.is_empty() { 0 } else { self.area_at() };
        let ahead = &mut self.ahead;
        let waited = self.channel.exchange(
            self.session,
            &mut self.state,
            &self.head,
            (self.until, self.cancel),
            |state| {
                if !left.is_empty() && cut.overlaps() {
                    *ahead = put_down(state, cut, area_at, left);
                }
            },
        );
        match waited {
            Waited::Answered => {}
            Waited::TimedOut => return Err(self.give_up()),
            Waited::Dead => {
                let taken = self.channel.end.give_up(self.head.generation) && self.complete;
                return Err(CallCondition::ServerDied { taken });
            }
            Waited::Broken(violation) => return Err(self.broken(violation)),
            Waited::Unheard(source) => {
                return Err(CallCondition::System {
                    op: "ring the server",
                    source,
                    taken: self.withdraw(),
                });
            }
        }
        let reply = self.channel.end.read();
        if reply.generation != self.head.generation {
            return Err(self.broken(Violation::Turn));
        }
        Ok(reply)
    }

    /// The deadline passed, or the call was given up before.
    #[cold]
    fn give_up(&self) -> CallCondition {
        let taken = self.withdraw();
        CallCondition::TimedOut { taken }
    }

    /// Gives the call up: may it have executed? The channel stays out of use until the server answers the turn.
    #[cold]
    fn withdraw(&self) -> bool {
        let generation = self.head.generation;
        let taken = self.channel.end.give_up(generation);
        if taken {
            let cancel = Message::Cancel {
                channel: self.channel.index,
                generation,
            };
            // If the session socket is full the invocation learns nothing; the outcome is the same.
            let _told = self.session.tell(&cancel);
        }
        taken && self.complete
    }

    /// The server broke the protocol: nothing it says on this session is believed any more, nor that it has not taken
    /// what it was given.
    #[cold]
    fn broken(&self, violation: Violation) -> CallCondition {
        self.session.die();
        self.channel.end.give_up(self.head.generation);
        CallCondition::Protocol {
            violation,
            taken: self.complete,
        }
    }

    /// A part of the results must lie inside the area, and be no more than what is left of them.
    #[inline]
    fn check_part(&self, reply: &ReplyHead, start: usize, out: &[u8]) -> Result<(), CallCondition> {
        let have = u64::try_from(out.len().saturating_sub(start)).unwrap_or(u64::MAX);
        let fits = have.saturating_add(u64::from(reply.part)) <= reply.total;
        let end = usize_of(reply.part_at).saturating_add(usize_of(reply.part));
        if end > self.state.area.shape.area_bytes() || !fits {
            return Err(self.broken(Violation::Value));
        }
        Ok(())
    }

    /// Copies a part of the results out, once.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "one run of code: `server/desk.rs`")]
    fn take_part(&mut self, reply: &ReplyHead, out: &mut Vec<u8>) -> Result<(), CallCondition> {
        let part = usize_of(reply.part);
        let taken = if reply.total <= SMALL_REPLY_BYTES {
            unpack(&reply.small, part, out)
        } else {
            self.load_part(reply, out)
        };
        self.state.moved = self.state.moved.saturating_add(part);
        if taken {
            Ok(())
        } else {
            Err(CallCondition::ReplyTooLarge { len: reply.total })
        }
    }

    /// Apart from the way of small results, which is short.
    #[inline(never)]
    fn load_part(&self, reply: &ReplyHead, out: &mut Vec<u8>) -> bool {
        let at = self.area_at().saturating_add(usize_of(reply.part_at));
        self.state.area.theirs.load(at, usize_of(reply.part), out)
    }

    /// Results come in parts: memory for all of them.
    fn make_room(
        &mut self,
        reply: &ReplyHead,
        start: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), CallCondition> {
        let too_large = CallCondition::ReplyTooLarge { len: reply.total };
        // Parts without bytes, or of results that grow meanwhile, would never end.
        let announced = *self.announced.get_or_insert(reply.total);
        if reply.part == 0 || announced != reply.total {
            return Err(self.broken(Violation::Value));
        }
        if reply.total > LARGEST_CALL_BYTES {
            return Err(too_large);
        }
        let total = usize::try_from(reply.total).map_err(|_| too_large.clone())?;
        let more = total.saturating_sub(out.len().saturating_sub(start));
        if huge::make_room_exactly(out, more) {
            Ok(())
        } else {
            Err(too_large)
        }
    }

    /// More results follow: an area that takes them in fewer turns.
    fn widen(&mut self, reply: &ReplyHead, start: usize, out: &[u8]) {
        let total = usize::try_from(reply.total).unwrap_or(usize::MAX);
        let more = total.saturating_sub(out.len().saturating_sub(start));
        if more <= self.state.area.shape.area_bytes() {
            return;
        }
        // Without a larger area it takes more turns, nothing else.
        let _larger = enlarge(
            self.session,
            self.channel,
            &mut self.state,
            more,
            self.until,
        );
        self.head.pair = self.state.area.number;
    }

    /// The descriptors of the reply.
    #[inline]
    fn take_descriptors(&self, count: usize) -> Result<Vec<OwnedFd>, CallCondition> {
        if count == 0 {
            return Ok(Vec::new());
        }
        if count > DESCRIPTORS {
            return Err(self.broken(Violation::Value));
        }
        let gathering = Gathering::new(self.head.generation, count, self.until);
        descriptors::receive(self.session, self.channel, gathering, self.until)
    }

    /// What the server's code means.
    #[cold]
    fn failed(&self, reply: &ReplyHead, arguments: &Arguments<'_>) -> CallCondition {
        match Failure::from_number(reply.code) {
            Some(code) => condition(code, reply.total, arguments),
            None => self.broken(Violation::Value),
        }
    }
}

/// Copies the next part of the arguments into the area, which begins there; `None` if it does not fit.
#[inline]
fn put_down(state: &mut State, cut: Cut, area_at: usize, left: Pieces<'_>) -> Option<Place> {
    let place = state.cursor.place(cut, left.len());
    let part = left.begin(place.len)?;
    let at = area_at.saturating_add(place.at);
    state.moved = state.moved.saturating_add(place.len);
    state.area.ours.store_all(at, part).then_some(place)
}
