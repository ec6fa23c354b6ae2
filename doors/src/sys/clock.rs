//! The clocks of the kernel that are read without a system call (vdso(7)).
#![expect(
    unsafe_code,
    reason = "clock_gettime of the C library; through wrappers it takes twice the code of a cold call"
)]

use std::time::{Duration, Instant};

/// The coarse monotonic clock, in nanoseconds; it steps by some milliseconds, and reading it is one load.
#[inline]
pub(crate) fn coarse_ns() -> u64 {
    nanos(libc::CLOCK_MONOTONIC_COARSE)
}

/// The monotonic clock, in nanoseconds; the same in all processes of a time namespace.
#[inline]
pub(crate) fn now_ns() -> u64 {
    nanos(libc::CLOCK_MONOTONIC)
}

/// The time since an earlier moment of that clock.
#[inline]
pub(crate) fn between(earlier: u64, now: u64) -> Duration {
    Duration::from_nanos(now.saturating_sub(earlier))
}

/// The low half of a moment of that clock in microseconds.
#[inline]
pub(crate) fn micros(now_ns: u64) -> u32 {
    let low = (now_ns / 1_000) & u64::from(u32::MAX);
    u32::try_from(low).unwrap_or(0)
}

/// A moment so much later, or the same one if there is none.
pub(crate) fn after(at: Instant, pause: Duration) -> Instant {
    at.checked_add(pause).unwrap_or(at)
}

#[inline]
fn nanos(clock: libc::clockid_t) -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes one timespec, which is ours and lives (clock_gettime(2)).
    if unsafe { libc::clock_gettime(clock, &raw mut now) } != 0 {
        return 0;
    }
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}
