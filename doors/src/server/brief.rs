//! Connections that mostly are about to end: a first call of theirs was run by the thread that read it.
//!
//! Most who open a door to call it once close it with the answer. To have epoll watch such a connection, and to take it
//! out again, costs more than both looks at it: so the leader does that only before it sleeps. Until then it looks at it by
//! itself, while it looks for what may come at once (`near.rs`).
//!
//! A call that takes long is not cut off by that: what comes on its connection meanwhile is heard when the alarm goes
//! off that is set for each of them (`seat.rs`), after 5 ms, if nothing else calls the deputy before.

use std::sync::Arc;
use std::time::Instant;

use nix::sys::epoll::{EpollEvent, EpollFlags};

use super::leader::Leader;
use super::near::Near;
use super::runtime::Source;
use super::token::Token;
use crate::channel::glance::Glance;
use crate::sys::socket::Seen;

/// What the leader looks for before it sleeps.
#[derive(Default)]
pub(super) struct Brief {
    /// A first call was run here, and something has come at once since, each time.
    pub(super) is_keen: bool,
    /// When the last call here was over.
    pub(super) ended: Option<Instant>,
    /// What is looked at.
    pub(super) near: Near,
    /// What was learned about waiting for the next one.
    arrivals: Glance,
}

impl Leader {
    /// Waits for events; their number. After a first call the next one, or the end of its connection, may come at once.
    pub(super) fn wait(&mut self, events: &mut [EpollEvent]) -> usize {
        let brief = &mut self.brief;
        brief.near.begin_turn();
        self.now = None;
        if brief.is_keen {
            let mut found = None;
            let mut at = None;
            let looks = |now: Option<Instant>| {
                at = now;
                found = brief.near.look(&self.runtime, events, now.is_some());
                found.is_some()
            };
            brief.is_keen = brief.arrivals.at(brief.ended.take(), looks);
            if let Some(count) = found {
                self.now = at.filter(|_| count <= 1);
                return count;
            }
        }
        self.watch_brief();
        let epoll = &self.runtime.epoll;
        epoll.wait(events, self.timeout()).unwrap_or(0)
    }

    /// Sees to it that a connection is watched, if need be later; false if that cannot be.
    pub(super) fn watch_in_time(&mut self, token: &Arc<Token>) -> bool {
        let here = self.here.as_ref();
        let briefly = here.is_some_and(|here| here.token().key == token.key);
        if briefly && self.brief.near.add(token) {
            return true;
        }
        self.runtime.watch_taken(token)
    }

    /// Ends those connections that are over; false if that was not all that was there. One that has come in this turn
    /// is not looked at.
    pub(super) fn look_at_brief(&mut self) -> bool {
        let mut is_all = true;
        while let Some((token, seen)) = self.brief.near.next() {
            match seen {
                // Whether it is one still is seen when something comes there, or before the leader sleeps.
                Seen::Nothing => self.brief.near.stays(token),
                Seen::Something => {
                    let _watched = self.runtime.watch_taken(&token);
                    is_all = false;
                }
                Seen::End => is_all &= self.take_leave(&token),
            }
        }
        is_all
    }

    /// The same, for the descriptors of those that are over; false if none was.
    pub(super) fn look_at_brief_for_room(&mut self) -> bool {
        let before = self.brief.near.count();
        self.look_at_brief();
        self.brief.near.count() < before
    }

    /// Has epoll watch them, unless references stand still: then it is done after that, of which the leader is told.
    pub(super) fn watch_brief(&mut self) {
        if self.brief.near.count() == 0 {
            return;
        }
        let runtime = Arc::clone(&self.runtime);
        if let Some(_pass) = runtime.standstill.pass() {
            for token in self.brief.near.take_all() {
                // One that cannot be watched ends.
                let _watched = runtime.watch_taken(&token);
            }
        }
    }

    /// The other side has hung up. If that is all, nobody needs to know; anything else comes the usual way, and this is false.
    fn take_leave(&mut self, token: &Arc<Token>) -> bool {
        if token.socket.account().is_over() || self.might_hold_up(token) {
            let _watched = self.runtime.watch_taken(token);
            return false;
        }
        // Forgotten before it is read: one that was already is nobody's to read here. Nobody misses it until it is entered again:
        // whoever collects references waits for the pass that the leader has for this turn, and the others who look for a key
        // do so for one that rests, is judged or is received elsewhere, which none is that was not read since its call.
        if self.runtime.forget(token.key).is_none() {
            return true;
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        let received = token.socket.receive_after_hang_up(&mut buffer);
        let is_all = matches!(received, Ok(None));
        if is_all {
            token.end();
        } else {
            let source = Source::Token(Arc::clone(token));
            self.runtime.enter(token.key, source);
            if self.runtime.watch_taken(token) {
                self.token_received(token, EpollFlags::EPOLLHUP, &buffer, received);
            }
        }
        self.buffer = buffer;
        is_all
    }
}
