//! A first call without windows, on the fresh connection that opened the door.
//!
//! A one-shot client never pays for a session: one packet there, one back.

mod buffer;
mod packet;

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};

use super::arguments::Arguments;
use super::petition::{deadline, poll_until};
use crate::channel::glance::Glance;
use crate::desc::borrowed;
use crate::error::CallCondition;
use crate::primitive::{AtomicBool, Ordering};
use crate::sys::clock::after;
use crate::sys::process::Process;
use crate::sys::shared::Shared;
use crate::sys::socket::{self, DESCRIPTORS_PER_PACKET};
use crate::sys::unclaimed::Unclaimed;
use crate::sys::{closer, fork};
use crate::wire::limits::{FIRST_GENERATION, PACKET_DATA_BYTES, PROTOCOL_DEADLINE};
use crate::wire::message::Message;
use buffer::Buffer;

/// A reply that comes within this time is all that ever comes: a server speaks before it only after 5 ms.
const SOON: Duration = Duration::from_millis(4);
/// How long a server has to say whether a call that is given up had begun.
const GIVE_UP_GRACE: Duration = Duration::from_millis(50);

/// What this process has learned about waiting for the answers to its first calls.
static ANSWERS: Glance = Glance::new();

/// Whether a call may travel as a packet.
pub(crate) fn fits(arguments: &Arguments<'_>) -> bool {
    arguments.data.len() <= PACKET_DATA_BYTES && arguments.count < DESCRIPTORS_PER_PACKET
}

/// A call that is on its way.
struct First<'a, 'd> {
    connection: &'a Shared,
    arguments: &'a Arguments<'d>,
    /// Something else than the call may have been sent on the connection.
    shared: &'a AtomicBool,
    /// Before the call was sent.
    begun: Instant,
    /// The connection was reset before anything was sent after the call.
    reset: bool,
    /// The server's process, once a packet of it has named it.
    server: Option<Process>,
    /// The server has the call: from here on only its death or the caller's deadline ends the wait.
    arrived: bool,
    taken: bool,
    /// The descriptors of the reply, while they come.
    early: Unclaimed,
    buffer: Buffer,
}

/// Makes the first call; appends the results to `out`. `shared` is set before anything else is sent on the connection.
pub(crate) fn call(
    connection: &Shared,
    shared: &AtomicBool,
    arguments: &Arguments<'_>,
    out: &mut Vec<u8>,
) -> Result<Vec<OwnedFd>, CallCondition> {
    let descriptors = u32::try_from(arguments.count).unwrap_or(u32::MAX);
    let message = Message::Call {
        generation: FIRST_GENERATION,
        descriptors,
    };
    let header = message.encode(arguments.data.len());
    let [data, more] = arguments.data.both();
    let mut first = First {
        connection,
        arguments,
        shared,
        begun: Instant::now(),
        reset: false,
        server: None,
        arrived: false,
        taken: false,
        early: Unclaimed::of(connection.account()),
        buffer: Buffer::take(),
    };
    arguments
        .hand_over(|all| {
            let fds = borrowed(all);
            socket::send(connection, &[&header, data, more], &fds)
        })
        .map_err(|error| match error {
            Errno::EPIPE | Errno::ECONNRESET | Errno::ENOTCONN => first.turned_away(out),
            Errno::EAGAIN | Errno::ETOOMANYREFS => CallCondition::NoRoom,
            source => CallCondition::System {
                op: "send the call",
                source,
                taken: false,
            },
        })?;
    let outcome = first.wait(out);
    if outcome.is_err() {
        // Whatever comes late is for nobody: it does not get in any more, and what has come is closed here.
        socket::refuse_more(connection);
        while closer::wait_for(connection.account(), arguments.until)
            && let Ok(Some(late)) = connection.receive_past_reset(&mut first.buffer)
        {
            drop(late);
        }
    }
    outcome
}

impl First<'_, '_> {
    /// The connection had ended before the call was sent: with a word, if the server had no room for it.
    fn turned_away(&mut self, out: &mut Vec<u8>) -> CallCondition {
        let said = self.connection.receive_past_reset(&mut self.buffer);
        match said {
            Ok(Some(said)) => match self.packet(said, out) {
                Err(said @ (CallCondition::NoRoom | CallCondition::Draining)) => said,
                _ => CallCondition::NoDoor,
            },
            _ => CallCondition::NoDoor,
        }
    }

