//! What a client asks of its server on the session socket.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use nix::errno::Errno;

use super::Session;
use super::windows::Offered;
use crate::channel::pair::Pair;
use crate::client::petition::deadline;
use crate::error::CallCondition;
use crate::lock::lock;
use crate::primitive::Ordering;
use crate::wire::code::Failure;
use crate::wire::limits::PROTOCOL_DEADLINE;
use crate::wire::message::{Message, Violation};

/// Requests without an answer: more than threads can wait for at once.
const MOST_ASKED: usize = 1024;
/// The first windows come without a request; they carry this number.
const FIRST_WANTED: u64 = 0;

/// What has come on the session socket for threads that wait.
#[derive(Default)]
pub(super) struct Inbox {
    /// Pairs that are mapped here and not sealed yet.
    pub(super) offered: HashMap<u32, Offered>,
    /// Channels that were offered could not be had: those of later offers cannot be named, up to one that begins where
    /// ours end.
    pub(super) gap: bool,
    /// Pairs that could not be had, and of which the server does not know it yet.
    pub(super) unsaid: Vec<u32>,
    /// What we have asked for and the server has not answered, by request number. Nothing else is taken.
    pub(super) asked: HashMap<u64, Asked>,
    /// Answers for the threads that wait for them, by request number.
    granted: HashMap<u64, Result<Granted, Failure>>,
}

/// A request that is on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) what: Wish,
    /// The windows for it have come.
    pub(super) offered: bool,
    /// A thread waits for the answer.
    awaited: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// The first channels (this comes with the session), or more of them.
    Channels,
    /// An area of this size for a channel.
    Area { channel: u32, bytes: u64 },
    /// A descriptor socket for a channel.
    Socket { channel: u32 },
}

impl Asked {
    fn by(message: &Message) -> Self {
        let what = match *message {
            Message::Grow {
                channel,
                area_bytes,
                ..
            } if area_bytes != 0 => Wish::Area {
                channel,
                bytes: area_bytes,
            },
            Message::WantSocket { channel, .. } => Wish::Socket { channel },
            _ => Wish::Channels,
        };
        Self {
            what,
            offered: false,
            awaited: true,
        }
    }
}

/// What a request brought.
#[derive(Clone, Debug)]
pub(crate) enum Granted {
    /// A pair that may be used: an area, or more channels.
    Pair(Arc<Pair>),
    /// A descriptor socket was installed in its channel.
    Socket,
}

impl Inbox {
    /// Of a session whose first windows are on their way.
    pub(super) fn new() -> Self {
        let first = Asked {
            what: Wish::Channels,
            offered: false,
            awaited: false,
        };
        Self {
            asked: HashMap::from([(FIRST_WANTED, first)]),
            ..Self::default()
        }
    }
}

impl Session {
    /// Asks the server for something and waits for it, as long as a step of the protocol may take and no longer than
    /// `until`.
    pub(crate) fn ask(
        &self,
        until: Option<Instant>,
        message: impl FnOnce(u64) -> Message,
    ) -> Result<Granted, CallCondition> {
        let wanted = self.next_wanted.fetch_add(1, Ordering::Relaxed);
        let message = message(wanted);
        {
            let mut inbox = lock(&self.inbox);
            // A server that answers nothing does not fill our memory with what nobody waits for any more.
            if inbox.asked.len() >= MOST_ASKED {
                return Err(CallCondition::NoRoom);
            }
            // Before it is sent: the watcher may have the answer before this thread goes on.
            inbox.asked.insert(wanted, Asked::by(&message));
        }
        let granted = self.ask_for(wanted, &message, until);
        // An answer that comes too late is one that was asked for, and for nobody.
        let mut inbox = lock(&self.inbox);
        if let Some(asked) = inbox.asked.get_mut(&wanted) {
            asked.awaited = false;
        }
        let late = inbox.granted.remove(&wanted);
        drop(inbox);
        self.decline(late.and_then(Result::ok));
        granted
    }

    /// What came for a thread that does not wait any more: an area is given back. Channels stay, others will use them.
    fn decline(&self, late: Option<Granted>) {
        if let Some(Granted::Pair(pair)) = late
            && pair.shape.channels() == 0
        {
            self.say_unused(pair.number);
        }
    }

    fn ask_for(
        &self,
        wanted: u64,
        message: &Message,
        until: Option<Instant>,
    ) -> Result<Granted, CallCondition> {
        // What it cannot be told now it could not be asked for anew.
        self.say_unmapped();
        self.tell(message).map_err(|source| {
            lock(&self.inbox).asked.remove(&wanted);
            match source {
                Errno::EAGAIN => CallCondition::NoRoom,
                Errno::EPIPE | Errno::ECONNRESET => CallCondition::ServerDied { taken: false },
                source => CallCondition::System {
                    op: "send on the session socket",
                    source,
                    taken: false,
                },
            }
        })?;
        let protocol = deadline(PROTOCOL_DEADLINE);
        let until = until.map_or(protocol, |until| until.min(protocol));
        let mut inbox = lock(&self.inbox);
        loop {
            match inbox.granted.remove(&wanted) {
                Some(Ok(granted)) => return Ok(granted),
                Some(Err(_)) => return Err(CallCondition::NoRoom),
                None => {}
            }
            if self.is_dead() {
                return Err(CallCondition::ServerDied { taken: false });
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(CallCondition::NotResponding {
                    within: PROTOCOL_DEADLINE,
                    taken: false,
                });
            }
            inbox = self
                .arrived
                .wait_timeout(inbox, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// The answer to a request has come; a violation if nothing was asked under this number, or something else.
    pub(super) fn grant(
        &self,
        wanted: u64,
        wish: Option<Wish>,
        granted: Result<Granted, Failure>,
    ) -> Result<(), Violation> {
        let asked = lock(&self.inbox).asked.remove(&wanted);
        let asked = asked.ok_or(Violation::Turn)?;
        if wish.is_some_and(|wish| wish != asked.what) {
            return Err(Violation::Value);
        }
        self.granted(wanted, asked, granted);
        Ok(())
    }

    /// Puts an answer down for the thread that asked, if it still waits, and wakes all that wait for any change.
    pub(super) fn granted(&self, wanted: u64, asked: Asked, granted: Result<Granted, Failure>) {
        let mut inbox = lock(&self.inbox);
        let late = if asked.awaited {
            inbox.granted.insert(wanted, granted);
            None
        } else {
            granted.ok()
        };
        drop(inbox);
        self.arrived.notify_all();
        self.decline(late);
    }
}
