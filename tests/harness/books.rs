//! What a process held, compared with what it holds later.

use crate::{Census, Peer};

/// A census of a process, to which it has to come back.
#[derive(Debug)]
pub struct Books {
    pid: u32,
    before: Census,
    threads: usize,
    mappings: usize,
}

impl Books {
    /// What a peer holds now.
    #[must_use]
    pub fn of(peer: &Peer) -> Self {
        let before = Census::of(peer.pid());
        Self {
            pid: peer.pid(),
            threads: before.threads,
            mappings: before.mappings,
            before,
        }
    }

    /// Threads that the test makes the server have: those that idle end only after a while.
    #[must_use]
    pub fn and_threads(mut self, more: usize) -> Self {
        self.threads += more;
        self
    }

    /// Windows that the test adds to a session which goes on.
    #[must_use]
    pub fn and_mappings(mut self, more: usize) -> Self {
        self.mappings += more;
        self
    }

    /// Waits until the process holds no more than it did, kind of descriptor by kind; fails if it never does.
    ///
    /// Less is right too: the first look may have found something on its way out.
    pub fn balance(&self) {
        let what = format!("more is held than before, which was {:#?}", self.before);
        Census::settle(self.pid, &what, |now| {
            now.holds_no_more_than(&self.before, self.mappings) && now.threads <= self.threads
        });
    }
}
