//! Ends a test that hangs.

use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

/// Aborts the process (so that the hang can be seen in a core or a listing) unless dropped in time.
#[derive(Debug)]
pub struct Watchdog(#[expect(dead_code, reason = "its drop is the sign")] Sender<()>);

impl Watchdog {
    /// A generous bound: it is no measurement, only the end of a hang.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self::with_limit(name, Duration::from_mins(2))
    }

    /// With a bound of one's own.
    #[must_use]
    pub fn with_limit(name: &'static str, limit: Duration) -> Self {
        let (alive, over) = channel();
        std::thread::spawn(move || {
            if over.recv_timeout(limit) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                eprintln!("watchdog: {name} hangs since {limit:?}");
                std::process::abort();
            }
        });
        Self(alive)
    }
}
