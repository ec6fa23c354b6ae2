//! The descriptor socket of a channel.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::Channel;
use crate::channel::descriptors::STALE_PACKETS;
use crate::lock::lock;
use crate::primitive::Ordering;
use crate::sys::account::Account;
use crate::sys::shared::Shared;
use crate::sys::socket;
use crate::wire::limits::CONTROL_BYTES;

impl Channel {
    /// Our end of the channel's descriptor socket.
    pub(crate) fn socket(&self) -> Option<Arc<Shared>> {
        lock(&self.socket).clone()
    }

    /// The server has made a (new) descriptor socket.
    pub(crate) fn install_socket(&self, socket: OwnedFd, account: &Account) {
        *lock(&self.socket) = Some(Arc::new(Shared::new(socket, account)));
        self.socket_lost.store(false, Ordering::Release);
    }

    /// The server has made a socket of which we have no end.
    pub(crate) fn lose_socket(&self) {
        *lock(&self.socket) = None;
        self.socket_lost.store(true, Ordering::Release);
    }

    /// Whether a socket was lost since the last look; forgets it.
    pub(crate) fn take_socket_lost(&self) -> bool {
        self.socket_lost.swap(false, Ordering::AcqRel)
    }

    /// Whether a socket was lost.
    pub(crate) fn is_socket_lost(&self) -> bool {
        self.socket_lost.load(Ordering::Acquire)
    }

    /// Closes descriptors that nobody waits for. Whoever calls this has the channel, so none is on its way for another.
    pub(crate) fn discard_descriptors(&self) {
        if let Some(socket) = self.socket() {
            let mut buffer = [0_u8; CONTROL_BYTES];
            // A queue holds fewer packets; a server that fills it again and again is not followed.
            for _ in 0..STALE_PACKETS {
                if socket.account().is_over() {
                    // The rest goes with the socket; the server makes another.
                    return self.drop_socket(&socket);
                }
                let stale = socket.receive_past_reset(&mut buffer);
                if !matches!(stale, Ok(Some(_))) {
                    break;
                }
            }
        }
    }

    /// The server has closed its end of the descriptor socket: so does this side, with what may still be in it for a
    /// call that was given up. A call that is going on takes what is its own first, and leaves the socket to the next.
    ///
    /// Called by the watcher only: a caller that comes meanwhile waits for it.
    pub(crate) fn socket_hung_up(&self) {
        let _visit = lock(&self.visit);
        if let Some(_nobody) = self.state.try_lock() {
            let mut current = lock(&self.socket);
            if current
                .as_ref()
                .is_some_and(|socket| socket::is_hung_up(&**socket))
            {
                *current = None;
            }
        }
    }

    /// The other end is closed: forget it, unless a new one has come.
    pub(crate) fn drop_socket(&self, closed: &Arc<Shared>) {
        let mut socket = lock(&self.socket);
        if socket
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, closed))
        {
            *socket = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::ends::tests::channel;
    use crate::primitive::AtomicBool;

    #[test]
    fn the_end_of_a_socket_keeps_no_caller_from_the_channel() {
        let (end, _server) = channel();
        let channel = Channel::new(0, end);
        assert!(channel.adopt(0).is_some());
        let watched = AtomicBool::new(true);
        let missed = std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    let (ours, theirs) = socket::plain_pair().unwrap();
                    channel.install_socket(ours, &Account::default());
                    drop(theirs);
                    channel.socket_hung_up();
                }
                watched.store(false, Ordering::Relaxed);
            });
            // The only caller there is: nobody else has the channel.
            let mut missed = 0;
            while watched.load(Ordering::Relaxed) {
                missed += usize::from(channel.try_take(0).is_none());
            }
            missed
        });
        assert_eq!(missed, 0);
    }
}
