//! The full memory barrier of the call path.
#![cfg_attr(
    all(target_arch = "x86_64", not(loom)),
    expect(
        unsafe_code,
        reason = "one instruction that the compiler does not choose"
    )
)]

/// What `fence(SeqCst)` is, by a cheaper instruction where there is one.
///
/// For that fence the compiler emits `mfence` on `x86_64`, which also waits for what the barrier has nothing to do with (stores that go
/// past the caches): 45 cycles on the machine that we measure on, against 5 for a locked instruction on the stack, which orders
/// ordinary memory as well (Intel SDM 3A 8.2.2, "Reads or writes cannot be reordered with I/O instructions, locked instructions,
/// or serializing instructions"). GCC's `atomic_thread_fence` and Linux' `smp_mb` are the same instruction. It passes for a `SeqCst`
/// fence in every argument of this crate: all its sides run on one machine, whatever instruction each of them uses.
#[cfg(all(target_arch = "x86_64", not(loom)))]
#[inline]
pub(crate) fn full() {
    // SAFETY: adds nothing to a word below the stack pointer, which nobody uses: inside or outside of the red zone the value
    // stays. Without `nomem` the compiler moves no access to memory across.
    unsafe { std::arch::asm!("lock or dword ptr [rsp - 64], 0", options(nostack)) };
}

/// What `fence(SeqCst)` is.
#[cfg(any(not(target_arch = "x86_64"), loom))]
#[inline]
pub(crate) fn full() {
    crate::primitive::fence(crate::primitive::Ordering::SeqCst);
}
