//! The processors that the calling thread may run on.
#![expect(
    unsafe_code,
    reason = "sched_getscheduler has no wrapper, and sched_setaffinity goes without one"
)]

use std::cell::Cell;

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;

use super::{Result, raw};

/// The calling thread, to `sched_setaffinity(2)`.
const THIS_THREAD: Pid = Pid::from_raw(0);
const THIS_THREAD_NUMBER: usize = 0;

/// Processors.
pub(crate) type Cpus = CpuSet;

thread_local! {
    /// The thread is narrowed.
    static NARROWED: Cell<bool> = const { Cell::new(false) };
    /// The mask that it had before it was last.
    static WHOLE: Cell<Option<Cpus>> = const { Cell::new(None) };
}

/// The processors that the calling thread may run on.
///
/// EINVAL: the machine has more than [`Cpus`] can name (1,024).
pub(crate) fn allowed() -> Result<Cpus> {
    sched_getaffinity(THIS_THREAD)
}

/// Lets the calling thread run on these only. The kernel moves it at once if it runs on another.
///
/// EINVAL: none of them is left to this process (cpuset(7)).
#[inline]
pub(crate) fn allow(cpus: &Cpus) -> Result<()> {
    let mask = std::ptr::from_ref(cpus).expose_provenance();
    let arguments = [THIS_THREAD_NUMBER, size_of::<Cpus>(), mask, 0];
    // SAFETY: the kernel reads the mask, which is live and of that size (sched_setaffinity(2)).
    unsafe { raw::call(libc::SYS_sched_setaffinity, arguments).map(drop) }
}

/// Lets the calling thread run on these only, for a time: threads that it starts do not inherit that.
pub(crate) fn narrow(cpus: &Cpus, whole: &Cpus) -> Result<()> {
    WHOLE.set(Some(*whole));
    narrow_again(cpus)
}

/// As [`narrow`], with the whole mask of the last time.
#[inline]
pub(crate) fn narrow_again(cpus: &Cpus) -> Result<()> {
    allow(cpus)?;
    NARROWED.set(true);
    Ok(())
}

/// Ends what [`narrow`] began.
#[inline]
pub(crate) fn widen(whole: &Cpus) -> Result<()> {
    NARROWED.set(false);
    allow(whole)
}

/// The mask that the calling thread had before it was narrowed, if it is.
pub(crate) fn narrowed_from() -> Option<Cpus> {
    WHOLE.get().filter(|_| NARROWED.get())
}

/// All processors that the kernel has numbers for; it leaves those that the cpuset allows.
pub(crate) fn all() -> Cpus {
    let mut cpus = Cpus::new();
    for cpu in 0..Cpus::count() {
        let _known = cpus.set(cpu);
    }
    cpus
}

/// How many of them there are.
pub(crate) fn count(cpus: &Cpus) -> usize {
    (0..Cpus::count())
        .filter(|cpu| cpus.is_set(*cpu).unwrap_or(false))
        .count()
}

/// Whether the calling thread has a usual scheduling policy: one with a priority of its own is where somebody wants it.
pub(crate) fn is_ordinary() -> bool {
    // SAFETY: takes a number, touches no memory of ours (sched_getscheduler(2)).
    let policy = unsafe { libc::sched_getscheduler(0) };
    policy == libc::SCHED_OTHER || policy == libc::SCHED_BATCH
}
