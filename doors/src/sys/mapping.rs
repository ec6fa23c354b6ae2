//! One mapped window.
//!
//! Invariants: M1 `base` is mapped for exactly `len` bytes until drop. M2 the memory behind it was verified to be
//! sealed against shrinking before mapping, so no access can fault. M3 the peer may write it at any time (or
//! read it, when it is ours to write): words go through atomics, bytes through one volatile or assembly copy,
//! and no reference to plain data inside is ever made.
#![expect(unsafe_code, reason = "maps memory and copies between it and ours")]

use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::ptr::NonNull;

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap, munmap};

use super::Result;
use super::copy::copy;
use super::huge::make_room;

/// What we may do with a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Ours: we store, the peer reads.
    Write,
    /// The peer's: it stores, we read; the mapping is read-only.
    Read,
    /// The peer's, with words that a thread of ours sleeps on. We store nothing there, but the mapping would allow it:
    /// futex(2) asks for the page as one to write first, and only then as one to read, which goes through the list of
    /// mappings and costs 0.35 us at each sleep.
    Sleep,
}

/// A mapped window of shared memory.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: NonNull<u8>,
    len: usize,
    access: Access,
    /// The life of the process that mapped it: a forked child does not have the mapping (`MADV_DONTFORK`).
    life: u64,
}

// SAFETY: M3: all access is by atomics or by the copy routine, from any thread.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `len` bytes of a verified memfd (the caller discharges M2 by `memfd::verify` or `memfd::create`).
    pub(crate) fn new(memfd: impl AsFd, len: usize, access: Access) -> Result<Self> {
        let size = NonZeroUsize::new(len).ok_or(Errno::EINVAL)?;
        let protection = match access {
            Access::Write | Access::Sleep => ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
            Access::Read => ProtFlags::PROT_READ,
        };
        // Faulted in at once: the first calls shall not pay for it.
        let flags = MapFlags::MAP_SHARED | MapFlags::MAP_POPULATE;
        // SAFETY: a new mapping at an address of the kernel's choice aliases nothing.
        let base = unsafe { mmap(None, size, protection, flags, memfd, 0) }?.cast::<u8>();
        let mapping = Self {
            base,
            len,
            access,
            life: super::fork::life(),
        };
        // A forked child must not see the parent's conversation (madvise(2)).
        // SAFETY: exactly the range mapped above.
        unsafe { madvise(base.cast(), len, MmapAdvise::MADV_DONTFORK) }?;
        Ok(mapping)
    }

    /// Where a range begins; `None` if it is not all inside.
    pub(super) fn at(&self, offset: usize, bytes: usize) -> Option<NonNull<u8>> {
        let inside = offset.checked_add(bytes).is_some_and(|end| end <= self.len);
        // SAFETY: M1: `offset` is at most `len`.
        inside.then(|| unsafe { self.base.add(offset) })
    }

    /// Copies `bytes` to `offset`. False (nothing copied) if they do not fit or the window is the peer's.
    #[inline]
    #[must_use]
    pub(crate) fn store(&self, offset: usize, bytes: &[u8]) -> bool {
        let fits = offset
            .checked_add(bytes.len())
            .is_some_and(|end| end <= self.len);
        if !fits || self.access != Access::Write {
            return false;
        }
        // SAFETY: `offset <= len` (M1).
        let to = unsafe { self.base.add(offset) };
        // SAFETY: both ranges hold `bytes.len()` bytes: `fits` above and the slice.
        unsafe { copy(bytes.as_ptr(), to.as_ptr(), bytes.len()) };
        true
    }

    /// As [`store`](Self::store), of two pieces one after the other. If the second does not fit, the first may have been copied.
    #[inline]
    #[must_use]
    pub(crate) fn store_all(&self, offset: usize, [first, then]: [&[u8]; 2]) -> bool {
        self.store(offset, first)
            && (then.is_empty() || self.store(offset.saturating_add(first.len()), then))
    }

    /// Appends `count` bytes at `offset` to `into`: the one copy out of memory that the peer can write.
    /// False (nothing appended) if they are not all inside the window or memory is short.
    #[inline]
    #[must_use]
    pub(crate) fn load(&self, offset: usize, count: usize, into: &mut Vec<u8>) -> bool {
        let inside = offset.checked_add(count).is_some_and(|end| end <= self.len);
        if !inside || !make_room(into, count) {
            return false;
        }
        let filled = into.len();
        // SAFETY: `offset <= len` (M1).
        let from = unsafe { self.base.add(offset) };
        let to = into.spare_capacity_mut().as_mut_ptr().cast::<u8>();
        // SAFETY: `inside` above, and the reservation made room for `count` bytes.
        unsafe { copy(from.as_ptr(), to, count) };
        // SAFETY: the bytes up to there have just been written; they fit the reserved capacity.
        unsafe { into.set_len(filled.saturating_add(count)) };
        true
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if self.life != super::fork::life() {
            // In a forked child something else may lie at this address by now.
            return;
        }
        // SAFETY: M1; references to words borrow from self, so none is left.
        let unmapped = unsafe { munmap(self.base.cast(), self.len) };
        debug_assert!(unmapped.is_ok(), "munmap of our own mapping");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::memfd;

    const BYTES: usize = 4096;

    #[test]
    fn a_copy_of_a_window_has_all_its_bytes() {
        let memory = memfd::create(c"copy", BYTES).unwrap();
        let ours = Mapping::new(&memory, BYTES, Access::Write).unwrap();
        let pattern: Vec<u8> = (0..=250).cycle().take(BYTES).collect();
        assert!(ours.store(0, &pattern));
        let theirs = Mapping::new(&memory, BYTES, Access::Read).unwrap();
        let mut all = Vec::new();
        assert!(theirs.load(0, BYTES, &mut all));
        assert_eq!(all, pattern);
        assert!(!theirs.load(1, BYTES, &mut all), "beyond the end");
        assert!(!ours.store(BYTES, &[0]), "beyond the end");
        assert_eq!(all.len(), BYTES);
    }
}
