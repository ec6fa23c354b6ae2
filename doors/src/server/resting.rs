//! References on which nothing is read for a while, because of what has come there.
//!
//! A descriptor that nobody wants is closed by the closers, and that takes as long as its owner likes. A reference that
//! brings them faster leaves epoll until they are closed. One that was opened by a name is its opener's own and ends
//! when that takes too long; a token may be shared by others, and only waits.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::token::{Origin, Token};
use crate::sys::clock::after;

/// The first and the longest pause before another look.
const FIRST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(1);
/// Descriptors that are not closed by then will not be soon: longer than it takes the closers to give one up.
const PATIENCE: Duration = Duration::from_secs(2);

/// The references that rest.
#[derive(Debug, Default)]
pub(crate) struct Resting(Vec<Rest>);

#[derive(Debug)]
struct Rest {
    token: Weak<Token>,
    since: Instant,
    at: Instant,
    pause: Duration,
}

/// What becomes of a reference that has rested.
pub(crate) enum Rested {
    /// It is read again.
    Goes(Arc<Token>),
    /// It is over.
    Ends(Arc<Token>),
}

impl Resting {
    /// A reference rests from now on; it is not watched any more.
    pub(crate) fn add(&mut self, token: &Arc<Token>, now: Instant) {
        let known = |rest: &Rest| std::ptr::eq(rest.token.as_ptr(), Arc::as_ptr(token));
        if !self.0.iter().any(known) {
            self.0.push(Rest {
                token: Arc::downgrade(token),
                since: now,
                at: after(now, FIRST),
                pause: FIRST,
            });
        }
    }

    /// When the next look is due; `None` while nobody rests.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.0.iter().map(|rest| rest.at).min()
    }

    /// Whether nobody rests.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Looks at those whose time has come.
    pub(crate) fn look(&mut self, now: Instant) -> Vec<Rested> {
        let mut rested = Vec::new();
        self.0.retain_mut(|rest| {
            if rest.at > now {
                return true;
            }
            let Some(token) = rest.token.upgrade() else {
                return false;
            };
            if !token.socket.account().is_over() {
                rested.push(Rested::Goes(token));
                return false;
            }
            let patient = now.saturating_duration_since(rest.since) < PATIENCE;
            // One that has brought nothing slow waits for its user's others.
            let own = token.socket.account().begun() > 0;
            let ends = match token.origin {
                Origin::Path { .. } => own && !patient,
                // Its hang-up is not reported meanwhile.
                Origin::Handed { .. } => !patient && token.is_gone(),
                Origin::Own => false,
            };
            if ends {
                rested.push(Rested::Ends(token));
                return false;
            }
            rest.pause = rest.pause.saturating_mul(2).min(LONGEST);
            rest.at = after(now, rest.pause);
            true
        });
        rested
    }
}
