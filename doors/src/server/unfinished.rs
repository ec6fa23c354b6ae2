//! Handshakes that were begun and may never be finished.
//!
//! An opened door that nobody calls yet is a silent connection, and legitimate; so is a stopped process. But each costs
//! a descriptor here, and a user who holds many of them loses the oldest. A session whose first windows are not
//! acknowledged within the time that a client itself would wait is of no use to anybody.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::session::Session;
use super::token::Token;
use crate::wire::limits::{PROTOCOL_DEADLINE, SILENT_DEADLINE, USER_SILENT, USER_UNFINISHED};

/// How often the silent connections are looked at while some user has too many.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// What has begun, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Unfinished {
    silent: VecDeque<Silent>,
    sessions: VecDeque<Begun>,
    /// When the silent connections are looked at next.
    sweep: Option<Instant>,
}

#[derive(Debug)]
struct Silent {
    token: Weak<Token>,
    uid: u32,
    since: Instant,
}

#[derive(Debug)]
struct Begun {
    session: Weak<Session>,
    uid: u32,
    until: Instant,
}

impl Unfinished {
    /// Somebody has connected and said nothing yet.
    pub(crate) fn connected(&mut self, token: &Arc<Token>, uid: u32) {
        let since = Instant::now();
        self.silent.push_back(Silent {
            token: Arc::downgrade(token),
            uid,
            since,
        });
        if self.silent.len() > USER_SILENT && self.sweep.is_none() {
            self.sweep = since.checked_add(SWEEP_EVERY);
        }
    }

    /// Whether a user may begin one more session before it finishes those it has begun.
    pub(crate) fn may_begin(&mut self, uid: u32) -> bool {
        self.sessions
            .retain(|begun| begun.session.upgrade().is_some_and(|s| s.is_unfinished()));
        let of_user = self.sessions.iter().filter(|begun| begun.uid == uid);
        of_user.count() < USER_UNFINISHED
    }

    /// A session was offered its first windows.
    pub(crate) fn begun(&mut self, session: &Arc<Session>, uid: u32) {
        let now = Instant::now();
        self.sessions.push_back(Begun {
            session: Arc::downgrade(session),
            uid,
            until: now.checked_add(PROTOCOL_DEADLINE).unwrap_or(now),
        });
    }

    /// When the next look is due; `None` while nothing is unfinished.
    pub(crate) fn due(&self) -> Option<Instant> {
        let session = self.sessions.front().map(|begun| begun.until);
        session.into_iter().chain(self.sweep).min()
    }

    /// The sessions whose time is over.
    pub(crate) fn sessions_over(&mut self, now: Instant) -> Vec<Arc<Session>> {
        let mut over = Vec::new();
        while let Some(begun) = self.sessions.pop_front_if(|begun| begun.until <= now) {
            over.extend(begun.session.upgrade().filter(|s| s.is_unfinished()));
        }
        over
    }

    /// Whether silent connections are looked at some time.
    pub(crate) fn sweeps(&self) -> bool {
        self.sweep.is_some()
    }

    /// Whether some session is not finished.
    pub(crate) fn has_sessions(&self) -> bool {
        !self.sessions.is_empty()
    }

    /// The connections that have been silent for too long, of users who have too many.
    pub(crate) fn connections_over(&mut self, now: Instant) -> Vec<Arc<Token>> {
        if self.sweep.is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.silent
            .retain(|silent| silent.token.upgrade().is_some_and(|t| !t.has_spoken()));
        let mut held: HashMap<u32, usize> = HashMap::new();
        for silent in &self.silent {
            let count = held.entry(silent.uid).or_default();
            *count = count.saturating_add(1);
        }
        let mut over = Vec::new();
        self.silent.retain(|silent| {
            let old = now.saturating_duration_since(silent.since) >= SILENT_DEADLINE;
            match held.get_mut(&silent.uid) {
                Some(count) if *count > USER_SILENT && old => {
                    *count = count.saturating_sub(1);
                    over.extend(silent.token.upgrade());
                    false
                }
                _ => true,
            }
        });
        let again = held.values().any(|count| *count > USER_SILENT);
        self.sweep = if again {
            now.checked_add(SWEEP_EVERY)
        } else {
            None
        };
        over
    }
}
