//! How many descriptors this process may have open.

use nix::sys::resource::{Resource, getrlimit};

use super::clock::coarse_ns;
use crate::primitive::{AtomicU64, Ordering};

/// What is said where nobody can tell.
const USUAL: u64 = 1024;

/// The limit of descriptors (`RLIMIT_NOFILE`) at this moment. Anybody who may can change it at any time (prlimit(2)).
pub(crate) fn descriptors() -> usize {
    // Before: a thread that loses its processor in between must not pass an old limit for a new one.
    let at = coarse_ns();
    let soft = getrlimit(Resource::RLIMIT_NOFILE).map_or(USUAL, |(soft, _)| soft);
    SEEN.store(soft, Ordering::Relaxed);
    // Release: who sees this time sees the limit of that time, or of a later one.
    SEEN_AT.store(at, Ordering::Release);
    usize::try_from(soft).unwrap_or(usize::MAX)
}

/// The same as of some milliseconds ago at most (a step of the coarse clock), which costs no system call: for what is
/// granted. A refusal asks for what holds now.
pub(crate) fn descriptors_lately() -> usize {
    // Acquire: of the store above.
    if SEEN_AT.load(Ordering::Acquire) != coarse_ns() {
        return descriptors();
    }
    usize::try_from(SEEN.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
}

/// The limit that was seen last.
static SEEN: AtomicU64 = AtomicU64::new(0);
/// When that was; 0: never.
static SEEN_AT: AtomicU64 = AtomicU64::new(0);

#[cfg(test)]
mod tests {
    use super::{descriptors, descriptors_lately};

    #[test]
    fn what_was_seen_lately_is_what_holds_while_nobody_changes_it() {
        let now = descriptors();
        assert!((0..1000).all(|_| descriptors_lately() == now));
    }
}
