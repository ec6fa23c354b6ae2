//! The descriptors of a call or reply, on the channel's own socket.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use nix::errno::Errno;

use super::core::lock;
use super::duty::Channel;
use super::line::borrowed;
use crate::desc::DoorDesc;
use crate::error::ReturnError;
use crate::sys::socket::{self, DESCRIPTORS_PER_PACKET};
use crate::wire::code::Failure;
use crate::wire::limits::CONTROL_BYTES;
use crate::wire::message::Message;

/// Sends all descriptors of a generation in as many packets as it takes.
pub(crate) fn send_all(
    socket: impl AsFd,
    generation: u64,
    descriptors: &[DoorDesc<'_>],
) -> Result<(), Errno> {
    let count = u32::try_from(descriptors.len()).unwrap_or(u32::MAX);
    let fds = borrowed(descriptors);
    let mut index = 0_u32;
    for part in fds.chunks(DESCRIPTORS_PER_PACKET) {
        let packet = Message::Descriptors {
            generation,
            index,
            count,
        }
        .encode(0);
        socket::send(&socket, &[&packet], part)?;
        index = index.saturating_add(u32::try_from(part.len()).unwrap_or(u32::MAX));
    }
    Ok(())
}

/// What has been received of one generation's descriptors.
#[derive(Debug)]
pub(crate) struct Gathering {
    generation: u64,
    count: usize,
    have: Vec<OwnedFd>,
}

/// How receiving stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Gathered {
    /// All are here.
    All,
    /// The socket is empty and some are missing.
    Missing,
    /// The other end is closed.
    Closed,
    /// They cannot be had: our table is full, or the packets are not what the protocol says.
    Lost,
}

impl Gathering {
    pub(crate) fn new(generation: u64, count: usize) -> Self {
        Self {
            generation,
            count,
            have: Vec::new(),
        }
    }

    /// Receives what is there. Packets of another generation belong to a call that was given up, those of another
    /// count to an attempt that failed half-way: their descriptors are closed by being dropped. A packet with index 0
    /// starts again (the sender had to).
    pub(crate) fn receive(&mut self, socket: impl AsFd) -> Gathered {
        let mut buffer = [0_u8; CONTROL_BYTES];
        while self.have.len() < self.count {
            let packet = match socket::receive(&socket, &mut buffer) {
                Ok(Some(packet)) => packet,
                Err(Errno::EAGAIN) => return Gathered::Missing,
                Ok(None) | Err(Errno::ECONNRESET) => return Gathered::Closed,
                Err(_) => return Gathered::Lost,
            };
            let bytes = buffer.get(..packet.len).unwrap_or_default();
            let Ok((
                Message::Descriptors {
                    generation,
                    index,
                    count,
                },
                _,
            )) = Message::decode(bytes)
            else {
                return Gathered::Lost;
            };
            let superseded = usize::try_from(count) != Ok(self.count);
            if generation != self.generation || superseded {
                // Of a call that was given up, or of an attempt that its sender could not finish.
                continue;
            }
            if packet.fds_lost || packet.cut {
                return Gathered::Lost;
            }
            let other = usize::try_from(count) != Ok(self.count);
            if index == 0 || other {
                self.have.clear();
            }
            if other {
                continue;
            }
            let next = usize::try_from(index) == Ok(self.have.len());
            let sum = self.have.len().saturating_add(packet.fds.len());
            if !next || sum > self.count {
                return Gathered::Lost;
            }
            self.have.extend(packet.fds);
        }
        Gathered::All
    }

    /// The descriptors, in order.
    pub(crate) fn take(self) -> Vec<OwnedFd> {
        self.have
    }
}

impl Channel {
    /// The descriptors that a client sent before it published its call: all of them, or the call does not run.
    pub(crate) fn receive_descriptors(
        &self,
        generation: u64,
        count: usize,
    ) -> Result<Vec<OwnedFd>, Failure> {
        let socket = lock(&self.socket).clone().ok_or(Failure::DescriptorsLost)?;
        let mut gathering = Gathering::new(generation, count);
        match gathering.receive(&*socket) {
            Gathered::All => Ok(gathering.take()),
            Gathered::Missing | Gathered::Closed | Gathered::Lost => Err(Failure::DescriptorsLost),
        }
    }

