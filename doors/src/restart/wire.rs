//! The socket between a server and its successor.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};

use super::WITHIN;
use crate::client::petition::{deadline, poll_until, system};
use crate::error::{DoorCondition, Violation};
use crate::sys::account::Account;
use crate::sys::process::Process;
use crate::sys::socket::{self, Received};
use crate::wire::limits::CONTROL_BYTES;
use crate::wire::message::Message;

/// How long the sender rests when the kernel lets no more descriptors into sockets: poll(2) does not tell when it does.
const REST: Duration = Duration::from_millis(1);

/// One end.
pub(super) struct Wire<'a> {
    socket: BorrowedFd<'a>,
    other: Other,
    /// What the other end has us close.
    account: Account,
}

/// The process at the other end, by the kernel's word for its first packet.
enum Other {
    /// It has said nothing, or cannot be named here: its end of the socket must tell.
    Unknown,
    Known(Process),
    /// When its first packet was read it was there no more.
    Gone,
}

/// What became of waiting for a packet.
#[derive(Debug)]
pub(super) enum Heard {
    /// It has come.
    Packet(Message, Option<OwnedFd>),
    /// The other end is closed, or its process has exited, and there is no further packet.
    End,
}

impl<'a> Wire<'a> {
    /// `NotADoor` if it is no packet socket.
    pub(super) fn new(socket: BorrowedFd<'a>) -> Result<Self, DoorCondition> {
        if !socket::is_packet_socket(socket) {
            return Err(DoorCondition::NotADoor);
        }
        // Also at the end that sends: a packet names its sender if either side has asked for it when it was sent.
        socket::name_senders(socket).map_err(|e| system("set up the hand-over socket", e))?;
        Ok(Self {
            socket,
            other: Other::Unknown,
            account: Account::default(),
        })
    }

    /// Sends a packet, waiting for room. `NoDoor` if the other end is closed.
    pub(super) fn send(
        &self,
        message: &Message,
        fd: Option<BorrowedFd<'_>>,
    ) -> Result<(), DoorCondition> {
        let until = deadline(WITHIN);
        let packet = message.encode(0);
        loop {
            match socket::send(self.socket, &[&packet], fd.as_slice()) {
                Ok(()) => return Ok(()),
                Err(Errno::EAGAIN) => self.wait(PollFlags::POLLOUT, until)?,
                Err(Errno::ETOOMANYREFS) if Instant::now() < until => std::thread::sleep(REST),
                Err(Errno::EPIPE | Errno::ECONNRESET) => return Err(DoorCondition::NoDoor),
                Err(source) => return Err(system("send to the other server", source)),
            }
        }
    }

    /// The next packet. `NotResponding` if none comes for long.
    pub(super) fn receive(&mut self) -> Result<Heard, DoorCondition> {
        let until = deadline(WITHIN);
        loop {
            // Looked at first: what a process has sent before its exit is then in the socket.
            let gone = self.other_is_dead();
            match self.try_receive()? {
                Some(heard) => return Ok(heard),
                None if gone => return Ok(Heard::End),
                None => self.wait(PollFlags::POLLIN, until)?,
            }
        }
    }

    /// A packet, or the end, that is there already.
    pub(super) fn try_receive(&mut self) -> Result<Option<Heard>, DoorCondition> {
        let mut buffer = [0_u8; CONTROL_BYTES];
        let received = match socket::receive(self.socket, &mut buffer, &self.account) {
            Ok(Some(received)) => received,
            Ok(None) => return Ok(Some(Heard::End)),
            // The other end was closed with something unread in it. This is said once, before what it has sent.
            Err(Errno::ECONNRESET) => return self.try_receive_after_reset(),
            Err(Errno::EAGAIN) => return Ok(None),
            Err(source) => return Err(system("receive from the other server", source)),
        };
        self.packet(received, &buffer).map(Some)
    }

    fn try_receive_after_reset(&mut self) -> Result<Option<Heard>, DoorCondition> {
        let mut buffer = [0_u8; CONTROL_BYTES];
        match socket::receive(self.socket, &mut buffer, &self.account) {
            Ok(Some(received)) => self.packet(received, &buffer).map(Some),
            Ok(None) | Err(_) => Ok(Some(Heard::End)),
        }
    }

    fn packet(&mut self, mut received: Received, buffer: &[u8]) -> Result<Heard, DoorCondition> {
        if matches!(self.other, Other::Unknown) {
            let sender = match received.pidfd.take() {
                Some(pidfd) => Process::from_pidfd(pidfd),
                None => Process::open(received.pid),
            };
            self.other = match sender {
                Ok(process) => Other::Known(process),
                Err(Errno::ESRCH) => Other::Gone,
                Err(_) => Other::Unknown,
            };
        }
        if received.fds_lost {
            return Err(DoorCondition::NoRoom);
        }
        let bytes = buffer.get(..received.len).unwrap_or_default();
        let (message, _) = Message::decode(bytes).map_err(DoorCondition::Protocol)?;
        let fd = received.fds.pop();
        let sound = received.fds.is_empty() && fd.as_ref().is_none_or(socket::is_packet_socket);
        if sound {
            Ok(Heard::Packet(message, fd))
        } else {
            Err(DoorCondition::Protocol(Violation::Descriptors))
        }
    }

    /// Whether the process that was heard here has exited.
    pub(super) fn other_is_dead(&self) -> bool {
        match &self.other {
            Other::Unknown => false,
            Other::Known(process) => !process.is_alive().unwrap_or(true),
            Other::Gone => true,
        }
    }

    /// Waits for the process that was heard here to exit; false if it does not in time, or is unknown.
    pub(super) fn other_dies(&self, within: Duration) -> bool {
        match &self.other {
            Other::Unknown => false,
            Other::Known(process) => {
                let mut fds = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
                poll_until(&mut fds, Some(deadline(within))).unwrap_or(false)
            }
            Other::Gone => true,
        }
    }

    /// Lets nothing more in: from now on the other side cannot say anything that counts.
    pub(super) fn refuse_more(&self) {
        socket::refuse_more(self.socket);
    }

    /// Ends the conversation, whoever else has copies of this end.
    pub(super) fn end(&self) {
        socket::end(self.socket);
    }

    /// Waits for the socket, or for the end of the other process.
    fn wait(&self, flags: PollFlags, until: Instant) -> Result<(), DoorCondition> {
        let mut fds = vec![PollFd::new(self.socket, flags)];
        if let Other::Known(other) = &self.other {
            fds.push(PollFd::new(other.as_fd(), PollFlags::POLLIN));
        }
        let ready = poll_until(&mut fds, Some(until));
        if ready.map_err(|e| system("wait for the other server", e))? {
            Ok(())
        } else {
            Err(DoorCondition::NotResponding { within: WITHIN })
        }
    }
}
