//! The clocks of the kernel that are read without a system call (vdso(7)).

use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

/// The coarse monotonic clock, in nanoseconds; it steps by some milliseconds, and reading it is one load.
#[inline]
pub(crate) fn coarse_ns() -> u64 {
    nanos(ClockId::CLOCK_MONOTONIC_COARSE)
}

/// The low half of the monotonic clock in microseconds: the same in all processes of a time namespace.
pub(crate) fn micros() -> u32 {
    let low = (nanos(ClockId::CLOCK_MONOTONIC) / 1_000) & u64::from(u32::MAX);
    u32::try_from(low).unwrap_or(0)
}

/// A moment so much later, or the same one if there is none.
pub(crate) fn after(at: Instant, pause: Duration) -> Instant {
    at.checked_add(pause).unwrap_or(at)
}

#[inline]
fn nanos(clock: ClockId) -> u64 {
    let Ok(now) = clock_gettime(clock) else {
        return 0;
    };
    let seconds = u64::try_from(now.tv_sec()).unwrap_or(0);
    let nanos = u64::try_from(now.tv_nsec()).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}