    /// Closes the descriptors that came for a call which does not run. Those of a later one, which its client may be
    /// sending already, stay.
    pub(crate) fn discard_descriptors(&self, generation: u64) {
        let Some(socket) = lock(&self.socket).clone() else {
            return;
        };
        let mut buffer = [0_u8; CONTROL_BYTES];
        while let Some(len) = socket::peek(&*socket, &mut buffer) {
            let bytes = buffer.get(..len).unwrap_or_default();
            match Message::decode(bytes) {
                Ok((Message::Descriptors { generation: of, .. }, _)) if of > generation => return,
                _ => drop(socket::receive(&*socket, &mut buffer)),
            }
        }
    }

    /// The socket of a quiet channel is not kept open, unless there is something in it.
    ///
    /// A client sends its descriptors before it publishes its call, and may be doing so at this moment. The order
    /// here is: nothing more gets in (the client's send fails, and it asks for another socket), then a look. So what
    /// its kernel took is either seen here, and kept for the call that comes, or was never taken.
    pub(crate) fn rest_socket(&self) {
        let mut socket = lock(&self.socket);
        if let Some(open) = &*socket {
            socket::refuse_more(&**open);
            if socket::peek(&**open, &mut [0]).is_none() {
                *socket = None;
            }
        }
    }

    /// Sends the descriptors of a reply before it is published. A client that has gone is no error.
    pub(crate) fn send_descriptors(
        &self,
        generation: u64,
        descriptors: &[DoorDesc<'_>],
    ) -> Result<(), ReturnError> {
        let sent = self
            .reply_socket()
            .and_then(|socket| send_all(&*socket, generation, descriptors));
        let sent = match sent {
            // The client could not take its end of the socket (its table was full), and has no other.
            Err(Errno::EPIPE | Errno::ECONNRESET) => self
                .make_socket(0)
                .and_then(|socket| send_all(&*socket, generation, descriptors)),
            other => other,
        };
        match sent {
            Ok(()) | Err(Errno::EPIPE | Errno::ECONNRESET) => Ok(()),
            Err(_) if self.session.is_dead() => Ok(()),
            Err(source) => Err(ReturnError::System {
                op: "send the descriptors of a reply",
                source,
            }),
        }
    }

    /// The channel's socket; a new one is sent to the client if there is none.
    fn reply_socket(&self) -> Result<Arc<OwnedFd>, Errno> {
        let existing = lock(&self.socket).clone();
        match existing {
            Some(socket) => Ok(socket),
            None => self.make_socket(0),
        }
    }

    /// Makes the channel's descriptor socket and sends the client its end.
    pub(crate) fn make_socket(&self, wanted: u64) -> Result<Arc<OwnedFd>, Errno> {
        let (ours, theirs) = socket::plain_pair()?;
        let ours = Arc::new(ours);
        // Installed before the client can use its end.
        *lock(&self.socket) = Some(Arc::clone(&ours));
        let packet = Message::Socket {
            wanted,
            channel: self.index,
        }
        .encode(0);
        self.session.send(&packet, &[theirs.as_fd()])?;
        Ok(ours)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipes(count: usize) -> Vec<DoorDesc<'static>> {
        let pipe = || nix::unistd::pipe().unwrap().0;
        (0..count).map(|_| DoorDesc::Released(pipe())).collect()
    }

    fn inodes(fds: &[impl AsFd]) -> Vec<u64> {
        fds.iter()
            .map(|fd| socket::inode(fd.as_fd()).unwrap())
            .collect()
    }

    #[test]
    fn an_attempt_that_failed_half_way_does_not_hide_the_next() {
        let (ours, theirs) = socket::plain_pair().unwrap();
        // As if the second of two packets could not be sent.
        let half = Message::Descriptors {
            generation: 7,
            index: 0,
            count: 300,
        };
        let failed = pipes(3);
        socket::send(&ours, &[&half.encode(0)], &borrowed(&failed)).unwrap();
        let sent = pipes(2);
        send_all(&ours, 7, &sent).unwrap();
        let mut gathering = Gathering::new(7, 2);
        assert_eq!(gathering.receive(&theirs), Gathered::All);
        assert_eq!(inodes(&gathering.take()), inodes(&sent));
    }

    #[test]
    fn what_belongs_to_another_call_is_closed() {
        let (ours, theirs) = socket::plain_pair().unwrap();
        send_all(&ours, 6, &pipes(2)).unwrap();
        let sent = pipes(2);
        send_all(&ours, 7, &sent).unwrap();
        let mut gathering = Gathering::new(7, 2);
        assert_eq!(gathering.receive(&theirs), Gathered::All);
        assert_eq!(inodes(&gathering.take()), inodes(&sent));
        let mut nothing = Gathering::new(7, 1);
        assert_eq!(nothing.receive(&theirs), Gathered::Missing);
    }
}
