//! Memory that nobody can change any more, as a slice.
//!
//! Invariants: V1 `base` is mapped for exactly `len` bytes until drop, or `len` is 0. V2 the memory behind it was verified to
//! be sealed against writing, shrinking and growing, and to be allocated: no seal is ever taken off (fcntl(2)), so the bytes
//! are the same for as long as the mapping lives, and no access can fault.
#![expect(unsafe_code, reason = "maps memory and lends it as a slice")]

use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

use super::{Result, memfd};

/// How every mapping is aligned, at least.
pub(crate) const PAGE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4095);

/// Frozen memory, mapped.
#[derive(Debug)]
pub(crate) struct View {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: V2: nobody writes there, from any thread.
unsafe impl Send for View {}
// SAFETY: as above.
unsafe impl Sync for View {}

impl View {
    /// Verifies frozen memory, `EINVAL` if it is not frozen, and maps it if it is not longer than `limit`; else its length.
    pub(crate) fn new(memory: impl AsFd, limit: usize) -> Result<std::result::Result<Self, usize>> {
        let len = memfd::frozen_len(&memory)?;
        if len > limit {
            return Ok(Err(len));
        }
        let Some(size) = NonZeroUsize::new(len) else {
            let base = NonNull::without_provenance(PAGE);
            return Ok(Ok(Self { base, len }));
        };
        // A private mapping: kernels before 6.7 refuse a shared one of memory that is sealed against writing, even for
        // reading. What is not looked at is not mapped in.
        // SAFETY: a new mapping at an address of the kernel's choice aliases nothing.
        let base = unsafe {
            mmap(
                None,
                size,
                ProtFlags::PROT_READ,
                MapFlags::MAP_PRIVATE,
                memory,
                0,
            )
        }?;
        Ok(Ok(Self {
            base: base.cast(),
            len,
        }))
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: V1 and V2: readable, never written, and mapped for as long as self is borrowed; a mapping is never
        // longer than `isize::MAX`. Without bytes the pointer dangles, which a slice of length 0 may.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.len) }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        if self.len > 0 {
            // SAFETY: V1; slices borrow from self, so none is left. A forked child has a copy of the mapping, which is its own.
            let unmapped = unsafe { munmap(self.base.cast(), self.len) };
            debug_assert!(unmapped.is_ok(), "munmap of our own mapping");
        }
    }
}
