//! Sockets that are kept until what was sent there is received (`sys/unread.rs`): nobody tells when it is, so the leader
//! looks now and then, for as long as there are some.

use std::time::{Duration, Instant};

use super::leader::later;
use super::quota::Quotas;
use super::runtime::Runtime;
use crate::sys::unread;

/// The pause before the second look; each further one is twice as long, up to the longest.
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(3);

/// Has the leader woken when a socket is kept: others than the leader may have used it last.
pub(super) fn wake_when_some_are() {
    unread::tell(|| {
        if let Some(runtime) = Runtime::existing() {
            runtime.wake();
        }
    });
}

/// When to look again.
#[derive(Debug, Default)]
pub(super) struct Kept {
    due: Option<Instant>,
    pause: Duration,
}

impl Kept {
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Looks, if there is something to look at and it is time.
    pub(super) fn look(&mut self, quotas: &Quotas) {
        if self.due.is_none() && !unread::some_are_kept() {
            return;
        }
        if self.due.is_some_and(|due| due > Instant::now()) {
            return;
        }
        if quotas.keep() {
            self.pause = self.pause.saturating_mul(2).clamp(SHORTEST, LONGEST);
            self.due = Some(later(self.pause));
        } else {
            *self = Self::default();
        }
    }
}
