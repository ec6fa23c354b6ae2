//! Descriptors that we have sent, and that nobody has received yet.
//!
//! The kernel counts them for the user who has sent them, which is ours, whoever leaves them unread; beyond
//! `RLIMIT_NOFILE` no process of that user can send any (`ETOOMANYREFS`, unix(7)). So whoever is sent descriptors is
//! charged for those that may be unread, and gets no more beyond a bound.
//!
//! Nobody tells when a packet is received, but a socket tells how much of what it has sent is not (`SIOCOUTQ`): that is
//! asked when somebody seems to have left too many, and now and then of those that are kept. And a close takes nothing out of the queue at the other side: a
//! socket of which something is unread is ended, and kept until that was received, or the other side has gone.
#![expect(unsafe_code, reason = "the ioctl has no safe wrapper")]

use std::collections::HashMap;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, OnceLock};

use nix::errno::Errno;

use super::account::Account;
use super::closer;
use super::socket::{self, Next};
use crate::lock::lock;
use crate::primitive::{AtomicUsize, Ordering};

/// How many sockets are kept in all.
static KEPT: AtomicUsize = AtomicUsize::new(0);

/// Who wants to know when one is.
static HEARS: OnceLock<fn()> = OnceLock::new();

/// Has this called whenever a socket is kept, by whoever does not use it any more.
pub(crate) fn tell(hears: fn()) {
    let _first = HEARS.set(hears);
}

/// Whether some socket is kept.
pub(crate) fn some_are_kept() -> bool {
    KEPT.load(Ordering::Relaxed) > 0
}

/// What was sent to one user.
#[derive(Debug, Default)]
pub(super) struct Unread(Mutex<All>);

/// By the number of each socket: a socket in use is taken out by its owner before it is closed, one that is kept is ours.
#[derive(Debug, Default)]
struct All {
    sockets: HashMap<RawFd, Sent>,
    /// The sum of their descriptors.
    descriptors: usize,
    /// How many of them are kept.
    kept: usize,
}

/// What was sent on one socket since all of it was received.
#[derive(Debug, Default)]
struct Sent {
    descriptors: usize,
    /// Nobody else has the socket any more.
    kept: Option<Kept>,
}

/// A socket that is kept.
#[derive(Debug)]
struct Kept {
    socket: Option<OwnedFd>,
    /// Of whoever may have put something into its queue.
    account: Account,
}

impl Kept {
    fn new(socket: OwnedFd, account: &Account) -> Self {
        KEPT.fetch_add(1, Ordering::Relaxed);
        Self {
            socket: Some(socket),
            account: account.clone(),
        }
    }
}

impl Drop for Kept {
    /// As with any of our sockets, what is in its queue may be slow to close.
    fn drop(&mut self) {
        KEPT.fetch_sub(1, Ordering::Relaxed);
        if let Some(socket) = self.socket.take()
            && socket::next(&socket) != Next::Nothing
        {
            closer::close(vec![socket], &self.account);
        }
    }
}

impl All {
    fn has_room_for(&self, count: usize, most: usize) -> bool {
        self.descriptors.saturating_add(count) <= most
    }

    fn put(&mut self, number: RawFd, sent: Sent) {
        self.descriptors = self.descriptors.saturating_add(sent.descriptors);
        self.kept = self.kept.saturating_add(usize::from(sent.kept.is_some()));
        self.sockets.insert(number, sent);
    }

    fn take(&mut self, number: RawFd) -> Option<Sent> {
        let sent = self.sockets.remove(&number)?;
        self.descriptors = self.descriptors.saturating_sub(sent.descriptors);
        self.kept = self.kept.saturating_sub(usize::from(sent.kept.is_some()));
        Some(sent)
    }

    /// Takes those out of which all is received, to be dropped outside the lock.
    fn settle(&mut self) -> Vec<Sent> {
        let numbers = self.sockets.keys().copied();
        let received: Vec<RawFd> = numbers.filter(|number| !is_unread(*number)).collect();
        let received = received.into_iter();
        received.filter_map(|number| self.take(number)).collect()
    }
}

impl Unread {
    /// Whether so many more are no more than `most`.
    pub(super) fn has_room_for(&self, count: usize, most: usize) -> bool {
        let mut all = lock(&self.0);
        if all.has_room_for(count, most) {
            return true;
        }
        let received = all.settle();
        let has_room = all.has_room_for(count, most);
        drop(all);
        drop(received);
        has_room
    }

