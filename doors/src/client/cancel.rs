//! A call that another thread than its own gives up.
//!
//! | word | stored by | what the calling thread does |
//! |---|---|---|
//! | 0 | [`Cancel::new`] | goes on; sleeps if the kernel finds this 0 *and* the last turn at the peer |
//! | 1 | [`Cancel::cancel`], which then wakes; it stays so | gives the call up where it looks next, as at a deadline that has passed |
//!
//! Where it looks: before the call begins, between two turns, when it is about to sleep and when it was woken; and every
//! 10 ms while it waits for a channel. A step of the protocol (a session, a larger area, a socket) it finishes, which takes
//! 5 s at most with a server that is stopped.
//!
//! Ordering: there is one race, of the store against the sleep. The sleeper enters itself in the queues of both words
//! before the kernel compares them (futex(2)), and a wake after the store looks into the queue under the same lock. So
//! either the comparison finds the 1 or the wake finds the sleeper. Nothing else is read by who has seen the 1, so that
//! relaxed accesses are enough. No word of a window has a part in it: for the server this is a deadline, whose own race
//! (abandoned against taken) is that of `channel/state.rs`.

use std::time::Instant;

use crate::primitive::{AtomicU32, Ordering};
use crate::sys::futex::Slept;
use crate::sys::{either, futex};

/// The word by which a call is given up.
#[derive(Debug)]
pub(crate) struct Cancel(AtomicU32);

impl Cancel {
    #[cfg_attr(
        not(feature = "tokio"),
        expect(dead_code, reason = "calls that nobody awaits end by themselves")
    )]
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Gives the call up, if it is still going on. Never blocks.
    #[cfg_attr(
        not(feature = "tokio"),
        expect(dead_code, reason = "calls that nobody awaits end by themselves")
    )]
    pub(crate) fn cancel(&self) {
        self.0.store(1, Ordering::Relaxed);
        futex::wake(&self.0);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    /// Sleeps on a word of the peer, as [`futex::wait`] does, and not after [`cancel`](Self::cancel).
    pub(super) fn wait(&self, word: &AtomicU32, expected: u32, until: Option<Instant>) -> Slept {
        either::wait((word, expected), (&self.0, 0), until)
    }
}
