//! The ring for a channel at which no server thread is.
//!
//! It is a packet on the session socket, and whoever reads one there looks at all quiet channels afterwards. So a full
//! queue is as good as a ring: it is read after the turn was published. A ring for which the kernel has no memory is
//! nothing at all, and nobody would ever come for the call: it is sent again for as long as a step of the protocol may
//! take. Then the caller withdraws the call as one whose deadline has passed, and is told.
//!
//! Meanwhile the server may have found the turn by the ring of another channel. Each look at its presence comes after
//! the fence with which the turn was published: whoever has said since then that it is awake looks at the turn before
//! it says anything else, and whoever sleeps is woken.

use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::channel::{Channel, Waited};
use super::petition::deadline;
use super::session::Session;
use crate::wire::limits::PROTOCOL_DEADLINE;

/// The first pause before another ring; each is twice as long as the one before,
const FIRST_PAUSE: Duration = Duration::from_millis(1);
/// up to this.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

impl Channel {
    /// Rings, and rings again if that failed. `None`: the server knows of the turn or will, or the session is over.
    #[cold]
    pub(super) fn ring_again(
        &self,
        session: &Session,
        turn: u64,
        until: Option<Instant>,
    ) -> Option<Waited> {
        let protocol = deadline(PROTOCOL_DEADLINE);
        let mut pause = FIRST_PAUSE;
        while let Err(source) = session.ring() {
            let now = Instant::now();
            if until.is_some_and(|until| until <= now) {
                return Some(Waited::TimedOut);
            }
            if now >= protocol {
                return Some(Waited::Unheard(source));
            }
            let next = until.map_or(protocol, |until| until.min(protocol));
            thread::sleep(pause.min(next.saturating_duration_since(now)));
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
            if self.end.answered(turn) || session.is_dead() || !self.end.is_quiet() {
                break;
            }
        }
        None
    }
}

/// Whether a ring is as good as heard.
pub(super) fn heard(sent: Result<(), Errno>) -> Result<(), Errno> {
    match sent {
        // Whoever sleeps in this session learns of its end.
        Err(Errno::EAGAIN | Errno::EPIPE | Errno::ECONNRESET) => Ok(()),
        other => other,
    }
}
