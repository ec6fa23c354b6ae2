//! What the leader looks at by itself while first calls come at once: the listener by which they come, and the connections
//! of those that were answered.
//!
//! | look | at what | system calls |
//! |---|---|---|
//! | every fourth one | all that is watched, and the connections | `epoll_wait(2)`, and poll(2) if that has shown nothing |
//! | while there is one connection | listener and connection | poll(2) |
//! | the first after a yield, where that has found the next caller in each turn before, at a listener that nobody else has | none: accept4(2) tells, and the connection is looked at beside the pidfd of who has come | - |
//!
//! Whoever else holds a listener may have it block: at one that was not made here nobody is taken for granted, for accept4(2) would wait.
//!
//! So everybody else is looked at after three calls at most, all of which were over at once: after one that was not, somebody
//! else has led already (`seat.rs`).

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::collections::vec_deque::Drain;
use std::os::fd::AsFd;
use std::sync::Arc;

use nix::sys::epoll::{EpollEvent, EpollFlags, EpollTimeout};

use super::runtime::{Attached, Runtime, Source};
use super::token::Token;
use crate::sys::process::Process;
use crate::sys::socket::{self, Seen};

/// So many are looked at without epoll.
const MOST: usize = 4;
/// Every so many looks are at everything that is watched.
const AROUND_EVERY: u32 = 4;
/// After so many turns in which the first look after a yield has found the next caller, it is taken for granted.
const SURE_AFTER: u32 = 16;

/// What is looked at without epoll.
#[derive(Default)]
pub(super) struct Near {
    /// Connections that are not in epoll yet.
    connections: VecDeque<Arc<Token>>,
    /// How many of them, from the front, are still to be looked at in this turn.
    left: usize,
    /// What this turn's look has shown of the first of them.
    seen: Option<Seen>,
    /// The key of the listener by which the last connection has come.
    listener: Option<u64>,
    /// Nobody else was given that listener.
    is_ours: bool,
    /// How often was looked.
    looks: u32,
    /// No look was made in this turn since the processor was offered.
    is_first: bool,
    /// So many turns, one upon the other, in which that look has found the next caller.
    hits: u32,
}

impl Near {
    pub(super) fn begin_turn(&mut self) {
        self.left = self.connections.len();
        self.seen = None;
        self.is_first = true;
    }

    /// Looks for what may come at once; the number of events, `None` if there is nothing. Whoever comes may have had the
    /// processor for it.
    pub(super) fn look(
        &mut self,
        runtime: &Runtime,
        events: &mut [EpollEvent],
        has_yielded: bool,
    ) -> Option<usize> {
        self.looks = self.looks.wrapping_add(1);
        let is_first = has_yielded && std::mem::take(&mut self.is_first);
        let listener = self.listener.filter(|_| {
            let is_due = self.looks.is_multiple_of(AROUND_EVERY);
            self.connections.len() == 1 && !is_due
        });
        let found = match listener {
            Some(key) => {
                let is_sure = is_first && self.is_ours && self.hits >= SURE_AFTER;
                let comes = is_sure || self.look_at(runtime, key);
                let event = events.first_mut().filter(|_| comes);
                let count = event.map(|event| {
                    *event = EpollEvent::new(EpollFlags::EPOLLIN, key);
                    1
                });
                count.or_else(|| self.ends().then_some(0))
            }
            None => self.look_around(runtime, events),
        };
        if is_first {
            let hit = found.is_some_and(|count| count > 0);
            self.hits = if hit { self.hits.saturating_add(1) } else { 0 };
        }
        found
    }

    /// Whether somebody has connected at the listener of this key; what is seen of the connection is kept.
    fn look_at(&mut self, runtime: &Runtime, key: u64) -> bool {
        let Some(Source::Listener(listener)) = runtime.source(key) else {
            self.listener = None;
            return false;
        };
        let Some(connection) = self.connections.front() else {
            return false;
        };
        let both = [listener.listener.as_fd(), connection.socket.as_fd()];
        let [comes, seen] = socket::look_at(both);
        self.seen = Some(seen);
        comes != Seen::Nothing
    }

    fn ends(&self) -> bool {
        self.seen.is_some_and(|seen| seen != Seen::Nothing)
    }

    fn look_around(&self, runtime: &Runtime, events: &mut [EpollEvent]) -> Option<usize> {
        let count = runtime.epoll.wait(events, EpollTimeout::ZERO).unwrap_or(0);
        let other = || {
            let mut others = self.connections.iter();
            others.any(|token| socket::has_something(&token.socket))
        };
        (count > 0 || other()).then_some(count)
    }

    /// Looks at a process, which has exited if there is something to be seen, and at the first connection that was not
    /// looked at in this turn.
    pub(super) fn look_beside(&mut self, process: &Process) -> Seen {
        let unseen = self.connections.front();
        let Some(connection) = unseen.filter(|_| self.left > 0 && self.seen.is_none()) else {
            return socket::look(process);
        };
        let [exited, seen] = socket::look_at([process.as_fd(), connection.socket.as_fd()]);
        self.seen = Some(seen);
        exited
    }

    /// Somebody has come by this listener.
    pub(super) fn came_by(&mut self, attached: &Attached) {
        self.listener = Some(attached.key);
        self.is_ours = attached.born_here;
    }

    /// Nobody had come who was taken for granted.
    pub(super) fn nobody_came(&mut self) {
        self.hits = 0;
    }

    /// A listener is not looked at for a while.
    pub(super) fn forget(&mut self, attached: &Attached) {
        self.listener.take_if(|key| *key == attached.key);
    }

    /// One more connection, from the next turn on; false if there are too many.
    pub(super) fn add(&mut self, token: &Arc<Token>) -> bool {
        if self.connections.len() >= MOST {
            return false;
        }
        self.connections.push_back(Arc::clone(token));
        true
    }

    /// How many connections there are.
    pub(super) fn count(&self) -> usize {
        self.connections.len()
    }

    /// The next connection that is to be looked at in this turn, and what is seen there.
    pub(super) fn next(&mut self) -> Option<(Arc<Token>, Seen)> {
        self.left = self.left.checked_sub(1)?;
        let token = self.connections.pop_front()?;
        let seen = self.seen.take();
        let seen = seen.unwrap_or_else(|| socket::look(&token.socket));
        Some((token, seen))
    }

    /// It stays, for the next turn.
    pub(super) fn stays(&mut self, token: Arc<Token>) {
        self.connections.push_back(token);
    }

    /// All of them, which are looked at no longer.
    pub(super) fn take_all(&mut self) -> Drain<'_, Arc<Token>> {
        self.left = 0;
        self.connections.drain(..)
    }
}
