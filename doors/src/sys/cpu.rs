//! The processor under the calling thread.
#![expect(unsafe_code, reason = "sched_getcpu and sched_yield of the C library")]

use std::time::Instant;

use std::sync::OnceLock;

/// The number of the processor that runs the calling thread at this moment.
///
/// glibc reads it from the thread's rseq area (2 ns, no system call); it may be stale when it is used.
#[inline]
pub(crate) fn current() -> u32 {
    // SAFETY: takes no argument, touches no memory of ours (sched_getcpu(3)).
    let cpu = unsafe { libc::sched_getcpu() };
    u32::try_from(cpu).unwrap_or(u32::MAX)
}

/// Lets another runnable thread of this processor go first.
#[inline]
pub(crate) fn yield_now() {
    std::thread::yield_now();
}

/// How many `pause` instructions pass in about one microsecond on this machine (at least 1).
///
/// Measured once: the instruction takes 4 to 140 cycles depending on the model.
pub(crate) fn pauses_per_microsecond() -> u32 {
    static MEASURED: OnceLock<u32> = OnceLock::new();
    *MEASURED.get_or_init(|| {
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
    })
}
