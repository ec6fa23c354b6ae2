//! System calls without the C library in between.
//!
//! For those that a call makes which comes after a pause, or first: each piece of code that lies elsewhere is a miss then, `errno`
//! another, and where there are threads the library takes two locked instructions to be ready for `pthread_cancel(3)`.
#![expect(unsafe_code, reason = "the instruction of a system call")]

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

use super::Result;

/// A number as an argument.
#[inline]
pub(super) fn number(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// A descriptor's number as an argument.
#[inline]
pub(super) fn descriptor(fd: BorrowedFd<'_>) -> usize {
    number(fd.as_raw_fd().unsigned_abs())
}

/// Makes a system call with up to six arguments; those that are addresses are exposed ones.
///
/// # Safety
/// What the manual page of the call says of its arguments.
#[cfg(all(target_arch = "x86_64", target_pointer_width = "64"))]
#[inline]
pub(super) unsafe fn call<const COUNT: usize>(
    number: libc::c_long,
    arguments: [usize; COUNT],
) -> Result<usize> {
    let [first, second, third, fourth, fifth, sixth] = six(arguments);
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
            in("r8") fifth,
            in("r9") sixth,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack)
        );
    }
    usize::try_from(result).map_err(|_| {
        let number = result
            .checked_neg()
            .and_then(|number| i32::try_from(number).ok());
        number.map_or(Errno::UnknownErrno, Errno::from_raw)
    })
}

/// Those that are not there are 0.
#[inline]
fn six<const COUNT: usize>(arguments: [usize; COUNT]) -> [usize; 6] {
    std::array::from_fn(|at| arguments.get(at).copied().unwrap_or(0))
}

/// As on `x86_64`.
///
/// # Safety
/// As on `x86_64`.
#[cfg(not(all(target_arch = "x86_64", target_pointer_width = "64")))]
#[inline]
pub(super) unsafe fn call<const COUNT: usize>(
    number: libc::c_long,
    arguments: [usize; COUNT],
) -> Result<usize> {
    let [first, second, third, fourth, fifth, sixth] = six(arguments);
    // SAFETY: the caller's promise.
    let result = unsafe { libc::syscall(number, first, second, third, fourth, fifth, sixth) };
    Errno::result(result).map(|result| usize::try_from(result).unwrap_or(0))
}
