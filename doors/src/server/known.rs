//! Who has called last, so that whoever comes again soon need not be looked up.
//!
//! To have the kernel open the process at the other end of a connection, and to ask it who that is, takes four system calls
//! and as long as everything else that is asked of a caller. A process that was opened that way before is the one that
//! has connected *this* time, if
//!
//! 1. both connections came through one listener, this one after that one. Connections wait in line there, so that this
//!    one was made later;
//! 2. the kernel notes the same pid for this connection (`SO_PEERCRED`, of the moment of connecting);
//! 3. it has not exited *now*, as its pidfd shows (it polls as readable from then on, `pidfd_open(2)`).
//!
//! For a pid is nobody else's from the time a process gets it until it is reaped: by 3 it was this process' own when the
//! earlier connection was made, now, and all the time between, which is when this one was made and all of its packets
//! were sent. Ids and groups are not remembered: they are the connection's own.

use std::sync::Arc;

use super::near::Near;
use super::token::{Origin, Token};
use crate::sys::process::Process;
use crate::sys::socket::Seen;

/// A process that has connected, and by what it is known.
pub(super) struct Known {
    process: Arc<Process>,
    listener: u64,
    /// The key of its connection: they grow in the order in which connections are taken from a listener.
    key: u64,
}

impl Known {
    /// The same process has connected again; false if it is another one, or came another way.
    pub(super) fn again(&mut self, token: &Token, process: &Arc<Process>) -> bool {
        let same = Arc::ptr_eq(&self.process, process);
        match token.origin {
            Origin::Path { listener, .. } if same && listener == Some(self.listener) => {
                self.key = token.key;
                true
            }
            _ => false,
        }
    }

    /// Whoever has connected this way, as the kernel has named it by that very connection (or by an earlier one).
    pub(super) fn by(token: &Token, process: &Arc<Process>) -> Option<Self> {
        match token.origin {
            Origin::Path {
                listener: Some(listener),
                ..
            } => Some(Self {
                process: Arc::clone(process),
                listener,
                key: token.key,
            }),
            _ => None,
        }
    }

    /// The process, if this connection is its own too: to be asked when the packet in question has come. A connection
    /// that is waited for is looked at by the same system call: what is seen there goes to `near`.
    pub(super) fn is_at(&self, token: &Token, near: &mut Near) -> Option<Arc<Process>> {
        let Origin::Path { peer, listener, .. } = &token.origin else {
            return None;
        };
        // 0 is a process outside our namespace.
        let same = peer.pid != 0 && peer.pid == self.process.pid();
        let later = *listener == Some(self.listener) && token.key > self.key;
        let is_it = same && later && near.look_beside(&self.process) == Seen::Nothing;
        is_it.then(|| Arc::clone(&self.process))
    }
}
