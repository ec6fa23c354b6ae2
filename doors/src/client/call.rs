//! One call through a session.

use std::cell::{Cell, RefCell};
use std::os::fd::OwnedFd;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::channel::{Channel, State, Waited};
use super::establish::Link;
use super::petition::deadline;
use super::session::{Granted, Session};
use crate::channel::descriptors::{Gathered, Gathering, send_all};
use crate::channel::ends::{CallHead, ReplyHead};
use crate::desc::DoorDesc;
use crate::error::CallCondition;
use crate::primitive::Ordering;
use crate::wire::code::{Answer, Failure, Move};
use crate::wire::layout::usize_of;
use crate::wire::limits::{DESCRIPTORS, LARGEST_AREA_BYTES, LARGEST_CALL_BYTES, PROTOCOL_DEADLINE};
use crate::wire::message::{Message, Violation};

thread_local! {
    /// The channel that this thread used last: it is warm, and nobody else wants it.
    static LAST: Cell<usize> = const { Cell::new(0) };
}

/// What a call brings.
#[derive(Debug)]
pub(crate) struct Arguments<'a> {
    pub(crate) data: &'a [u8],
    /// The descriptors until they have been sent.
    descriptors: RefCell<Vec<DoorDesc<'a>>>,
    /// How many there are, also then.
    pub(crate) count: usize,
    pub(crate) until: Option<Instant>,
}

impl<'a> Arguments<'a> {
    pub(crate) fn new(
        data: &'a [u8],
        descriptors: Vec<DoorDesc<'a>>,
        until: Option<Instant>,
    ) -> Self {
        let count = descriptors.len();
        Self {
            data,
            descriptors: RefCell::new(descriptors),
            count,
            until,
        }
    }

    /// Hands the descriptors to `send`. Once they are on their way those that were released are closed here: the
    /// procedure may wait for the end of what it was given, and must not meet our copy.
    pub(crate) fn hand_over<E>(
        &self,
        send: impl FnOnce(&[DoorDesc<'a>]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut descriptors = self.descriptors.borrow_mut();
        send(&descriptors)?;
        *descriptors = Vec::new();
        Ok(())
    }

    /// Takes the descriptors, for a call without a transport.
    pub(crate) fn take(&self) -> Vec<DoorDesc<'a>> {
        self.descriptors.take()
    }

    /// What an error means that came while the call was being prepared: the end of its own time is not the server's
    /// fault.
    pub(crate) fn not_begun(&self, condition: CallCondition) -> CallCondition {
        match condition {
            CallCondition::NotResponding { taken: false, .. } if self.is_over() => {
                CallCondition::TimedOut { taken: false }
            }
            other => other,
        }
    }

    /// Whether the deadline has passed.
    pub(crate) fn is_over(&self) -> bool {
        self.until.is_some_and(|until| until <= Instant::now())
    }
}

/// How often a caller that waits for a channel looks by itself.
const STARVED_LOOK: Duration = Duration::from_millis(10);
/// Descriptor sockets may be closed under our hands, each time that the channel falls quiet.
const SOCKETS_TRIED: usize = 8;

/// A call that has a channel.
struct Exchange<'a> {
    session: &'a Session,
    channel: &'a Channel,
    state: MutexGuard<'a, State>,
    head: CallHead,
    until: Option<Instant>,
    /// Size of the results in all, once a part of them has come.
    announced: Option<u64>,
    /// The last part of the arguments is published, or about to be: before, no procedure can run with them.
    complete: bool,
}

/// Calls; appends the results to `out` and returns the descriptors.
#[inline]
pub(crate) fn call(
    link: &Link,
    arguments: &Arguments<'_>,
    out: &mut Vec<u8>,
) -> Result<Vec<OwnedFd>, CallCondition> {
    let total = u64::try_from(arguments.data.len()).unwrap_or(u64::MAX);
    if total > LARGEST_CALL_BYTES {
        return Err(CallCondition::DataSize {
            len: arguments.data.len(),
        });
    }
    let count = arguments.count;
    if count > DESCRIPTORS {
        return Err(CallCondition::TooManyDescriptors { count });
    }
    let session = link.session();
    let channels = session.channels.load();
    let hint = channels.get(LAST.get());
    let quick = hint.and_then(|channel| channel.try_take(link.pool).map(|state| (channel, state)));
    let result = match quick {
        Some((channel, state)) => run(link, channel, state, arguments, out),
        None => slow(link, arguments, out),
    };
    if session.starved.load(Ordering::Relaxed) != 0 {
        session.channel_freed();
    }
    result
}

