//! Connections that mostly are about to end: a first call of theirs was run by the thread that read it.
//!
//! Most who open a door to call it once close it with the answer. To have epoll watch such a connection, and to take it
//! out again, costs more than both looks at it: so the leader does that only before it sleeps. Until then it looks at it by
//! itself, while it looks for what may come at once (`Leader::wait`).
//!
//! A call that takes long is not cut off by that: what comes on its connection meanwhile is heard when the alarm goes
//! off that is set for each of them (`seat.rs`), after 5 ms, if nothing else calls the deputy before.

use std::collections::VecDeque;
use std::sync::Arc;

use nix::sys::epoll::{EpollEvent, EpollFlags, EpollTimeout};

use super::leader::Leader;
use super::token::Token;
use crate::channel::glance::Glance;
use crate::sys::socket::{self, Seen};

/// So many are looked at without epoll.
const MOST: usize = 4;

/// What the leader looks for before it sleeps.
#[derive(Default)]
pub(super) struct Brief {
    /// A first call was run here, and something has come at once since, each time.
    pub(super) is_keen: bool,
    /// Connections that are not in epoll yet.
    connections: VecDeque<Arc<Token>>,
    /// What was learned about waiting for the next one.
    arrivals: Glance,
}

impl Leader {
    /// Waits for events; their number. After a first call the next one, or the end of its connection, may come at once.
    pub(super) fn wait(&mut self, events: &mut [EpollEvent]) -> usize {
        let epoll = &self.runtime.epoll;
        let mut count = 0;
        let brief = &mut self.brief;
        if brief.is_keen {
            let mut watched = || {
                count = epoll.wait(events, EpollTimeout::ZERO).unwrap_or(0);
                count > 0
            };
            let others = &brief.connections;
            let other = || {
                let mut others = others.iter();
                others.any(|token| socket::has_something(&token.socket))
            };
            brief.is_keen = brief.arrivals.at(|| watched() || other());
        }
        if brief.is_keen {
            return count;
        }
        self.watch_brief();
        let epoll = &self.runtime.epoll;
        epoll.wait(events, self.timeout()).unwrap_or(0)
    }

    /// Sees to it that a connection is watched, if need be later; false if that cannot be.
    pub(super) fn watch_in_time(&mut self, token: &Arc<Token>) -> bool {
        let here = self.here.as_ref();
        let briefly = here.is_some_and(|here| here.token().key == token.key);
        if !briefly || self.brief.connections.len() >= MOST {
            return self.runtime.watch_taken(token);
        }
        self.brief.connections.push_back(Arc::clone(token));
        true
    }

    /// Ends those connections that are over; false if that was not all that was there.
    pub(super) fn look_at_brief(&mut self) -> bool {
        let mut is_all = true;
        let looked_at = self.brief.connections.len();
        for _ in 0..looked_at {
            let Some(token) = self.brief.connections.pop_front() else {
                break;
            };
            if !self.runtime.has_source(token.key) {
                continue;
            }
            match socket::look(&token.socket) {
                Seen::Nothing => self.brief.connections.push_back(token),
                Seen::Something => {
                    let _watched = self.runtime.watch_taken(&token);
                    is_all = false;
                }
                Seen::End => is_all &= self.take_leave(&token),
            }
        }
        is_all
    }

    /// Has epoll watch them, unless references stand still: then it is done after that, of which the leader is told.
    pub(super) fn watch_brief(&mut self) {
        if self.brief.connections.is_empty() {
            return;
        }
        let runtime = Arc::clone(&self.runtime);
        if let Some(_pass) = runtime.standstill.pass() {
            for token in self.brief.connections.drain(..) {
                // One that cannot be watched ends.
                let _watched = runtime.watch_taken(&token);
            }
        }
    }

    /// The other side has hung up. If that is all, nobody needs to know; anything else comes the usual way, and this is false.
    fn take_leave(&mut self, token: &Arc<Token>) -> bool {
        if token.socket.account().is_over() || self.table.might_hold_up(&token.socket) {
            let _watched = self.runtime.watch_taken(token);
            return false;
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        let received = token.socket.receive_after_hang_up(&mut buffer);
        let is_all = matches!(received, Ok(None));
        if is_all {
            if self.runtime.forget(token.key).is_some() {
                token.end();
            }
        } else if self.runtime.watch_taken(token) {
            self.token_received(token, EpollFlags::EPOLLHUP, &buffer, received);
        }
        self.buffer = buffer;
        is_all
    }
}
