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
    pub(crate) fn socket_hung_up(&self) {
        if let Ok(_nobody) = self.state.try_lock() {
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
