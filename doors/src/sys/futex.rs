//! Sleeping on a shared word.
#![expect(unsafe_code, reason = "futex(2) has no wrapper in the C library")]

use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::{Result, raw};
use crate::primitive::AtomicU32;

/// How a sleep ended. None of them says that the word has changed: look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slept {
    /// Woken.
    Woken,
    /// Interrupted by a signal, or not slept at all because the word differed.
    Look,
    /// The time is over.
    TimedOut,
}

/// Sleeps while the word holds `expected`, at most until `until`.
///
/// The futex is a shared one (no `FUTEX_PRIVATE_FLAG`): the waker is another process. Waiting works on a
/// read-only mapping, since the kernel finds a shared futex by inode and offset (futex(2)); on a writable one it costs
/// less (`mapping::Access::Sleep`).
pub(crate) fn wait(word: &AtomicU32, expected: u32, until: Option<Instant>) -> Slept {
    let left = until.map(|at| at.saturating_duration_since(Instant::now()));
    wait_for(word, expected, left)
}

/// Sleeps while the word holds `expected`, at most so long.
#[inline]
pub(crate) fn wait_for(word: &AtomicU32, expected: u32, left: Option<Duration>) -> Slept {
    if left == Some(Duration::ZERO) {
        return Slept::TimedOut;
    }
    // A relative timeout (FUTEX_WAIT measures CLOCK_MONOTONIC): whoever calls loops with the absolute time.
    let timeout = left.map(|left| libc::timespec {
        tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(left.subsec_nanos()),
    });
    let timeout_at: *const libc::timespec = timeout
        .as_ref()
        .map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the word outlives the call, the timeout is null or a live timespec of ours (futex(2)).
    let result = unsafe { futex(word, libc::FUTEX_WAIT, expected, timeout_at) };
    match result {
        Ok(()) => Slept::Woken,
        Err(Errno::ETIMEDOUT) => Slept::TimedOut,
        Err(_) => Slept::Look,
    }
}

/// Wakes every sleeper on the word: a hostile peer can park threads of its own there, and would swallow a
/// wake that is meant for one.
#[inline]
pub(crate) fn wake(word: &AtomicU32) {
    const ALL: u32 = i32::MAX.unsigned_abs();
    // SAFETY: the word is a live, aligned address; a wake neither reads nor writes it.
    let _woken = unsafe { futex(word, libc::FUTEX_WAKE, ALL, std::ptr::null()) };
}

/// The system call.
///
/// # Safety
/// What futex(2) says of the operation: the word is a live address, the timeout null or a live timespec.
#[inline]
unsafe fn futex(
    word: &AtomicU32,
    operation: libc::c_int,
    value: u32,
    timeout: *const libc::timespec,
) -> Result<()> {
    let arguments = [
        word.as_ptr().expose_provenance(),
        raw::number(operation.unsigned_abs()),
        raw::number(value),
        timeout.expose_provenance(),
    ];
    // SAFETY: the caller's promise.
    unsafe { raw::call(libc::SYS_futex, arguments).map(drop) }
}
