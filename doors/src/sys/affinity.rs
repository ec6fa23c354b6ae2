//! The processors that the calling thread may run on.
#![expect(unsafe_code, reason = "sched_getscheduler has no wrapper")]

use std::cell::Cell;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use super::Result;

/// The calling thread, to `sched_setaffinity(2)`.
const THIS_THREAD: Pid = Pid::from_raw(0);

/// Processors.
pub(crate) type Cpus = CpuSet;

thread_local! {
    /// The mask that a narrowed thread had before.
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
pub(crate) fn allow(cpus: &Cpus) -> Result<()> {
    sched_setaffinity(THIS_THREAD, cpus)
}

/// Lets the calling thread run on these only, for a time: threads that it starts do not inherit that.
pub(crate) fn narrow(cpus: &Cpus, whole: &Cpus) -> Result<()> {
    allow(cpus)?;
    WHOLE.set(Some(*whole));
    Ok(())
}

/// Ends what [`narrow`] began.
pub(crate) fn widen(whole: &Cpus) -> Result<()> {
    WHOLE.set(None);
    allow(whole)
}

/// The mask that the calling thread had before it was narrowed, if it is.
pub(crate) fn narrowed_from() -> Option<Cpus> {
    WHOLE.get()
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
