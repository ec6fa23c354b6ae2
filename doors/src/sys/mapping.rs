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

    /// Appends `count` bytes at `offset` to `into`: the one copy out of memory that the peer can write.
    /// False (nothing appended) if they are not all inside the window or memory is short.
    #[inline]
    #[must_use]
    pub(crate) fn load(&self, offset: usize, count: usize, into: &mut Vec<u8>) -> bool {
        let inside = offset.checked_add(count).is_some_and(|end| end <= self.len);
        if !inside || into.try_reserve(count).is_err() {
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

/// Copies between our memory and memory that a peer may write meanwhile.
///
/// A plain copy that races with a peer is undefined behaviour in Rust's model; an assembly block is opaque to
/// the compiler and reads each byte exactly once.
///
/// # Safety
/// `from` is readable and `to` writable for `count` bytes; they do not overlap.
#[cfg(target_arch = "x86_64")]
#[inline]
unsafe fn copy(from: *const u8, to: *mut u8, count: usize) {
    if count <= SHORT {
        // SAFETY: the caller's promise; the steps add up to exactly `count` bytes.
        unsafe {
            std::arch::asm!(
                "2:",
                "sub {n}, 8",
                "jb 3f",
                "mov {t}, qword ptr [{f}]",
                "mov qword ptr [{d}], {t}",
                "add {f}, 8",
                "add {d}, 8",
                "jmp 2b",
                // The low three bits of the rest are those of the count.
                "3:",
                "test {n}, 4",
                "jz 4f",
                "mov {t:e}, dword ptr [{f}]",
                "mov dword ptr [{d}], {t:e}",
                "add {f}, 4",
                "add {d}, 4",
                "4:",
                "test {n}, 2",
                "jz 5f",
                "mov {t:x}, word ptr [{f}]",
                "mov word ptr [{d}], {t:x}",
                "add {f}, 2",
                "add {d}, 2",
                "5:",
                "test {n}, 1",
                "jz 6f",
                "mov {b}, byte ptr [{f}]",
                "mov byte ptr [{d}], {b}",
                "6:",
                n = inout(reg) count => _,
                f = inout(reg) from => _,
                d = inout(reg) to => _,
                t = out(reg) _,
                b = out(reg_byte) _,
                options(nostack)
            );
        }
        return;
    }
    // SAFETY: the caller's promise. `rep movsb` is what the processor itself picks the width for (ERMS, FSRM);
    // the direction flag is clear by the ABI.
    unsafe {
        std::arch::asm!(
            "rep movsb",
            inout("rcx") count => _,
            inout("rsi") from => _,
            inout("rdi") to => _,
            options(nostack, preserves_flags)
        );
    }
}

/// Up to so many bytes single moves are faster than `rep movsb`, which takes some 20 ns to begin.
#[cfg(target_arch = "x86_64")]
const SHORT: usize = 64;

/// The same for aarch64: eight bytes a turn, then single ones.
///
/// # Safety
/// As on `x86_64`.
#[cfg(target_arch = "aarch64")]
#[inline]
unsafe fn copy(from: *const u8, to: *mut u8, count: usize) {
    // SAFETY: the caller's promise; the loop ends exactly at `count`. Unaligned 8-byte accesses to normal
    // memory are allowed on aarch64.
    unsafe {
        std::arch::asm!(
            "cmp {n}, #8",
            "b.lo 3f",
            "2:",
            "ldr {t}, [{f}], #8",
            "str {t}, [{d}], #8",
            "sub {n}, {n}, #8",
            "cmp {n}, #8",
            "b.hs 2b",
            "3:",
            "cbz {n}, 5f",
            "4:",
            "ldrb {t:w}, [{f}], #1",
            "strb {t:w}, [{d}], #1",
            "subs {n}, {n}, #1",
            "b.ne 4b",
            "5:",
            n = inout(reg) count => _,
            f = inout(reg) from => _,
            d = inout(reg) to => _,
            t = out(reg) _,
            options(nostack)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::memfd;

    const BYTES: usize = 4096;

    /// The copy is assembly, one for each architecture: every length up to some turns of its loop, at every alignment of
    /// either side.
    #[test]
    fn a_copy_has_all_its_bytes_and_no_other() {
        let memory = memfd::create(c"copy", BYTES).unwrap();
        let ours = Mapping::new(&memory, BYTES, Access::Write).unwrap();
        let theirs = Mapping::new(&memory, BYTES, Access::Read).unwrap();
        let pattern: Vec<u8> = (1..=80).collect();
        for (count, at, skip) in (0..=72_usize)
            .flat_map(|count| (0..9_usize).map(move |at| (count, at)))
            .flat_map(|(count, at)| (0..9_usize).map(move |skip| (count, at, skip)))
        {
            assert!(ours.store(64, &[0; 96]));
            let bytes = &pattern[skip..skip + count];
            assert!(ours.store(64 + at, bytes));
            let mut all = Vec::new();
            assert!(theirs.load(64, 96, &mut all));
            let mut expected = vec![0; 96];
            expected[at..at + count].copy_from_slice(bytes);
            assert_eq!(all, expected, "{count} bytes stored at {at}");
            let mut into = vec![0xee; skip];
            assert!(theirs.load(64 + at, count, &mut into));
            assert_eq!(into[..skip], vec![0xee; skip]);
            assert_eq!(into[skip..], *bytes, "{count} bytes loaded from {at}");
        }
    }

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
