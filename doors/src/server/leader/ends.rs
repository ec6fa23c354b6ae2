//! How the leader ends what is over, or was never begun.

use std::sync::Arc;
use std::time::Instant;

use nix::sys::epoll::EpollFlags;

use super::Leader;
use crate::server::core::lock;
use crate::server::runtime::Source;
use crate::server::token::Token;

impl Leader {
    /// Ends the sessions that nobody has finished in time.
    pub(super) fn end_unfinished_sessions(&mut self) {
        if !self.unfinished.has_sessions() {
            return;
        }
        for session in self.unfinished.sessions_over(Instant::now()) {
            self.end_session(session.id);
        }
    }

    pub(super) fn end_silent_connections(&mut self) {
        if !self.unfinished.sweeps() {
            return;
        }
        let now = Instant::now();
        for token in self.unfinished.connections_over(now) {
            // A word that has come at this very moment counts.
            self.token(&token, EpollFlags::empty());
            if !token.has_spoken() {
                token.turn_away();
                self.end_token(&token);
            }
        }
    }

    pub(in crate::server) fn end_token(&self, token: &Token) {
        if self.runtime.unwatch(token.key, &token.socket).is_some() {
            token.end();
        }
    }

    pub(in crate::server) fn hung_up(&mut self, token: &Arc<Token>) {
        if token.is_gone() {
            return self.end_token(token);
        }
        // Somebody called shutdown(2). The hang-up would be reported for ever (epoll is level-triggered), so the
        // socket leaves epoll, though not the table of sources, and is looked at now and then.
        let _gone = self.runtime.epoll.delete(&token.socket);
        self.hangups.faked(token);
    }

    pub(in crate::server) fn end_session(&self, id: u128) {
        let session = self.runtime.sessions().remove(&id);
        if let Some(session) = session {
            for key in std::mem::take(&mut *lock(&session.keys)) {
                match self.runtime.source(key) {
                    Some(Source::Session(session)) => {
                        self.runtime.unwatch(key, &session.socket);
                    }
                    Some(Source::Client(session)) => {
                        self.runtime.unwatch(key, &session.client);
                    }
                    _ => {}
                }
            }
            session.end();
        }
    }
}
