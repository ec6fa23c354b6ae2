//! Numbers that nobody can guess.
#![expect(unsafe_code, reason = "getrandom(2) through the C library")]

use nix::errno::Errno;

use super::Result;

/// 64 random bits from the kernel.
pub(crate) fn number() -> Result<u64> {
    let mut bytes = [0_u8; 8];
    // SAFETY: the kernel writes at most 8 bytes into an array of 8 (getrandom(2): never fewer for so few).
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    Errno::result(got)?;
    Ok(u64::from_ne_bytes(bytes))
}
