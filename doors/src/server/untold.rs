//! First calls whose openers hear within some milliseconds that they have arrived or begun.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::packet::{Progress, TELL_AFTER};
use super::token::Token;
use crate::sys::clock::after;
use crate::sys::socket;
use crate::wire::message::Message;

/// The longest pause before a first call that waits for a thread is looked at again.
const TELL_LONGEST: Duration = Duration::from_millis(100);

/// First calls whose opener has not heard anything yet.
#[derive(Default)]
pub(super) struct Untold(Vec<Waiting>);

/// A first call that has not been answered yet.
struct Waiting {
    token: Arc<Token>,
    call: Arc<Progress>,
    at: Instant,
    pause: Duration,
    /// The opener knows that its call waits for a thread.
    queued: bool,
}

impl Untold {
    /// A call has come.
    pub(super) fn add(&mut self, token: &Arc<Token>, call: &Arc<Progress>) {
        self.0.push(Waiting {
            token: Arc::clone(token),
            call: Arc::clone(call),
            at: after(call.since, TELL_AFTER),
            pause: TELL_AFTER,
            queued: false,
        });
    }

    /// When the next opener is to be told.
    pub(super) fn due(&self) -> Option<Instant> {
        let waiting = self.0.iter().filter(|waiting| !waiting.call.is_done());
        waiting.map(|waiting| waiting.at).min()
    }

    /// Forgets those that have their answer.
    pub(super) fn forget_told(&mut self) {
        self.0.retain(|waiting| !waiting.call.is_done());
    }

    /// Tells those whose time has come.
    pub(super) fn tell(&mut self) {
        self.forget_told();
        if self.0.is_empty() {
            return;
        }
        let now = Instant::now();
        self.0.retain_mut(|waiting| {
            if waiting.at > now {
                return true;
            }
            // One that still waits for a thread is told again when it has begun.
            let notice = waiting.call.notice();
            let waits = matches!(notice, Message::Queued { .. });
            if !(waits && waiting.queued) {
                let _gone = socket::send(&waiting.token.socket, &[&notice.encode(0)], &[]);
            }
            waiting.queued = waits;
            waiting.pause = waiting.pause.saturating_mul(2).min(TELL_LONGEST);
            waiting.at = after(now, waiting.pause);
            waits
        });
    }
}
