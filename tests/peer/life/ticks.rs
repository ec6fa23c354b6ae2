//! A signal a thousand times a second.
#![expect(
    unsafe_code,
    clippy::disallowed_types,
    reason = "installs a signal handler, which may only count"
)]

use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// How often the main thread was interrupted.
static TICKS: AtomicUsize = AtomicUsize::new(0);

/// Counts what came to the main thread, which is the one that calls.
extern "C" fn tick(_signal: i32) {
    // SAFETY: no memory is touched, and the call is async-signal-safe.
    let thread = unsafe { libc::gettid() };
    // SAFETY: as above.
    let process = unsafe { libc::getpid() };
    if thread == process {
        TICKS.fetch_add(1, Ordering::Relaxed);
    }
}

/// Starts the signal. System calls that it interrupts are not started again: `SA_RESTART` is not set.
pub(super) fn start() {
    let action = SigAction::new(SigHandler::Handler(tick), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing but count.
    unsafe { sigaction(Signal::SIGALRM, &action) }.unwrap();
    let pause = libc::timeval {
        tv_sec: 0,
        tv_usec: 1000,
    };
    let timer = libc::itimerval {
        it_interval: pause,
        it_value: pause,
    };
    // SAFETY: the new value lives across the call, and the old one is not asked for.
    let set = unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) };
    assert_eq!(set, 0, "setitimer");
}

/// How often the main thread was interrupted so far.
pub(super) fn count() -> usize {
    TICKS.load(Ordering::Relaxed)
}
