//! Looking for what is expected at once, before a thread sleeps for it.

use std::thread::yield_now;
use std::time::{Duration, Instant};

/// Above what it takes to wake the other side and have it answer.
const LONGEST: Duration = Duration::from_micros(50);

/// Gives the processor away between looks, since the other side may be waiting for it: the first time before the first look,
/// at which nothing can be there yet.
pub(super) fn look<T>(mut there: impl FnMut() -> Option<T>) -> Option<T> {
    let mut until = None;
    loop {
        yield_now();
        if let Some(found) = there() {
            return Some(found);
        }
        let now = Instant::now();
        if *until.get_or_insert(now.checked_add(LONGEST)?) <= now {
            return None;
        }
    }
}