    /// So many have been sent on a socket.
    pub(super) fn add(&self, socket: &OwnedFd, count: usize) {
        let mut all = lock(&self.0);
        let number = socket.as_raw_fd();
        let mut sent = all.take(number).unwrap_or_default();
        sent.descriptors = sent.descriptors.saturating_add(count);
        all.put(number, sent);
    }

    /// Nothing is sent on a socket any more. It comes back if all is received; else it is ended and kept.
    pub(super) fn leave(&self, socket: OwnedFd, account: &Account) -> Option<OwnedFd> {
        let mut all = lock(&self.0);
        let number = socket.as_raw_fd();
        let Some(mut sent) = all.take(number).filter(|_| is_unread(number)) else {
            return Some(socket);
        };
        socket::end(&socket);
        sent.kept = Some(Kept::new(socket, account));
        all.put(number, sent);
        drop(all);
        if let Some(hears) = HEARS.get() {
            hears();
        }
        None
    }

    /// A socket goes on elsewhere: nobody can tell any more what is unread there.
    pub(super) fn forget(&self, socket: &OwnedFd) {
        let _gone = lock(&self.0).take(socket.as_raw_fd());
    }

    /// How many sockets are kept, as far as is known. Where there are none in all there are none here: one is counted there
    /// before it is put here, and until it has been taken.
    pub(super) fn kept(&self) -> usize {
        if some_are_kept() {
            lock(&self.0).kept
        } else {
            0
        }
    }

    /// Lets go of those that are kept no longer.
    pub(super) fn settle(&self) {
        let mut all = lock(&self.0);
        let received = if all.kept > 0 {
            all.settle()
        } else {
            Vec::new()
        };
        drop(all);
        drop(received);
    }
}

fn is_unread(socket: RawFd) -> bool {
    unread_bytes(socket).is_ok_and(|bytes| bytes > 0)
}

/// What was sent on a socket and is not received, in bytes with the kernel's own overhead.
fn unread_bytes(socket: RawFd) -> Result<libc::c_int, Errno> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: TIOCOUTQ, as SIOCOUTQ is called too, writes one int, which lives across the call (unix(7)).
    let result = unsafe { libc::ioctl(socket, libc::TIOCOUTQ, &raw mut bytes) };
    Errno::result(result).map(|_| bytes)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    /// Sends three descriptors.
    fn send(unread: &Unread, ours: &OwnedFd) {
        socket::send(ours, &[b"x"], &[ours.as_fd(); 3]).unwrap();
        unread.add(ours, 3);
    }

    fn receive(theirs: &OwnedFd) {
        let received = socket::receive(theirs, &mut [0; 8], &Account::default());
        assert!(received.unwrap().is_some());
    }

    #[test]
    fn what_is_received_is_not_unread() {
        let unread = Unread::default();
        let (ours, theirs) = socket::plain_pair().unwrap();
        send(&unread, &ours);
        send(&unread, &ours);
        assert!(unread.has_room_for(4, 10));
        assert!(!unread.has_room_for(5, 10));
        receive(&theirs);
        // Of two packets the kernel tells only that there are some.
        assert!(!unread.has_room_for(5, 10));
        receive(&theirs);
        assert!(unread.has_room_for(10, 10));
        assert!(unread.leave(ours, &Account::default()).is_some());
    }

    #[test]
    fn a_socket_of_which_something_is_unread_is_ended_and_kept() {
        for is_read in [true, false] {
            let unread = Unread::default();
            let (ours, theirs) = socket::plain_pair().unwrap();
            let (idle, _other) = socket::plain_pair().unwrap();
            send(&unread, &ours);
            assert!(unread.leave(idle, &Account::default()).is_some());
            assert!(unread.leave(ours, &Account::default()).is_none());
            assert!(socket::is_hung_up(&theirs));
            assert_eq!(unread.kept(), 1);
            assert!(!unread.has_room_for(8, 10));
            if is_read {
                receive(&theirs);
            } else {
                drop(theirs);
            }
            assert_eq!(unread.kept(), 1, "nobody has looked");
            unread.settle();
            assert_eq!(unread.kept(), 0);
            assert!(unread.has_room_for(10, 10));
        }
    }

    #[test]
    fn what_goes_on_elsewhere_is_not_counted() {
        let unread = Unread::default();
        let (ours, _theirs) = socket::plain_pair().unwrap();
        send(&unread, &ours);
        unread.forget(&ours);
        assert!(unread.has_room_for(10, 10));
        assert!(unread.leave(ours, &Account::default()).is_some());
    }
}
