//! Named counters that one thread raises and another waits for.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

static COUNTS: Mutex<Option<HashMap<String, usize>>> = Mutex::new(None);
static RAISED: Condvar = Condvar::new();

/// Raises a counter by one.
pub(crate) fn raise(name: &str) {
    *COUNTS
        .lock()
        .unwrap()
        .get_or_insert_default()
        .entry(name.to_owned())
        .or_default() += 1;
    RAISED.notify_all();
}

/// What a counter stands at.
pub(crate) fn count(name: &str) -> usize {
    COUNTS
        .lock()
        .unwrap()
        .get_or_insert_default()
        .get(name)
        .copied()
        .unwrap_or(0)
}

/// Waits until a counter has reached a number; what it stands at, also when it never gets there.
pub(crate) fn wait(name: &str, number: usize) -> usize {
    let mut counts = COUNTS.lock().unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let now = counts
            .get_or_insert_default()
            .get(name)
            .copied()
            .unwrap_or(0);
        let left = until.saturating_duration_since(Instant::now());
        if now >= number || left.is_zero() {
            return now;
        }
        counts = RAISED.wait_timeout(counts, left).unwrap().0;
    }
}