/// Finds a free channel, asks for more, or waits for one.
#[cold]
fn slow(
    link: &Link,
    arguments: &Arguments<'_>,
    out: &mut Vec<u8>,
) -> Result<Vec<OwnedFd>, CallCondition> {
    let session = link.session();
    loop {
        let channels = session.channels.load_full();
        for (place, channel) in channels.iter().enumerate() {
            if let Some(state) = channel.try_take(link.pool) {
                LAST.set(place);
                return run(link, channel, state, arguments, out);
            }
        }
        let before = channels.len();
        let asked = if session.no_more_channels.load(Ordering::Relaxed) {
            Err(CallCondition::NoRoom)
        } else {
            session.ask(arguments.until, |wanted| Message::Grow {
                wanted,
                channel: 0,
                area_bytes: 0,
            })
        };
        match asked {
            Ok(_) => continue,
            Err(CallCondition::NoRoom) => {}
            Err(other) => return Err(arguments.not_begun(other)),
        }
        // There will be no more: one that served another pool is as good, which may be gone with its private door.
        for (place, channel) in channels.iter().enumerate() {
            if let Some(state) = channel.try_take_any() {
                channel.move_to(link.pool);
                LAST.set(place);
                return run(link, channel, state, arguments, out);
            }
        }
        wait_for_channel(session, before, arguments.until)?;
    }
}

/// All channels are busy and there will be no more: wait for one, with the call's deadline.
fn wait_for_channel(
    session: &Session,
    before: usize,
    until: Option<Instant>,
) -> Result<(), CallCondition> {
    let is_free = || {
        let channels = session.channels.load();
        channels.len() > before || channels.iter().any(|c| c.try_take_any().is_some())
    };
    session.starved.fetch_add(1, Ordering::SeqCst);
    let free = loop {
        // Nobody here can tell when the server has finished with a call that was given up: look now and then.
        let look = deadline(STARVED_LOOK);
        let next = until.map_or(look, |until| until.min(look));
        if session.wait_for_change(Some(next), is_free) {
            break true;
        }
        if until.is_some_and(|until| until <= next) {
            break false;
        }
    };
    session.starved.fetch_sub(1, Ordering::SeqCst);
    if session.is_dead() {
        Err(CallCondition::ServerDied { taken: false })
    } else if free {
        Ok(())
    } else {
        Err(CallCondition::TimedOut { taken: false })
    }
}

