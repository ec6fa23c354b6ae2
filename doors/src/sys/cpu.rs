//! The processor under the calling thread.
#![expect(
    unsafe_code,
    reason = "the thread's rseq area, which the C library registers, and its sched_getcpu"
)]

use std::time::Instant;

use super::affinity;
use crate::primitive::{AtomicU32, AtomicU64, Ordering};

/// Where the rseq area of a thread lies, counted from its thread pointer: the same for all threads.
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
static RSEQ_AT: AtomicU64 = AtomicU64::new(RSEQ_UNKNOWN);
/// No offsets, which are multiples of 32.
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
const RSEQ_UNKNOWN: u64 = 1;
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
const NO_RSEQ: u64 = 3;

/// The number of the processor that runs the calling thread at this moment; it may be stale when it is used.
///
/// The kernel keeps it in the thread's rseq area, which glibc registers (`__rseq_offset`, since 2.35). It is read there in place: the
/// C library's `sched_getcpu` does the same, but is two pages away from a call that comes after a pause.
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
#[inline]
pub(crate) fn current() -> u32 {
    let at = RSEQ_AT.load(Ordering::Relaxed);
    if at & RSEQ_UNKNOWN != 0 {
        return current_of_library();
    }
    let cpu: u32;
    // SAFETY: reads the `cpu_id` of the thread's own `struct rseq`, at byte 4 of it (linux/rseq.h). `find_rseq` has found that the C library
    // has one there in each thread, `__rseq_offset` from the thread pointer, which is `fs` (gnu.org: glibc manual, 21.4).
    unsafe {
        std::arch::asm!("mov {cpu:e}, fs:[{at} + 4]", cpu = lateout(reg) cpu, at = in(reg) at,
            options(nostack, preserves_flags, readonly));
    }
    // Negative where the kernel keeps none for this thread.
    if i32::try_from(cpu).is_ok() {
        cpu
    } else {
        current_of_library()
    }
}

/// As on `x86_64` with glibc.
#[cfg(not(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu")))]
#[inline]
pub(crate) fn current() -> u32 {
    current_of_library()
}

#[cold]
fn current_of_library() -> u32 {
    #[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
    if RSEQ_AT.load(Ordering::Relaxed) == RSEQ_UNKNOWN {
        RSEQ_AT.store(find_rseq().unwrap_or(NO_RSEQ), Ordering::Relaxed);
    }
    // SAFETY: takes no argument, touches no memory of ours (sched_getcpu(3)).
    let cpu = unsafe { libc::sched_getcpu() };
    u32::try_from(cpu).unwrap_or(u32::MAX)
}

/// Looks where the C library has the rseq area of each thread, if it registers one.
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
fn find_rseq() -> Option<u64> {
    // SAFETY: looks the name up; the name is a C string (dlsym(3)).
    let size = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__rseq_size".as_ptr()) };
    // SAFETY: as above.
    let offset = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__rseq_offset".as_ptr()) };
    // SAFETY: null, or the address of a constant `unsigned int` of the C library (its sys/rseq.h).
    let size = unsafe { size.cast::<u32>().as_ref() }?;
    // SAFETY: null, or the address of a constant `ptrdiff_t` of the C library (its sys/rseq.h).
    let offset = unsafe { offset.cast::<i64>().as_ref() }?;
    // Without registration the size is 0.
    (*size != 0 && offset % 32 == 0).then(|| offset.cast_unsigned())
}

/// Lets another runnable thread of this processor go first.
#[inline]
pub(crate) fn yield_now() {
    std::thread::yield_now();
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
