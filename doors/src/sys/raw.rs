//! System calls without the C library in between.
//!
//! For those that a call makes which comes after a pause: each piece of code that lies elsewhere is a miss then, and `errno`
//! another.
#![expect(unsafe_code, reason = "the instruction of a system call")]

use nix::errno::Errno;

use super::Result;

/// A number as an argument.
#[inline]
pub(super) fn number(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// Makes a system call with four arguments; those that are addresses are exposed ones.
///
/// # Safety
/// What the manual page of the call says of its arguments.
#[cfg(all(target_arch = "x86_64", target_pointer_width = "64"))]
#[inline]
pub(super) unsafe fn call(number: libc::c_long, arguments: [usize; 4]) -> Result<()> {
    let [first, second, third, fourth] = arguments;
    let result: i64;
    // SAFETY: the caller's promise; the kernel keeps all registers but those that are named here (syscall(2)).
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") first,
            in("rsi") second,
            in("rdx") third,
            in("r10") fourth,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack)
        );
    }
    if result < 0 {
        let number = result
            .checked_neg()
            .and_then(|number| i32::try_from(number).ok());
        return Err(number.map_or(Errno::UnknownErrno, Errno::from_raw));
    }
    Ok(())
}

/// As on `x86_64`.
///
/// # Safety
/// As on `x86_64`.
#[cfg(not(all(target_arch = "x86_64", target_pointer_width = "64")))]
#[inline]
pub(super) unsafe fn call(number: libc::c_long, arguments: [usize; 4]) -> Result<()> {
    let [first, second, third, fourth] = arguments;
    // SAFETY: the caller's promise.
    let result = unsafe { libc::syscall(number, first, second, third, fourth) };
    Errno::result(result).map(drop)
}
