//! A petition on a token: one packet with a private end, and the answers that come there.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::error::DoorCondition;
use crate::sys::account::Account;
use crate::sys::process::{Process, ProcessId};
use crate::sys::shared::Shared;
use crate::sys::socket;
use crate::sys::unclaimed::Unclaimed;
use crate::wire::code::Failure;
use crate::wire::limits::{CONTROL_BYTES, PROTOCOL_DEADLINE};
use crate::wire::message::{Message, Violation};

/// A private conversation with the server of a token.
#[derive(Debug)]
pub(crate) struct Petition<'token> {
    private: Arc<Shared>,
    /// The process that has answered, by the kernel's word for its first packet.
    server: Option<Process>,
    until: Instant,
    /// Where it was sent.
    token: Option<BorrowedFd<'token>>,
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) message: Message,
    pub(crate) payload: Vec<u8>,
    pub(crate) fds: Unclaimed,
}

impl<'token> Petition<'token> {
    /// Sends a petition. `NoDoor` if the server's end is closed. The conversation may take as long as the protocol
    /// allows, and no longer than `until`.
    pub(crate) fn send(
        token: BorrowedFd<'token>,
        message: &Message,
        until: Option<Instant>,
    ) -> Result<Self, DoorCondition> {
        let protocol = deadline(PROTOCOL_DEADLINE);
        let until = until.map_or(protocol, |until| until.min(protocol));
        let (ours, theirs) =
            socket::pair().map_err(|source| system("make a socket pair", source))?;
        let packet = message.encode(0);
        loop {
            match socket::send(token, &[&packet], &[theirs.as_fd()]) {
                Ok(()) => break,
                Err(Errno::EAGAIN) => {
                    wait(token, PollFlags::POLLOUT, until)?;
                }
                Err(Errno::EPIPE | Errno::ECONNRESET | Errno::ENOTCONN) => {
                    return Err(why_closed(token));
                }
                Err(Errno::ETOOMANYREFS) => return Err(DoorCondition::NoRoom),
                Err(source) => return Err(system("send to the door", source)),
            }
        }
        Ok(Self {
            private: Arc::new(Shared::new(ours, &Account::default())),
            server: None,
            until,
            token: Some(token),
        })
    }

    /// The next answer. `NoDoor` if the server closed its end and that of the token: it died, or the door is gone. If
    /// the token is still connected, the server could not even take the private end that we sent: `NoRoom`.
    pub(crate) fn receive(&mut self) -> Result<Answer, DoorCondition> {
        let mut buffer = [0_u8; CONTROL_BYTES];
        let mut received = loop {
            match self.private.receive_past_reset(&mut buffer) {
                Ok(Some(received)) => break received,
                Err(Errno::EAGAIN) => wait(self.private.as_fd(), PollFlags::POLLIN, self.until)?,
                Ok(None) => {
                    return Err(match self.token {
                        Some(token) if socket::is_hung_up(token) => why_closed(token),
                        Some(_) => DoorCondition::NoRoom,
                        None => DoorCondition::NoDoor,
                    });
                }
                Err(source) => return Err(system("receive from the door", source)),
            }
        };
        if received.fds_lost {
            return Err(DoorCondition::NoRoom);
        }
        let bytes = buffer.get(..received.len).unwrap_or_default();
        let (message, payload) = Message::decode(bytes).map_err(DoorCondition::Protocol)?;
        let payload = payload.to_vec();
        self.identify(received.pidfd.take(), received.pid)?;
        if let Message::Refused { code, .. } = message {
            return Err(refusal(code));
        }
        Ok(Answer {
            message,
            payload,
            fds: std::mem::take(&mut received.fds),
        })
    }

