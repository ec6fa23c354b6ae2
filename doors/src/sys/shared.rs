//! A socket of ours in whose queue a peer may have put anything.
#![expect(
    unsafe_code,
    reason = "a socket is moved out of its owner while that is dropped"
)]

use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;

use super::account::Account;
use super::socket::{self, Next, Received};
use super::{Result, closer, patient};
use crate::primitive::{AtomicBool, Ordering};

/// A unix socket of ours in whose queue a peer may have put anything.
#[derive(Debug)]
pub(crate) struct Shared {
    socket: ManuallyDrop<OwnedFd>,
    account: Account,
    /// Others may have the socket too, and go on with it.
    lives_on: AtomicBool,
    /// The other side was told of the end: nothing more gets in.
    ended: AtomicBool,
    /// The other side has hung up, and all that it had sent is received: nothing can get in, and nothing is in.
    silent: AtomicBool,
    /// Descriptors, which may be unread.
    has_sent: AtomicBool,
}

impl Shared {
    /// A socket; what comes there is charged to the account.
    pub(crate) fn new(socket: OwnedFd, account: &Account) -> Self {
        Self::of(socket, account.clone())
    }

    /// The same, of a source that has no other socket.
    pub(crate) fn of(socket: OwnedFd, account: Account) -> Self {
        Self {
            socket: ManuallyDrop::new(socket),
            account,
            lives_on: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            has_sent: AtomicBool::new(false),
        }
    }

    /// Who pays for what comes here.
    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    /// Has another account pay from now on.
    pub(crate) fn charge_to(&mut self, account: &Account) {
        self.account = account.clone();
    }

    /// Whether so many descriptors may be sent: whoever receives here, or its user, has left too many unread (`ETOOMANYREFS`).
    pub(crate) fn may_send(&self, count: usize) -> Result<()> {
        let may = count == 0 || self.account.may_be_sent(count);
        may.then_some(()).ok_or(Errno::ETOOMANYREFS)
    }

