//! The processor under the calling thread.
#![expect(
    unsafe_code,
    reason = "sched_getcpu of the C library, and a system call"
)]

use std::time::Instant;

use super::{affinity, raw, rseq};
use crate::primitive::{AtomicU32, Ordering};

/// The number of the processor that runs the calling thread at this moment; it may be stale when it is used.
#[inline]
pub(crate) fn current() -> u32 {
    match rseq::cpu() {
        Some(cpu) => cpu,
        None => ask_library(),
    }
}

#[cold]
fn ask_library() -> u32 {
    // SAFETY: takes no argument, touches no memory of ours (sched_getcpu(3)).
    let cpu = unsafe { libc::sched_getcpu() };
    u32::try_from(cpu).unwrap_or(u32::MAX)
}

/// Lets another runnable thread of this processor go first.
#[inline]
pub(crate) fn yield_now() {
    // SAFETY: it takes no arguments and cannot fail (sched_yield(2)).
    let _done = unsafe { raw::call(libc::SYS_sched_yield, []) };
}

/// How many `pause` instructions pass in about one microsecond on this machine (at least 1).
///
/// Measured once, or a few times if several threads are the first: the instruction takes 4 to 140 cycles depending on
/// the model. No lock keeps them apart, since a child that is forked while one measures would find it locked for ever.
pub(crate) fn pauses_per_microsecond() -> u32 {
    static MEASURED: AtomicU32 = AtomicU32::new(0);
    // Relaxed: the number is all there is.
    let known = MEASURED.load(Ordering::Relaxed);
    if known != 0 {
        return known;
    }
    let measured = measure();
    MEASURED.store(measured, Ordering::Relaxed);
    measured
}

#[cold]
fn measure() -> u32 {
    const ROUNDS: u32 = 2_000;
    // The smallest of three, so that one preemption does not pass for a slow instruction.
    let fastest = (0..3)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..ROUNDS {
                std::hint::spin_loop();
            }
            start.elapsed().as_nanos().max(1)
        })
        .min()
        .unwrap_or(1);
    let pauses = u128::from(ROUNDS)
        .saturating_mul(1_000)
        .checked_div(fastest)
        .unwrap_or(1);
    u32::try_from(pauses).unwrap_or(u32::MAX).max(1)
}

/// How many processors the quota of the control group leaves, and the mask of the thread that asked first; 0 while nothing is known.
static QUOTA: AtomicU32 = AtomicU32::new(0);

/// Reads the quota of the process' control group, once.
///
/// std tells the smaller of the quota and the calling thread's mask; a thread that is pinned cannot tell them apart and
/// leaves it to the next. Without a lock, for the reason above.
#[cold]
pub(crate) fn read_quota() {
    if QUOTA.load(Ordering::Relaxed) != 0 {
        return;
    }
    let pinned = affinity::allowed().is_ok_and(|cpus| affinity::count(&cpus) == 1);
    if !pinned && let Ok(many) = std::thread::available_parallelism() {
        let many = u32::try_from(many.get()).unwrap_or(u32::MAX);
        QUOTA.store(many, Ordering::Relaxed);
    }
}

/// Whether the quota of the control group is below two processors: looking at a peer's word then takes from
/// the peer what it needs to answer.
#[inline]
pub(crate) fn is_short() -> bool {
    QUOTA.load(Ordering::Relaxed) == 1
}

/// How many processors there are for this process, as far as is known; at least 2, one for each side.
pub(crate) fn count() -> usize {
    let known = QUOTA.load(Ordering::Relaxed);
    usize::try_from(known).unwrap_or(usize::MAX).max(2)
}
