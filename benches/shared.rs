//! Memory that two processes of a measurement share.
//!
//! Both are ours and take turns: who has published a turn leaves the data alone until the other side's next turn.
#![expect(
    unsafe_code,
    clippy::disallowed_types,
    reason = "maps shared memory; no loom here, the floors take turns in two real processes"
)]

use std::fs::{File, OpenOptions};
use std::num::NonZeroUsize;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use rustix::thread::futex;

use crate::Result;

/// A mapped file.
#[derive(Debug)]
pub(crate) struct Area {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: words are atomics, and data belong to one side at a time (module head), in whatever thread.
unsafe impl Send for Area {}
// SAFETY: as for Send; the threads of one process use lines that do not overlap.
unsafe impl Sync for Area {}

impl Area {
    /// A fresh file of zeros.
    pub(crate) fn create(path: &Path, len: usize) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let file = options.open(path)?;
        file.set_len(u64::try_from(len)?)?;
        Self::map(&file)
    }

    /// The file that the other side has made.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Self::map(&OpenOptions::new().read(true).write(true).open(path)?)
    }

    fn map(file: &File) -> Result<Self> {
        let len = usize::try_from(file.metadata()?.len())?;
        let size = NonZeroUsize::new(len).ok_or("an empty area")?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_SHARED | MapFlags::MAP_POPULATE;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let base = unsafe { mmap(None, size, protection, flags, file, 0) }?;
        let base = base.cast();
        Ok(Self { base, len })
    }

    /// The address of some bytes.
    #[inline]
    fn at(&self, offset: usize, count: usize) -> NonNull<u8> {
        let end = offset.checked_add(count);
        assert!(
            end.is_some_and(|end| end <= self.len),
            "outside of the area"
        );
        // SAFETY: inside the mapping by the line above.
        unsafe { self.base.add(offset) }
    }

    #[inline]
    pub(crate) fn word(&self, offset: usize) -> &AtomicU32 {
        let place = self.at(offset, size_of::<u32>()).cast::<AtomicU32>();
        assert!(place.is_aligned(), "a word has its own place");
        // SAFETY: mapped as long as self, aligned by the assertion; any bits are an atomic word, and both sides use
        // it as one.
        unsafe { place.as_ref() }
    }

    #[inline]
    pub(crate) fn load(&self, offset: usize) -> u32 {
        // Acquire: what was written before the word was stored is seen after.
        self.word(offset).load(Ordering::Acquire)
    }

    #[inline]
    pub(crate) fn store(&self, offset: usize, value: u32) {
        // Release: the data are there before the word is.
        self.word(offset).store(value, Ordering::Release);
    }

    #[inline]
    pub(crate) fn swap(&self, offset: usize, value: u32) -> u32 {
        self.word(offset).swap(value, Ordering::AcqRel)
    }

    /// Whether the word was `from` and is `to` now.
    #[inline]
    pub(crate) fn exchange(&self, offset: usize, from: u32, to: u32) -> bool {
        let word = self.word(offset);
        word.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    #[inline]
    pub(crate) fn write(&self, offset: usize, data: &[u8]) {
        let place = self.at(offset, data.len());
        // SAFETY: `at` has checked the range; it is this side's turn, so nobody else uses these bytes (module head).
        unsafe { place.copy_from_nonoverlapping(NonNull::from_ref(data).cast(), data.len()) };
    }

    /// Appends bytes to `results`.
    #[inline]
    pub(crate) fn read(&self, offset: usize, count: usize, results: &mut Vec<u8>) {
        let place = self.at(offset, count);
        // SAFETY: `at` has checked the range, which is initialised as all of a file is; it is this side's turn, so
        // the bytes do not change while the slice lives (module head).
        let bytes = unsafe { NonNull::slice_from_raw_parts(place, count).as_ref() };
        results.extend_from_slice(bytes);
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        // SAFETY: exactly what was mapped; references borrow from self.
        let _unmapped = unsafe { munmap(self.base.cast(), self.len) };
    }
}

/// Sleeps while the word holds a value; may return early, as everybody who waits looks again.
pub(crate) fn futex_wait(area: &Area, offset: usize, value: u32) {
    let _changed = futex::wait(area.word(offset), futex::Flags::empty(), value, None);
}

/// Wakes whoever sleeps on the word.
pub(crate) fn futex_wake(area: &Area, offset: usize) {
    let _woken = futex::wake(area.word(offset), futex::Flags::empty(), 1);
}
