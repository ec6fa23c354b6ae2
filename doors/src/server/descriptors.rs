//! The descriptors of a call or reply, on the channel's own socket.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use nix::errno::Errno;

use super::channel::Channel;
use super::core::lock;
use super::session::Place;
use crate::channel::descriptors::{Gathered, Gathering, STALE_PACKETS, send_all};
use crate::desc::DoorDesc;
use crate::error::ReturnError;
use crate::sys::shared::Shared;
use crate::sys::socket;
use crate::wire::code::Failure;
use crate::wire::limits::CONTROL_BYTES;
use crate::wire::message::{Message, Violation};

/// Our end of a channel's descriptor socket, which the session's user pays for.
#[derive(Debug)]
pub(crate) struct ChannelSocket {
    socket: Shared,
    _place: Place,
}

impl AsFd for ChannelSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
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
        let mut gathering = Gathering::new(generation, count, None);
        match gathering.receive(&socket.socket) {
            Gathered::All => return Ok(gathering.take()),
            Gathered::Missing | Gathered::Closed | Gathered::Lost => {}
            Gathered::Stuck => self.session.violated(Violation::Descriptors),
        }
        Err(Failure::DescriptorsLost)
    }

    /// Closes the descriptors that came for a call which does not run. Those of a later one, which its client may be
    /// sending already, stay.
    pub(crate) fn discard_descriptors(&self, generation: u64) {
        let Some(socket) = lock(&self.socket).clone() else {
            return;
        };
        let mut buffer = [0_u8; CONTROL_BYTES];
        // A client that goes on sending meanwhile must not hold the thread, which may be the leader.
        for _ in 0..STALE_PACKETS {
            let Some(len) = socket::peek(&*socket, &mut buffer) else {
                return;
            };
            let bytes = buffer.get(..len).unwrap_or_default();
            match Message::decode(bytes) {
                Ok((Message::Descriptors { generation: of, .. }, _)) if of > generation => return,
                // What is slow to close must not fill the table. What is left goes with the socket: nothing more gets
                // in, and the client asks for another.
                _ if socket.socket.account().is_over() => break,
                _ => drop(socket.socket.receive(&mut buffer)),
            }
        }
        *lock(&self.socket) = None;
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
            .and_then(|socket| send_all(&socket.socket, generation, descriptors));
        let sent = match sent {
            // The client could not take its end of the socket (its table was full), and has no other.
            Err(Errno::EPIPE | Errno::ECONNRESET) => self
                .make_socket(0)
                .and_then(|socket| send_all(&socket.socket, generation, descriptors)),
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
    fn reply_socket(&self) -> Result<Arc<ChannelSocket>, Errno> {
        let existing = lock(&self.socket).clone();
        match existing {
            Some(socket) => Ok(socket),
            None => self.make_socket(0),
        }
    }

    /// Makes the channel's descriptor socket and sends the client its end.
    pub(crate) fn make_socket(&self, wanted: u64) -> Result<Arc<ChannelSocket>, Errno> {
        let place = Place::of(&self.session).ok_or(Errno::EMFILE)?;
        let (ours, theirs) = socket::plain_pair()?;
        let ours = Arc::new(ChannelSocket {
            socket: Shared::new(ours, self.session.socket.account()),
            _place: place,
        });
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
