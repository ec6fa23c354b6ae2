//! Hang-ups that somebody may have faked.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::leader::later;
use super::token::Token;

/// The first and the longest pause before a faked hang-up is looked at again.
const RECHECK_FIRST: Duration = Duration::from_millis(10);
const RECHECK_LONGEST: Duration = Duration::from_secs(5);

/// Tokens with a hang-up that somebody faked.
#[derive(Default)]
pub(super) struct Hangups(Vec<Faked>);

struct Faked {
    token: Weak<Token>,
    at: Instant,
    pause: Duration,
}

impl Hangups {
    /// The holder's end still exists: it is looked at now and then.
    pub(super) fn faked(&mut self, token: &Arc<Token>) {
        self.0.push(Faked {
            token: Arc::downgrade(token),
            at: later(RECHECK_FIRST),
            pause: RECHECK_FIRST,
        });
    }

    /// When the next look is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.0.iter().map(|faked| faked.at).min()
    }

    /// Those that are true by now.
    pub(super) fn come_true(&mut self) -> Vec<Arc<Token>> {
        let mut ended = Vec::new();
        if self.0.is_empty() {
            return ended;
        }
        let now = Instant::now();
        self.0.retain_mut(|faked| {
            if faked.at > now {
                return true;
            }
            let Some(token) = faked.token.upgrade() else {
                return false;
            };
            if token.is_gone() {
                ended.push(token);
                return false;
            }
            faked.pause = faked.pause.saturating_mul(2).min(RECHECK_LONGEST);
            faked.at = later(faked.pause);
            true
        });
        ended
    }
}
