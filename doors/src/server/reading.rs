//! What the leader reads: references and session sockets.

use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::epoll::EpollFlags;

use super::leader::{Leader, PACKETS_A_TURN};
use super::session::Session;
use super::token::Token;
use crate::event;
use crate::sys::socket::{self, sent_by};
use crate::wire::limits::CONTROL_BYTES;
use crate::wire::message::{Message, Violation};

impl Leader {
    /// Takes what has come on a reference.
    pub(super) fn token(&mut self, token: &Arc<Token>, flags: EpollFlags) {
        let mut buffer = std::mem::take(&mut self.buffer);
        for _ in 0..PACKETS_A_TURN {
            match socket::receive(&token.socket, &mut buffer) {
                Ok(Some(received)) => {
                    let bytes = buffer.get(..received.len).unwrap_or_default();
                    if let Err(found) = self.petition(token, bytes, received) {
                        event::packet_refused(token.core.id, &found);
                    }
                }
                Err(Errno::EAGAIN) => {
                    if flags.contains(EpollFlags::EPOLLHUP) {
                        self.hung_up(token);
                    }
                    break;
                }
                Ok(None) | Err(_) => {
                    self.hung_up(token);
                    break;
                }
            }
        }
        self.buffer = buffer;
    }

    /// Takes what has come on a session socket.
    pub(super) fn session(&mut self, session: &Arc<Session>) {
        let mut buffer = [0_u8; CONTROL_BYTES];
        for _ in 0..PACKETS_A_TURN {
            match socket::receive(&session.socket, &mut buffer) {
                Ok(Some(mut received)) => {
                    let bytes = buffer.get(..received.len).unwrap_or_default();
                    let done = if received.cut || received.fds_lost || !received.fds.is_empty() {
                        Err(Violation::Descriptors)
                    } else if sent_by(&mut received, &session.client) {
                        Message::decode(bytes).and_then(|(message, _)| session.packet(message))
                    } else {
                        Err(Violation::Sender)
                    };
                    if let Err(found) = done {
                        session.violated(found);
                        return;
                    }
                }
                Err(Errno::EAGAIN) => break,
                Ok(None) | Err(_) => {
                    self.end_session(session.id);
                    return;
                }
            }
        }
        // Whatever came counts as a ring: one that did not fit a full queue was as good as sent.
        session.scan();
    }
}