    /// Who the server is: the sender of the first answer, and of every other.
    fn identify(&mut self, pidfd: Option<OwnedFd>, pid: i32) -> Result<(), DoorCondition> {
        let sender = match pidfd {
            Some(pidfd) => Process::from_pidfd(pidfd),
            None => Process::open(pid),
        };
        // A server that died after it answered has no process any more.
        let sender = sender.map_err(|error| match error {
            Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM => {
                system("open the server's pidfd", error)
            }
            _ => DoorCondition::NoDoor,
        })?;
        match &self.server {
            None => self.server = Some(sender),
            Some(first) if first.same_as(&sender).unwrap_or(false) => {}
            Some(_) => return Err(DoorCondition::Protocol(Violation::Sender)),
        }
        Ok(())
    }

    /// Who has answered so far.
    pub(crate) fn server(&self) -> Option<ProcessId> {
        self.server.as_ref().map(Process::id)
    }

    /// When the conversation must be over.
    pub(crate) fn until(&self) -> Instant {
        self.until
    }

    /// The server and the private socket, after the last answer.
    pub(crate) fn finish(self) -> Result<(Process, Arc<Shared>), DoorCondition> {
        let server = self
            .server
            .ok_or(DoorCondition::Protocol(Violation::Turn))?;
        Ok((server, self.private))
    }
}

/// Why the other end of a token is closed. To a connection that it has no room for the server says so (as to a first
/// call), and it stays there.
fn why_closed(token: BorrowedFd<'_>) -> DoorCondition {
    let mut buffer = [0_u8; CONTROL_BYTES];
    // A reset is told before what is queued.
    let said = socket::peek(token, &mut buffer).or_else(|| socket::peek(token, &mut buffer));
    let said = said.and_then(|len| Message::decode(buffer.get(..len)?).ok());
    match said {
        Some((Message::Reply { code, .. }, _)) if code == Failure::NoRoom.number() => {
            DoorCondition::NoRoom
        }
        _ => DoorCondition::NoDoor,
    }
}

/// What a refusal means to somebody who is not in a call.
pub(crate) fn refusal(code: u32) -> DoorCondition {
    match Failure::from_number(code) {
        Some(Failure::NotAllowed) => DoorCondition::NotAllowed,
        Some(Failure::NoRoom) => DoorCondition::NoRoom,
        Some(Failure::Draining) => DoorCondition::Draining,
        Some(Failure::NoDoor | Failure::UnknownSession) => DoorCondition::NoDoor,
        Some(_) | None => DoorCondition::Protocol(Violation::Value),
    }
}

pub(crate) fn system(op: &'static str, source: Errno) -> DoorCondition {
    DoorCondition::System { op, source }
}

/// The time so long from now.
pub(crate) fn deadline(after: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(after).unwrap_or(now)
}

/// Waits for a socket; `NotResponding` when the time is over.
fn wait(fd: BorrowedFd<'_>, flags: PollFlags, until: Instant) -> Result<(), DoorCondition> {
    let mut fds = [PollFd::new(fd, flags)];
    if poll_until(&mut fds, Some(until)).map_err(|source| system("wait for the door", source))? {
        Ok(())
    } else {
        Err(DoorCondition::NotResponding {
            within: PROTOCOL_DEADLINE,
        })
    }
}

/// poll(2) with an absolute time; false when it is over. A signal only means another look.
pub(crate) fn poll_until(fds: &mut [PollFd<'_>], until: Option<Instant>) -> Result<bool, Errno> {
    loop {
        let timeout = match until {
            None => PollTimeout::NONE,
            Some(at) => {
                let left = at.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Ok(false);
                }
                let millis = left.as_millis().saturating_add(1);
                PollTimeout::from(u16::try_from(millis).unwrap_or(u16::MAX))
            }
        };
        match poll(fds, timeout) {
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(other) => return Err(other),
        }
    }
}

impl Petition<'_> {
    /// Goes on with a conversation whose server is known.
    pub(crate) fn resume(private: Arc<Shared>, server: Process, until: Instant) -> Self {
        Self {
            private,
            server: Some(server),
            until,
            token: None,
        }
    }
}
