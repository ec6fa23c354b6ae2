//! Packets that a closer receives, because the descriptors that they bring might not fit our table.
//!
//! What recvmsg(2) cannot install it closes before it returns, and that takes as long as any last close. So the leader
//! looks at the table first, and has somebody else wait if there is little room.

use std::sync::Arc;

use super::runtime::Runtime;
use super::token::Token;
use crate::sys::socket::Received;
use crate::sys::{self, closer};
use crate::wire::limits::{CONTROL_BYTES, PACKET_DATA_BYTES};

/// What was received elsewhere. The reference is not watched meanwhile.
pub(crate) struct Late {
    pub(crate) token: Arc<Token>,
    pub(crate) received: sys::Result<Option<Received>>,
    pub(crate) buffer: Vec<u8>,
}

impl Runtime {
    /// Has a closer receive one packet. The leader finds it in its inbox, does what it asks for, and watches the
    /// reference again.
    pub(crate) fn receive_elsewhere(self: &Arc<Self>, token: &Arc<Token>) {
        let _gone = self.epoll.delete(&token.socket);
        let (runtime, token) = (Arc::clone(self), Arc::clone(token));
        let account = token.socket.account().clone();
        closer::run(&account, move || {
            if runtime.source(token.key).is_none() {
                // It has ended, or a successor reads it.
                return;
            }
            let mut buffer = vec![0; PACKET_DATA_BYTES.saturating_add(CONTROL_BYTES)];
            let received = token.socket.receive(&mut buffer);
            runtime.arrived(Late {
                token,
                received,
                buffer,
            });
        });
    }
}
