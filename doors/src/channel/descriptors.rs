//! The descriptors of one generation, on their way over a socket.

use std::os::fd::OwnedFd;
use std::time::Instant;

use nix::errno::Errno;

use crate::desc::{DoorDesc, borrowed};
use crate::sys::closer;
use crate::sys::shared::Shared;
use crate::sys::socket::DESCRIPTORS_PER_PACKET;
use crate::sys::unclaimed::Unclaimed;
use crate::wire::limits::CONTROL_BYTES;
use crate::wire::message::Message;

/// Sends all descriptors of a generation in as many packets as it takes.
pub(crate) fn send_all(
    socket: &Shared,
    generation: u64,
    descriptors: &[DoorDesc<'_>],
) -> Result<(), Errno> {
    socket.may_send(descriptors.len())?;
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
        socket.send(&[&packet], part)?;
        index = index.saturating_add(u32::try_from(part.len()).unwrap_or(u32::MAX));
    }
    Ok(())
}

/// How many packets without use are skipped: more than the queue of a socket holds, and an end for a peer that sends
/// them as fast as they are read.
pub(crate) const STALE_PACKETS: usize = 1024;

/// What has been received of one generation's descriptors.
#[derive(Debug)]
pub(crate) struct Gathering {
    generation: u64,
    count: usize,
    have: Unclaimed,
    /// When whoever waits for them has no time left.
    until: Option<Instant>,
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
    /// The other end keeps sending what is slow to close.
    Stuck,
}

impl Gathering {
    /// Those of a generation, to be received before `until`.
    pub(crate) fn new(generation: u64, count: usize, until: Option<Instant>) -> Self {
        Self {
            generation,
            count,
            have: Unclaimed::default(),
            until,
        }
    }

    /// Receives what is there. Packets of another generation belong to a call that was given up, those of another
    /// count to an attempt that failed half-way: their descriptors are closed by being dropped. A packet with index 0
    /// starts again (the sender had to). Before more is taken than the closers are done with, they are waited for.
    pub(crate) fn receive(&mut self, socket: &Shared) -> Gathered {
        let mut buffer = [0_u8; CONTROL_BYTES];
        if self.have.is_empty() {
            self.have = Unclaimed::of(socket.account());
        }
        for _ in 0..self.count.saturating_add(STALE_PACKETS) {
            if self.have.len() >= self.count {
                return Gathered::All;
            }
            if socket.account().is_over() && !closer::wait_for(socket.account(), self.until) {
                return if socket.account().is_to_blame() {
                    Gathered::Stuck
                } else {
                    Gathered::Lost
                };
            }
            let mut packet = match socket.receive(&mut buffer) {
                Ok(Some(packet)) => packet,
                Err(Errno::EAGAIN) => return Gathered::Missing,
                Ok(None) => return Gathered::Closed,
                // Said once, and before what is still queued: the other end was closed with something of ours unread.
                Err(Errno::ECONNRESET) => continue,
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
            if index == 0 {
                self.have.discard();
            }
            let next = usize::try_from(index) == Ok(self.have.len());
            let sum = self.have.len().saturating_add(packet.fds.len());
            if !next || sum > self.count {
                return Gathered::Lost;
            }
            self.have.append(&mut packet.fds);
        }
        if self.have.len() >= self.count {
            Gathered::All
        } else {
            Gathered::Lost
        }
    }

    /// The descriptors, in order.
    pub(crate) fn take(mut self) -> Vec<OwnedFd> {
        self.have.take()
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use crate::sys::account::Account;
    use crate::sys::socket;

    fn pipes(count: usize) -> Vec<DoorDesc<'static>> {
        let pipe = || nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap().0;
        (0..count).map(|_| DoorDesc::Released(pipe())).collect()
    }

    fn shared(socket: OwnedFd) -> Shared {
        Shared::new(socket, &Account::default())
    }

    fn inodes(fds: &[impl AsFd]) -> Vec<u64> {
        fds.iter()
            .map(|fd| socket::inode(fd.as_fd()).unwrap())
            .collect()
    }

    #[test]
    fn an_attempt_that_failed_half_way_does_not_hide_the_next() {
        let (ours, theirs) = socket::plain_pair().unwrap();
        let (ours, theirs) = (shared(ours), shared(theirs));
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
        let mut gathering = Gathering::new(7, 2, None);
        assert_eq!(gathering.receive(&theirs), Gathered::All);
        assert_eq!(inodes(&gathering.take()), inodes(&sent));
    }

    #[test]
    fn what_belongs_to_another_call_is_closed() {
        let (ours, theirs) = socket::plain_pair().unwrap();
        let (ours, theirs) = (shared(ours), shared(theirs));
        send_all(&ours, 6, &pipes(2)).unwrap();
        let sent = pipes(2);
        send_all(&ours, 7, &sent).unwrap();
        let mut gathering = Gathering::new(7, 2, None);
        assert_eq!(gathering.receive(&theirs), Gathered::All);
        assert_eq!(inodes(&gathering.take()), inodes(&sent));
        let mut nothing = Gathering::new(7, 1, None);
        assert_eq!(nothing.receive(&theirs), Gathered::Missing);
    }

    #[test]
    fn what_was_sent_before_the_other_end_was_closed_arrives() {
        let (ours, theirs) = socket::plain_pair().unwrap();
        let theirs = shared(theirs);
        let sent = pipes(2);
        let all = Message::Descriptors {
            generation: 7,
            index: 0,
            count: 2,
        };
        socket::send(&ours, &[&all.encode(0)], &borrowed(&sent)).unwrap();
        // Left unread, as by a call that was given up.
        send_all(&theirs, 6, &pipes(1)).unwrap();
        // Here and now: one that is shared might be closed later.
        drop(ours);
        let mut gathering = Gathering::new(7, 2, None);
        assert_eq!(gathering.receive(&theirs), Gathered::All);
        assert_eq!(inodes(&gathering.take()), inodes(&sent));
        assert_eq!(
            Gathering::new(8, 1, None).receive(&theirs),
            Gathered::Closed
        );
    }
}