    /// Most replies come soon, and alone: nobody needs to know more of their sender, or to watch it. `None`: this was
    /// not all.
    fn wait_briefly(&mut self, out: &mut Vec<u8>) -> Result<Option<Vec<OwnedFd>>, CallCondition> {
        let left = |until: Instant| until.saturating_duration_since(Instant::now());
        let within = self
            .arguments
            .until
            .map_or(SOON, |until| left(until).min(SOON));
        if within.is_zero() {
            return Ok(None);
        }
        // The answer, or the end, so that its sender need not be named. What comes later may be something else.
        let mut soon = None;
        let _seen = ANSWERS.at(Some(self.begun), |now| {
            let now = now.unwrap_or_else(Instant::now);
            if now.saturating_duration_since(self.begun) >= SOON {
                return socket::has_something(self.connection);
            }
            let received = self.connection.receive(&mut self.buffer);
            soon = (!matches!(received, Err(Errno::EAGAIN))).then_some(received);
            soon.is_some()
        });
        let received = if let Some(received) = soon {
            received
        } else {
            // What is not granted here is asked for again where it matters.
            let _later = socket::number_senders(self.connection);
            self.connection.receive_within(&mut self.buffer, within)
        };
        let received = match received {
            Ok(Some(received)) => self.packet(received, out)?,
            Err(errno) => {
                // Said once, and before what is still queued for us.
                self.reset = errno == Errno::ECONNRESET;
                None
            }
            Ok(None) => return Err(self.died()),
        };
        Ok(received)
    }

    fn wait(&mut self, out: &mut Vec<u8>) -> Result<Vec<OwnedFd>, CallCondition> {
        let protocol = after(self.begun, PROTOCOL_DEADLINE);
        if let Some(descriptors) = self.wait_briefly(out)? {
            return Ok(descriptors);
        }
        socket::name_senders(self.connection).map_err(|source| CallCondition::System {
            op: "set up the connection",
            source,
            taken: true,
        })?;
        let mut server_is_gone = false;
        loop {
            match self.connection.receive(&mut self.buffer) {
                Ok(Some(received)) => {
                    if let Some(descriptors) = self.packet(received, out)? {
                        return Ok(descriptors);
                    }
                    // A server that talks without end does not stop the clock.
                    if self.is_over() {
                        return self.give_up(out);
                    }
                    continue;
                }
                // Said once, and before what is still queued for us.
                Err(Errno::ECONNRESET) => {
                    self.reset = true;
                    continue;
                }
                // What it said before it exited is in the queue by now.
                Err(Errno::EAGAIN) if server_is_gone => return Err(self.died()),
                Err(Errno::EAGAIN) => {}
                Ok(None) | Err(_) => return Err(self.died()),
            }
            let server = self.server.as_ref();
            if server.is_some_and(|server| !server.is_alive().unwrap_or(true)) {
                server_is_gone = true;
                continue;
            }
            let bound = if self.arrived { None } else { Some(protocol) };
            let until = [bound, self.arguments.until].into_iter().flatten().min();
            if !self.poll(until)? {
                return self.give_up(out);
            }
        }
    }

    /// The connection or the server is at its end.
    ///
    /// The kernel resets a connection whose other end is closed with something unread in it. If nothing but the call
    /// can have been in it, nobody has read the call. A petition of another thread, or of a forked child, may lie
    /// there instead: `shared`, or the mark, was stored before it was sent, thus before the reset came of it. An end without a reset means that the call was
    /// read.
    fn died(&self) -> CallCondition {
        let unread = self.reset
            && !self.arrived
            && !self.shared.load(Ordering::Acquire)
            && !fork::is_marked();
        CallCondition::ServerDied { taken: !unread }
    }

    /// Whether the caller's deadline has passed.
    fn is_over(&self) -> bool {
        let until = self.arguments.until;
        until.is_some_and(|until| until <= Instant::now())
    }

    fn poll(&self, until: Option<Instant>) -> Result<bool, CallCondition> {
        let mut fds = vec![PollFd::new(self.connection.as_fd(), PollFlags::POLLIN)];
        if let Some(server) = &self.server {
            fds.push(PollFd::new(server.as_fd(), PollFlags::POLLIN));
        }
        poll_until(&mut fds, until).map_err(|source| CallCondition::System {
            op: "wait for the server",
            source,
            taken: true,
        })
    }

    /// The time is over. A call that had not begun can still be taken back.
    fn give_up(&mut self, out: &mut Vec<u8>) -> Result<Vec<OwnedFd>, CallCondition> {
        let over = self.is_over();
        let packet = Message::GiveUp {
            generation: FIRST_GENERATION,
        }
        .encode(0);
        if socket::send(self.connection, &[&packet], &[]) == Err(Errno::ECONNRESET) {
            // It was not sent. Had it been, the reset might come of it.
            self.reset = true;
        }
        let grace = deadline(GIVE_UP_GRACE);
        while !self.taken && self.poll(Some(grace))? {
            match self.connection.receive(&mut self.buffer) {
                Ok(Some(received)) => {
                    match self.packet(received, out) {
                        Ok(Some(descriptors)) => return Ok(descriptors),
                        Ok(None) => {}
                        // The server has let go of what we have given up.
                        Err(CallCondition::Unanswered) if over => break,
                        Err(condition) => return Err(condition),
                    }
                }
                Err(Errno::EAGAIN | Errno::ECONNRESET) => {}
                Ok(None) | Err(_) if self.reset => return Err(self.died()),
                Ok(None) | Err(_) => break,
            }
        }
        if over {
            // Without a word from the server the packet may still be read and run later.
            Err(CallCondition::TimedOut { taken: true })
        } else {
            Err(CallCondition::NotResponding {
                within: PROTOCOL_DEADLINE,
                taken: true,
            })
        }
    }
}
