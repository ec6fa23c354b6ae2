//! How full this process' table of descriptors is.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, fstat};

use super::clock::after;
use super::limit;
use super::socket::{self, DESCRIPTORS_PER_PACKET, Next};

/// What may be opened between a look and what it was for.
const MARGIN: usize = 64;
/// So long a look is good: calls that come one after another do not pay for one each.
const GOOD_FOR: Duration = Duration::from_millis(1);

/// The table, as `/proc` shows it.
#[derive(Debug)]
pub(crate) struct Table {
    directory: Option<OwnedFd>,
    seen: Seen,
}

/// What the last look has found.
#[derive(Debug, Default)]
struct Seen {
    /// Until when that is good.
    until: Option<Instant>,
    /// So many could be opened.
    left: usize,
}

impl Table {
    /// Of this process, not of a child that it forks.
    pub(crate) fn open() -> Self {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Self {
            directory: open("/proc/self/fd", flags, Mode::empty()).ok(),
            seen: Seen::default(),
        }
    }

    /// Whether to receive the next packet might last: it brings descriptors, and there may be no room for them.
    pub(crate) fn might_hold_up(&mut self, socket: impl AsFd, now: Instant) -> bool {
        !self.has_room(now) && socket::next(socket) == Next::Descriptors
    }

    /// Whether there is room for what one packet can bring.
    fn has_room(&mut self, now: Instant) -> bool {
        if self.seen.until.is_none_or(|until| until <= now) {
            self.seen = Seen {
                until: Some(after(now, GOOD_FOR)),
                left: self.left(),
            };
        }
        self.seen.left >= DESCRIPTORS_PER_PACKET.saturating_add(MARGIN)
    }

    /// So many were taken since the last look.
    pub(crate) fn took(&mut self, count: usize) {
        self.seen.left = self.seen.left.saturating_sub(count);
    }

    /// How many can be opened. Many if nobody can tell: the size of the directory is the number of open descriptors
    /// since Linux 6.2 (proc(5)), and 0 before.
    fn left(&self) -> usize {
        let shown = self.directory.as_ref().and_then(|table| fstat(table).ok());
        let open = shown.map_or(0, |stat| usize::try_from(stat.st_size).unwrap_or(0));
        if open > 0 {
            limit::descriptors().saturating_sub(open)
        } else {
            usize::MAX
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_few_descriptors_has_room() {
        assert!(Table::open().has_room(Instant::now()));
        let mut blind = Table {
            directory: None,
            seen: Seen::default(),
        };
        assert!(blind.has_room(Instant::now()));
    }

    #[test]
    fn what_was_taken_since_the_last_look_counts_while_that_is_good() {
        let mut table = Table::open();
        let until = Instant::now().checked_add(Duration::from_mins(1));
        table.seen = Seen {
            until,
            left: DESCRIPTORS_PER_PACKET + MARGIN,
        };
        assert!(table.has_room(Instant::now()));
        table.took(1);
        assert!(!table.has_room(Instant::now()));
        table.seen = Seen::default();
        assert!(table.has_room(Instant::now()));
    }
}