#[inline]
fn run<'a>(
    link: &'a Link,
    channel: &'a Channel,
    mut state: MutexGuard<'a, State>,
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
        send_descriptors(session, channel, generation, arguments)
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

    /// Puts the next part of the arguments into the area; returns what is left.
    #[inline]
    fn put<'d>(&mut self, data: &'d [u8]) -> Result<&'d [u8], CallCondition> {
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
        }
        let reply = self.channel.end.read();
        if reply.generation != self.head.generation {
            return Err(self.broken(Violation::Turn));
        }
        Ok(reply)
    }

    /// The deadline passed: was the call taken? The channel stays out of use until the server answers the turn.
    #[cold]
    fn give_up(&mut self) -> CallCondition {
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
        CallCondition::TimedOut {
            taken: taken && self.complete,
        }
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
        if self.state.area.theirs.load(self.area_at(), part, out) {
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

    /// The descriptors of the reply: the server sent them before it published.
    fn take_descriptors(&self, count: usize) -> Result<Vec<OwnedFd>, CallCondition> {
        if count == 0 {
            return Ok(Vec::new());
        }
        if count > DESCRIPTORS {
            return Err(self.broken(Violation::Value));
        }
        let mut gathering = Gathering::new(self.head.generation, count);
        let protocol = deadline(PROTOCOL_DEADLINE);
        let until = self.until.map_or(protocol, |until| until.min(protocol));
        loop {
            // Before the look at what is there: what came before the end of the time or of the session counts.
            let last = self.session.is_dead() || Instant::now() >= until;
            if self.channel.take_socket_lost() {
                return Err(CallCondition::ReplyLost);
            }
            // The socket itself comes over the session socket, through the watcher, and may still be on its way.
            let socket = self.channel.socket();
            let gathered = match &socket {
                Some(socket) => gathering.receive(&**socket),
                None => Gathered::Closed,
            };
            match gathered {
                Gathered::All => return Ok(gathering.take()),
                Gathered::Lost => return Err(CallCondition::ReplyLost),
                Gathered::Missing | Gathered::Closed if last => {
                    return Err(CallCondition::ReplyLost);
                }
                Gathered::Missing | Gathered::Closed => {}
            }
            // A server that sends one socket after the other does not stop the clock.
            self.session.wait_for_change(Some(until), || {
                self.channel.is_socket_lost()
                    || match (self.channel.socket(), &socket) {
                        (Some(now), Some(before)) => !Arc::ptr_eq(&now, before),
                        (now, _) => now.is_some(),
                    }
            });
        }
    }

    /// What the server's code means.
    #[cold]
    fn failed(&self, reply: &ReplyHead, arguments: &Arguments<'_>) -> CallCondition {
        match Failure::from_number(reply.code) {
            Some(code) => condition(code, arguments),
            None => self.broken(Violation::Value),
        }
    }
}

/// A failure that the server announced, as the caller sees it.
pub(crate) fn condition(code: Failure, arguments: &Arguments<'_>) -> CallCondition {
    match code {
        Failure::NoDoor | Failure::UnknownSession => CallCondition::NoDoor,
        Failure::DataSize => CallCondition::DataSize {
            len: arguments.data.len(),
        },
        Failure::RefusesDescriptors => CallCondition::RefusesDescriptors,
        Failure::TooManyDescriptors => CallCondition::TooManyDescriptors {
            count: arguments.count,
        },
        Failure::NotAllowed => CallCondition::NotAllowed,
        Failure::DescriptorsLost => CallCondition::DescriptorsLost,
        Failure::Draining => CallCondition::Draining,
        Failure::NoRoom => CallCondition::NoRoom,
        Failure::Abandoned => CallCondition::TimedOut { taken: false },
        Failure::Violation | Failure::Version => CallCondition::Protocol {
            violation: Violation::Turn,
            taken: false,
        },
        Failure::Unanswered => CallCondition::Unanswered,
        Failure::Panicked => CallCondition::Panicked,
        Failure::ReplyLost => CallCondition::ReplyLost,
    }
}

/// Gets the channel an area that takes `len` bytes, as far as one may.
#[cold]
fn enlarge(
    session: &Session,
    channel: &Channel,
    state: &mut State,
    len: usize,
    until: Option<Instant>,
) -> Result<(), CallCondition> {
    let wish = len
        .checked_next_power_of_two()
        .unwrap_or(LARGEST_AREA_BYTES);
    let wish = wish.min(LARGEST_AREA_BYTES);
    if wish <= state.area.shape.area_bytes() {
        return Ok(());
    }
    let area_bytes = u64::try_from(wish).unwrap_or(u64::MAX);
    let channel = channel.index;
    match session.ask(until, |wanted| Message::Grow {
        wanted,
        channel,
        area_bytes,
    }) {
        Ok(Granted::Pair(pair)) => {
            state.area = pair;
            Ok(())
        }
        // A quota: the smaller area serves, in more turns.
        Ok(Granted::Socket) | Err(CallCondition::NoRoom) => Ok(()),
        Err(other) => Err(other),
    }
}

/// Sends the descriptors of a call, over the channel's own socket.
#[cold]
fn send_descriptors(
    session: &Session,
    channel: &Channel,
    generation: u64,
    arguments: &Arguments<'_>,
) -> Result<(), CallCondition> {
    let index = channel.index;
    for _ in 0..SOCKETS_TRIED {
        let Some(socket) = channel.socket() else {
            session.ask(arguments.until, |wanted| Message::WantSocket {
                wanted,
                channel: index,
            })?;
            continue;
        };
        match arguments.hand_over(|all| send_all(&*socket, generation, all)) {
            Ok(()) => return Ok(()),
            // The server closes the socket of a channel that falls quiet; nothing that it took gets lost with it.
            Err(Errno::EPIPE | Errno::ECONNRESET) => channel.drop_socket(&socket),
            Err(Errno::ETOOMANYREFS | Errno::EAGAIN) => return Err(CallCondition::NoRoom),
            Err(source) => {
                return Err(CallCondition::System {
                    op: "send the descriptors",
                    source,
                    taken: false,
                });
            }
        }
    }
    Err(CallCondition::NoRoom)
}
