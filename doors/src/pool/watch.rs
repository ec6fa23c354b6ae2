//! The end of sleeps that last.
//!
//! A channel without calls gives its thread back. Where calls come often a timeout of each sleep, set and taken back, would
//! be a tenth of a call (0.5 us). There the leader looks now and then at all channels on which threads sleep, as long as
//! there are any: `channel/rounds.rs` has what passes between the two. A look costs as much as ten calls (40 us: it wakes
//! a processor that dozes), so where calls have come since the last one the next comes later, up to a limit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::channel::rounds::Look;
use crate::server::channel::Channel;
use crate::server::duty::QUIET_AFTER;
use crate::sys::clock::{self, after};

/// The longest time between two looks.
const LONGEST: Duration = QUIET_AFTER.saturating_mul(8);

/// Channels on which threads sleep.
#[derive(Default)]
pub(crate) struct Watched {
    channels: Vec<Watch>,
    due: Option<Instant>,
    /// The time between the last look and that one.
    pause: Duration,
    /// Room for those that are over: a look allocates nothing.
    room: Vec<Watch>,
}

/// Watch of them, with the number that was found at the last look.
pub(crate) struct Watch {
    channel: Arc<Channel>,
    last: Option<u64>,
    found: Look,
}

impl Watched {
    /// Watch more. True: the next look comes earlier by that, and the leader has to learn of it.
    pub(crate) fn add(&mut self, channel: &Arc<Channel>) -> bool {
        self.channels.push(Watch {
            channel: Arc::clone(channel),
            last: None,
            found: Look::Changes,
        });
        self.pause = QUIET_AFTER;
        let soon = after(Instant::now(), QUIET_AFTER);
        let earlier = self.due.is_none_or(|due| due > soon);
        if earlier {
            self.due = Some(soon);
        }
        earlier
    }

    /// Looks if it is time; those that are not watched any more, to be dropped outside all locks.
    pub(crate) fn look(&mut self) -> Vec<Watch> {
        let Some(due) = self.due else {
            return Vec::new();
        };
        let now = Instant::now();
        if due > now {
            return Vec::new();
        }
        let is_over = |one: &mut Watch| one.look() != Look::Changes;
        let mut over = std::mem::take(&mut self.room);
        over.extend(self.channels.extract_if(.., is_over));
        let more = !self.channels.is_empty();
        self.pause = self.pause.saturating_mul(2).min(LONGEST);
        self.due = more.then(|| after(now, self.pause));
        over
    }

    /// Takes the room back.
    pub(crate) fn keep_room(&mut self, room: Vec<Watch>) {
        self.room = room;
    }

    /// When to look again.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }
}

impl Watch {
    fn look(&mut self) -> Look {
        let is_long_ago = |since| clock::between(since, clock::now_ns()) >= QUIET_AFTER;
        self.found = self.channel.sleeper.look(&mut self.last, is_long_ago);
        self.found
    }

    /// The sleep that is to end, if it was found to last.
    pub(crate) fn to_end(&self) -> Option<(Arc<Channel>, u64)> {
        match self.found {
            Look::Lasts(round) => Some((Arc::clone(&self.channel), round)),
            Look::Changes | Look::IsLeft => None,
        }
    }
}
