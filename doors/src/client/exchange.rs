//! The turns of one call on its channel.

use std::os::fd::OwnedFd;
use std::time::Instant;

use try_lock::Locked;

use super::area::enlarge;
use super::arguments::Arguments;
use super::channel::{Channel, State, Waited};
use super::condition::condition;
use super::descriptors;
use super::establish::Link;
use super::session::Session;
use crate::channel::descriptors::Gathering;
use crate::channel::ends::{CallHead, ReplyHead};
use crate::channel::small::{SmallCall, pack, unpack};
use crate::error::CallCondition;
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
    arguments: &Arguments<'_>,
    out: &mut Vec<u8>,
) -> Result<Vec<OwnedFd>, CallCondition> {
    let session = link.session();
    let data = arguments.data;
    let generation = state.turn.wrapping_add(1);
    if std::mem::take(&mut state.given_up) {
        channel.discard_descriptors();
        channel.take_socket_lost();
    }
    if data.len() > state.area.shape.area_bytes() {
        enlarge(session, channel, &mut state, data.len(), arguments.until)
            .map_err(|condition| arguments.not_begun(condition))?;
    }
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
        announced: None,
        complete: false,
    };
    let outcome = exchange.run(arguments, out);
    // What has come with the reply, or is on its way, goes before the next call.
    exchange.state.given_up |= outcome.is_err();
    outcome
}

impl Exchange<'_> {
    fn run(
        &mut self,
        arguments: &Arguments<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Vec<OwnedFd>, CallCondition> {
        let mut left = self.put(arguments.data)?;
        let start = out.len();
        loop {
            self.complete = left.is_empty();
            let reply = self.turn()?;
            match Answer::from_number(reply.answer) {
                Some(Answer::Returned | Answer::Part) if !left.is_empty() => {
                    // It says that it ran, on a part of the arguments.
                    self.complete = true;
                    return Err(self.broken(Violation::Turn));
                }
                Some(Answer::Returned) => {
                    self.take_part(&reply, start, out)?;
                    let have = u64::try_from(out.len().saturating_sub(start));
                    if have != Ok(reply.total) {
                        return Err(self.broken(Violation::Value));
                    }
                    return self.take_descriptors(usize_of(reply.descriptors));
                }
                Some(Answer::Part) => {
                    self.take_part(&reply, start, out)?;
                    self.make_room(&reply, start, out)?;
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

    /// Puts the next part of the arguments into the area, or all of them among the words; returns what is left.
    #[inline]
    fn put<'d>(&mut self, data: &'d [u8]) -> Result<&'d [u8], CallCondition> {
        if self.head.total <= SMALL_CALL_BYTES {
            self.head.small = pack(data);
            self.head.part = u32::try_from(data.len()).unwrap_or(0);
            return Ok(&[]);
        }
        let area = &self.state.area;
        let (part, left) = data
            .split_at_checked(area.shape.area_bytes())
            .unwrap_or((data, &[]));
        if !area.ours.store(self.area_at(), part) {
            return Err(self.broken(Violation::Memory));
        }
        self.head.part = u32::try_from(part.len()).unwrap_or(0);
        Ok(left)
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

    /// One turn; every way in which it can fail leaves the channel sound or out of use.
    #[inline]
    fn turn(&mut self) -> Result<ReplyHead, CallCondition> {
        let waited = self
            .channel
            .exchange(self.session, &mut self.state, &self.head, self.until);
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

    /// The deadline passed.
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

    /// Copies a part of the results out, once.
    #[inline]
    fn take_part(
        &self,
        reply: &ReplyHead,
        start: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), CallCondition> {
        let part = usize_of(reply.part);
        let have = u64::try_from(out.len().saturating_sub(start)).unwrap_or(u64::MAX);
        let fits = have.saturating_add(u64::from(reply.part)) <= reply.total;
        if part > self.state.area.shape.area_bytes() || !fits {
            return Err(self.broken(Violation::Value));
        }
        let taken = if reply.total <= SMALL_REPLY_BYTES {
            unpack(&reply.small, part, out)
        } else {
            self.state.area.theirs.load(self.area_at(), part, out)
        };
        if taken {
            Ok(())
        } else {
            Err(CallCondition::ReplyTooLarge { len: reply.total })
        }
    }

    /// More results follow: memory for all of them, and an area that takes them in fewer turns.
    #[cold]
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
        out.try_reserve_exact(more).map_err(|_| too_large)?;
        if more > self.state.area.shape.area_bytes() {
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
        Ok(())
    }

    /// The descriptors of the reply.
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
