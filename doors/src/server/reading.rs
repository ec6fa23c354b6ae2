//! What the leader reads: references and session sockets.

use std::sync::Arc;
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::epoll::EpollFlags;

use super::elsewhere::Late;
use super::leader::{Leader, PACKETS_A_TURN};
use super::resting::Rested;
use super::session::Session;
use super::token::Token;
use crate::event;
use crate::sys;
use crate::sys::socket::{Received, sent_by};
use crate::wire::limits::CONTROL_BYTES;
use crate::wire::message::{Message, Violation};

/// What it takes to answer a packet on a reference: a process, windows, a pair.
const ANSWER: usize = 4;

impl Leader {
    /// Takes what has come on a reference.
    pub(super) fn token(&mut self, token: &Arc<Token>, flags: EpollFlags) {
        let mut buffer = std::mem::take(&mut self.buffer);
        for _ in 0..PACKETS_A_TURN {
            if token.socket.account().is_over() {
                self.rest(token);
                break;
            }
            if self.table.might_hold_up(&token.socket, Instant::now()) {
                self.runtime.receive_elsewhere(token);
                break;
            }
            let received = if flags.contains(EpollFlags::EPOLLHUP) {
                token.socket.receive_after_hang_up(&mut buffer)
            } else {
                token.socket.receive(&mut buffer)
            };
            if !self.token_received(token, flags, &buffer, received) {
                break;
            }
        }
        self.buffer = buffer;
    }

    /// Takes the first packet of a new connection, which most often is there already, and has the connection watched
    /// after that: most have sent by then all that they ever will.
    pub(super) fn greet(&mut self, token: &Arc<Token>, uid: u32) {
        if token.socket.account().is_over() {
            self.rest(token);
        } else if self.might_hold_up(token) {
            self.runtime.receive_elsewhere(token);
        } else {
            let mut buffer = std::mem::take(&mut self.buffer);
            let received = token.socket.receive(&mut buffer);
            self.token_received(token, EpollFlags::empty(), &buffer, received);
            self.buffer = buffer;
            if !self.watch_in_time(token) {
                return;
            }
        }
        if !token.has_spoken() {
            self.unfinished.connected(token, uid);
        }
    }

    /// Whether to receive what has come there might last.
    pub(super) fn might_hold_up(&mut self, token: &Token) -> bool {
        let now = self.now();
        self.table.might_hold_up(&token.socket, now)
    }

    /// False if there is nothing more.
    pub(super) fn token_received(
        &mut self,
        token: &Arc<Token>,
        flags: EpollFlags,
        buffer: &[u8],
        received: sys::Result<Option<Received>>,
    ) -> bool {
        match received {
            Ok(Some(received)) => {
                self.table.took(received.fds.len().saturating_add(ANSWER));
                let bytes = buffer.get(..received.len).unwrap_or_default();
                if let Err(found) = self.petition(token, bytes, received) {
                    event::packet_refused(token.core.id, &found);
                }
                true
            }
            Err(Errno::EAGAIN) => {
                if flags.contains(EpollFlags::EPOLLHUP) {
                    self.hung_up(token);
                }
                false
            }
            Ok(None) | Err(_) => {
                self.hung_up(token);
                false
            }
        }
    }

    /// Nothing is read on a reference until what came there is closed.
    fn rest(&mut self, token: &Arc<Token>) {
        let _gone = self.runtime.epoll.delete(&token.socket);
        self.resting.add(token, Instant::now());
    }

    /// References that have rested are read again, or end.
    pub(super) fn wake_rested(&mut self) {
        if self.resting.is_empty() {
            return;
        }
        for rested in self.resting.look(Instant::now()) {
            match rested {
                Rested::Goes(token) => self.runtime.watch_again(token.key, &token.socket),
                Rested::Ends(token) => {
                    event::packet_refused(token.core.id, &Violation::Descriptors);
                    token.turn_away();
                    self.end_token(&token);
                }
            }
        }
    }

    /// A closer has received a packet. What has come on a reference that has ended since is not read any more, unless
    /// that lives on in a successor: then whoever sent it hears so.
    pub(super) fn arrived_late(&mut self, late: Late) {
        let token = &late.token;
        if self.runtime.source(token.key).is_none() && !token.core.is_handed_over() {
            return;
        }
        // Watched first: what is found now may end that again.
        self.runtime.watch_again(late.token.key, &late.token.socket);
        let nothing = EpollFlags::empty();
        self.token_received(&late.token, nothing, &late.buffer, late.received);
    }

    /// Takes what has come on a session socket.
    pub(super) fn session(&mut self, session: &Arc<Session>) {
        let mut buffer = [0_u8; CONTROL_BYTES];
        for _ in 0..PACKETS_A_TURN {
            if self.table.might_hold_up(&session.socket, Instant::now()) {
                // Nothing that a client sends here brings any.
                return session.violated(Violation::Descriptors);
            }
            let received = session.socket.receive(&mut buffer);
            match self.session_received(session, &buffer, received) {
                Some(true) => {}
                Some(false) => break,
                None => return,
            }
        }
        // Whatever came counts as a ring: one that did not fit a full queue was as good as sent.
        session.scan();
    }

    /// Whether there may be more; `None` if the session is over.
    fn session_received(
        &self,
        session: &Arc<Session>,
        buffer: &[u8],
        received: sys::Result<Option<Received>>,
    ) -> Option<bool> {
        match received {
            Ok(Some(mut received)) => {
                let bytes = buffer.get(..received.len).unwrap_or_default();
                let done = if received.cut || received.fds_lost || !received.fds.is_empty() {
                    Err(Violation::Descriptors)
                } else if sent_by(&mut received, &session.client) {
                    Message::decode(bytes).and_then(|(message, _)| session.packet(message))
                } else {
                    Err(Violation::Sender)
                };
                match done {
                    Ok(()) => Some(true),
                    Err(found) => {
                        session.violated(found);
                        None
                    }
                }
            }
            Err(Errno::EAGAIN) => Some(false),
            Ok(None) | Err(_) => {
                self.end_session(session.id);
                None
            }
        }
    }
}
