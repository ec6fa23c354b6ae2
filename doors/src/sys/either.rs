//! Sleeping on a word of the peer and on one of our own at once.
#![expect(unsafe_code, reason = "futex_waitv(2) has no wrapper in the C library")]

use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::clock;
use super::futex::{self, Slept};
use crate::primitive::AtomicU32;

/// How often a sleeper looks by itself where the kernel knows of no sleep on two words.
const LOOK: Duration = Duration::from_millis(10);

/// Sleeps while both words hold what is expected, at most until `until`.
///
/// Since Linux 5.16 that is one system call; before, or where a filter refuses it, it is many short sleeps on the
/// peer's word.
pub(crate) fn wait(
    theirs: (&AtomicU32, u32),
    ours: (&AtomicU32, u32),
    until: Option<Instant>,
) -> Slept {
    match wait_for_two([theirs, ours], until) {
        Ok(()) => Slept::Woken,
        Err(Errno::ETIMEDOUT) => Slept::TimedOut,
        Err(Errno::ENOSYS | Errno::EPERM | Errno::EINVAL) => look_often(theirs, until),
        Err(_) => Slept::Look,
    }
}

/// A sleep that ends soon; the caller looks at its own word and comes again.
fn look_often((word, expected): (&AtomicU32, u32), until: Option<Instant>) -> Slept {
    let soon = clock::after(Instant::now(), LOOK);
    let next = until.map_or(soon, |until| until.min(soon));
    match futex::wait(word, expected, Some(next)) {
        Slept::TimedOut if until != Some(next) => Slept::Look,
        slept => slept,
    }
}

/// `struct futex_waitv` of the kernel.
#[repr(C)]
struct Waiter {
    expected: u64,
    address: u64,
    flags: u32,
    reserved: u32,
}

/// The kernel compares each word under the lock of its queue, in which the thread stands already by then, and takes back
/// what it has entered if one of them differs (`EAGAIN`).
fn wait_for_two(words: [(&AtomicU32, u32); 2], until: Option<Instant>) -> super::Result<()> {
    let waiters = words.map(|(word, expected)| Waiter {
        expected: u64::from(expected),
        address: u64::try_from(word.as_ptr().expose_provenance()).unwrap_or(0),
        // Shared: the waker of one of them is another process.
        flags: libc::FUTEX2_SIZE_U32.unsigned_abs(),
        reserved: 0,
    });
    let deadline = until.map(deadline);
    let deadline_at: *const libc::timespec = deadline
        .as_ref()
        .map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: two waiters of ours for words that outlive the call, no flags, and a deadline that is null or a live timespec
    // of ours, on a clock that exists (futex_waitv(2)); the numbers are passed with the width of a register.
    let result = unsafe {
        libc::syscall(
            libc::SYS_futex_waitv,
            waiters.as_ptr(),
            2_usize,
            0_usize,
            deadline_at,
            libc::c_long::from(libc::CLOCK_MONOTONIC),
        )
    };
    Errno::result(result).map(drop)
}

/// The moment as the kernel's monotonic clock has it: this call's deadline is no time span.
fn deadline(until: Instant) -> libc::timespec {
    let left = until.saturating_duration_since(Instant::now());
    let at = Duration::from_nanos(clock::now_ns()).saturating_add(left);
    libc::timespec {
        tv_sec: i64::try_from(at.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(at.subsec_nanos()),
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::primitive::Ordering;

    fn soon() -> Instant {
        clock::after(Instant::now(), Duration::from_millis(20))
    }

    #[test]
    fn a_sleep_ends_by_either_word_and_by_the_time() {
        let words = [AtomicU32::new(7), AtomicU32::new(0)];
        let wait = |until| wait((&words[0], 7), (&words[1], 0), until);
        // A signal, or the look of an old kernel, may end it too.
        while wait(Some(soon())) != Slept::TimedOut {}
        for word in &words {
            let before = word.load(Ordering::Relaxed);
            thread::scope(|scope| {
                scope.spawn(|| {
                    word.store(99, Ordering::Relaxed);
                    futex::wake(word);
                });
                while word.load(Ordering::Relaxed) != 99 {
                    wait(None);
                }
            });
            // It differs already.
            assert_eq!(wait(None), Slept::Look);
            word.store(before, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_kernel_that_cannot_sleep_on_two_words_looks_often() {
        let word = AtomicU32::new(7);
        assert_eq!(look_often((&word, 7), None), Slept::Look);
        assert_eq!(look_often((&word, 6), None), Slept::Look);
        let until = Some(soon());
        while look_often((&word, 7), until) != Slept::TimedOut {}
        assert_eq!(
            look_often((&word, 7), Some(Instant::now())),
            Slept::TimedOut
        );
    }
}