    /// Sends one packet, with descriptors for which [`Self::may_send`] was asked; see [`socket::send`].
    pub(crate) fn send(&self, parts: &[&[u8]], fds: &[BorrowedFd<'_>]) -> Result<()> {
        socket::send(self, parts, fds)?;
        if !fds.is_empty() {
            self.account.was_sent(&self.socket, fds.len());
            self.has_sent.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Receives one packet; see [`socket::receive`].
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> Result<Option<Received>> {
        socket::receive(self, buffer, &self.account)
    }

    /// Receives one packet after the other side has hung up (`EPOLLHUP`); see [`socket::receive_after_hang_up`].
    pub(crate) fn receive_after_hang_up(&self, buffer: &mut [u8]) -> Result<Option<Received>> {
        let received = socket::receive_after_hang_up(self, buffer, &self.account);
        if matches!(received, Ok(None)) {
            self.silent.store(true, Ordering::Release);
        }
        received
    }

    /// Receives one packet, waiting for it at most so long; see [`patient::receive_within`].
    pub(crate) fn receive_within(
        &self,
        buffer: &mut [u8],
        within: Duration,
    ) -> Result<Option<Received>> {
        patient::receive_within(self, buffer, &self.account, within)
    }

    /// Receives one packet; see [`socket::receive_past_reset`].
    pub(crate) fn receive_past_reset(&self, buffer: &mut [u8]) -> Result<Option<Received>> {
        socket::receive_past_reset(self, buffer, &self.account)
    }

    /// Others may have the socket too, and go on with it: its end here is not its end.
    pub(crate) fn lives_on(&self) {
        self.lives_on.store(true, Ordering::Release);
    }

    /// Tells the other side that this is the end, before the socket is closed: that may take its time.
    pub(crate) fn hang_up(&self) {
        if !self.lives_on.load(Ordering::Acquire) && !self.silent.load(Ordering::Acquire) {
            socket::end(self);
            self.ended.store(true, Ordering::Release);
        }
    }
}

impl AsFd for Shared {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Shared {
    /// Nothing more gets in, and then a look: a unix socket with nothing in its queue is closed in no time. Where others
    /// may go on with the socket, something can come between the look and the close.
    fn drop(&mut self) {
        // SAFETY: this is the drop: it runs once, and nobody uses the field after it.
        let mut socket = unsafe { ManuallyDrop::take(&mut self.socket) };
        if self.has_sent.load(Ordering::Acquire) {
            if self.lives_on.load(Ordering::Acquire) {
                self.account.forget(&socket);
            } else if let Some(read) = self.account.leave(socket) {
                socket = read;
            } else {
                return;
            }
        }
        if self.silent.load(Ordering::Acquire) {
            return;
        }
        if !self.lives_on.load(Ordering::Acquire) && !self.ended.load(Ordering::Acquire) {
            socket::refuse_more(&socket);
        }
        if socket::has_something(&socket) && socket::next(&socket) != Next::Nothing {
            closer::close(vec![socket], &self.account);
        }
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

    use super::*;

    /// Whether the other end is closed, now or as soon as the closers come to it.
    fn is_closed(other: &OwnedFd) -> bool {
        while !socket::is_hung_up(other) {
            std::thread::yield_now();
        }
        true
    }

    #[test]
    fn an_empty_socket_is_closed_here_and_now() {
        let (one, other) = socket::plain_pair().unwrap();
        socket::send(&one, &[b"ours"], &[]).unwrap();
        assert_eq!(socket::next(&one), Next::Nothing);
        socket::send(&other, &[b"theirs"], &[]).unwrap();
        assert_eq!(socket::next(&one), Next::Plain);
        assert!(socket::receive(&one, &mut [0; 8], &Account::default()).is_ok());
        drop(Shared::new(one, &Account::default()));
        assert!(socket::is_hung_up(&other));
    }

    #[test]
    fn a_socket_with_something_in_it_is_closed_elsewhere() {
        // The other side may have made the pair, and asked for no credentials.
        let bare = || {
            socketpair(
                AddressFamily::Unix,
                SockType::SeqPacket,
                None,
                SockFlag::empty(),
            )
        };
        for (packet, (one, other)) in [
            (&b"x"[..], socket::plain_pair().unwrap()),
            (b"", socket::plain_pair().unwrap()),
            (b"x", bare().unwrap()),
            (b"", bare().unwrap()),
        ] {
            socket::send(&other, &[packet], &[other.as_fd()]).unwrap();
            assert_eq!(socket::next(&one), Next::Descriptors, "{packet:?}");
            drop(Shared::new(one, &Account::default()));
            assert!(is_closed(&other));
        }
    }

    #[test]
    fn a_socket_that_lives_on_goes_on_with_what_is_in_it() {
        let (one, other) = socket::plain_pair().unwrap();
        let successor = one.try_clone().unwrap();
        socket::send(&other, &[b"first"], &[]).unwrap();
        let ours = Shared::new(one, &Account::default());
        ours.lives_on();
        ours.hang_up();
        drop(ours);
        socket::send(&other, &[b"second"], &[]).unwrap();
        let account = Account::default();
        for _ in 0..2 {
            assert!(
                socket::receive(&successor, &mut [0; 8], &account)
                    .unwrap()
                    .is_some()
            );
        }
    }

    /// What is received of somebody who does this with the other end and closes it, while it is being received.
    fn received_during(last: impl Fn(OwnedFd) + Sync) -> Vec<Result<Vec<usize>>> {
        let receive_all = |ours: &Shared| {
            let mut lengths = Vec::new();
            loop {
                match ours.receive(&mut [0; 8]) {
                    Err(Errno::EAGAIN) => {}
                    Ok(Some(received)) => lengths.push(received.len),
                    Ok(None) => return Ok(lengths),
                    Err(error) => return Err(error),
                }
            }
        };
        let (give, take) = std::sync::mpsc::sync_channel(0);
        std::thread::scope(|scope| {
            scope.spawn(|| take.into_iter().for_each(&last));
            let round = |_| {
                let (one, other) = socket::plain_pair().unwrap();
                let ours = Shared::new(one, &Account::default());
                socket::send(&ours, &[b"ours"], &[]).unwrap();
                give.send(other).unwrap();
                receive_all(&ours)
            };
            let seen = (0..3_000).map(round).collect();
            drop(give);
            seen
        })
    }

    #[test]
    fn what_was_said_last_is_heard_before_the_end() {
        let seen = received_during(|other| {
            let _ours = socket::receive(&other, &mut [0; 8], &Account::default());
            socket::send(&other, &[b"last"], &[]).unwrap();
        });
        let other = seen.iter().find(|all| **all != Ok(vec![4]));
        assert_eq!(other, None);
    }

    #[test]
    fn a_reset_is_never_taken_for_an_end() {
        let seen = received_during(drop);
        let other = seen.iter().find(|all| **all != Err(Errno::ECONNRESET));
        assert_eq!(other, None);
    }

    #[test]
    fn the_other_side_hears_of_the_end_before_the_close() {
        let (one, other) = socket::plain_pair().unwrap();
        let ours = Shared::new(one, &Account::default());
        ours.hang_up();
        assert!(socket::is_hung_up(&other));
        assert_eq!(socket::send(&other, &[b"x"], &[]), Err(Errno::EPIPE));
    }
}
