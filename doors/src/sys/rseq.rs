//! The area of each thread in which the kernel keeps the number of its processor.
//!
//! glibc registers one for each thread and says where (`__rseq_offset`, `__rseq_size`, since 2.35; glibc manual, "Restartable Sequences").
//! Its `sched_getcpu` reads the same word, but lies two pages of code and data away from a call that comes after a pause.
#![expect(unsafe_code, reason = "reads the thread's own area")]

use super::found::FOUND;
use crate::primitive::Ordering;

/// Beside the offset of the area from the thread pointer, the same for all threads and a multiple of 32, in `Found::rseq`.
const KNOWN: u64 = 1;
/// There instead, if there is no area.
const NONE: u64 = 2;

/// The number of the processor that runs the calling thread; `None` if it is to be asked for elsewhere.
#[inline]
pub(super) fn cpu() -> Option<u32> {
    let at = FOUND.rseq.load(Ordering::Relaxed);
    if at & KNOWN == 0 {
        if at == 0 {
            look_for_it();
        }
        return None;
    }
    // Negative where the kernel keeps none for this thread.
    Some(read(at)).filter(|cpu| i32::try_from(*cpu).is_ok())
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn read(at: u64) -> u32 {
    let cpu: u32;
    // SAFETY: reads the `cpu_id` of the thread's own `struct rseq`, at byte 4 of it (linux/rseq.h). `look_for_it` has found that the C
    // library has one in each thread, at this offset from the thread pointer, which is `fs` (System V ABI for AMD64, 3.4.6).
    unsafe {
        std::arch::asm!(
            "mov {cpu:e}, fs:[{at} + 4 - {known}]",
            cpu = lateout(reg) cpu,
            at = in(reg) at,
            known = const KNOWN,
            options(nostack, preserves_flags, readonly)
        );
    }
    cpu
}

#[cfg(not(target_arch = "x86_64"))]
fn read(_: u64) -> u32 {
    u32::MAX
}

#[cold]
fn look_for_it() {
    // In a program that is linked statically there is nobody to ask.
    let may = cfg!(all(
        target_arch = "x86_64",
        target_env = "gnu",
        not(target_feature = "crt-static")
    ));
    let offset = if may { offset() } else { None };
    let found = offset.map_or(NONE, |offset| offset | KNOWN);
    FOUND.rseq.store(found, Ordering::Relaxed);
}

/// Where the C library has the area of each thread, if it has registered one.
fn offset() -> Option<u64> {
    // SAFETY: looks a name up, which is a C string (dlsym(3)).
    let size = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__rseq_size".as_ptr()) };
    // SAFETY: as above.
    let offset = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__rseq_offset".as_ptr()) };
    // SAFETY: null, or the address of a constant `unsigned int` of the C library (sys/rseq.h).
    let size = unsafe { size.cast::<u32>().as_ref() }?;
    // SAFETY: null, or the address of a constant `ptrdiff_t` of the C library (sys/rseq.h).
    let offset = unsafe { offset.cast::<i64>().as_ref() }?;
    // Without registration the size is 0.
    (*size != 0 && *offset % 32 == 0).then(|| offset.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::cpu;
    use crate::sys::affinity;

    #[test]
    fn it_is_the_processor_that_the_thread_is_allowed() {
        let allowed = affinity::allowed().unwrap();
        // The first look only finds out where to look.
        let _unknown = cpu();
        for number in 0..affinity::Cpus::count() {
            let mut only = affinity::Cpus::new();
            if !allowed.is_set(number).unwrap() {
                continue;
            }
            only.set(number).unwrap();
            affinity::allow(&only).unwrap();
            // Where the C library registers no area there is nothing to compare.
            let here = cpu().map_or(number, |cpu| usize::try_from(cpu).unwrap());
            assert_eq!(here, number);
        }
        affinity::allow(&allowed).unwrap();
    }
}
