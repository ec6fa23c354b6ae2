//! Windows: memory of one side, mapped by hand.
#![expect(
    unsafe_code,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "maps shared memory and pokes words into it"
)]

use std::num::NonZeroUsize;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering, fence};

use nix::fcntl::{FallocateFlags, FcntlArg, SealFlag, fallocate, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

/// A memfd of some size with some seals.
#[must_use]
pub fn memfd(len: usize, seals: SealFlag) -> OwnedFd {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let memory = memfd_create(c"raw", flags).unwrap();
    let len = i64::try_from(len).unwrap();
    nix::unistd::ftruncate(&memory, len).unwrap();
    if len > 0 && len < 1 << 32 {
        fallocate(&memory, FallocateFlags::empty(), 0, len).unwrap();
    }
    if !seals.is_empty() {
        fcntl(&memory, FcntlArg::F_ADD_SEALS(seals)).unwrap();
    }
    memory
}

/// A memfd of huge pages, sealed; `None` where the kernel has none. Its pages are allocated when they are touched.
#[must_use]
pub fn huge_memfd(len: usize, seals: SealFlag) -> Option<OwnedFd> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING | MFdFlags::MFD_HUGETLB;
    let memory = memfd_create(c"huge", flags).ok()?;
    nix::unistd::ftruncate(&memory, i64::try_from(len).unwrap()).ok()?;
    fcntl(&memory, FcntlArg::F_ADD_SEALS(seals)).unwrap();
    Some(memory)
}

/// Memory that is hidden from the kernel itself (`memfd_secret(2)`); `None` where there is none.
#[must_use]
pub fn secret_memory(len: usize) -> Option<OwnedFd> {
    // SAFETY: takes a flag word, touches no memory.
    let number = unsafe { libc::syscall(libc::SYS_memfd_secret, libc::O_CLOEXEC) };
    let number = i32::try_from(number).ok().filter(|number| *number >= 0)?;
    // SAFETY: the kernel has just installed this number for us alone.
    let memory = unsafe { OwnedFd::from_raw_fd(number) };
    nix::unistd::ftruncate(&memory, i64::try_from(len).unwrap()).ok()?;
    Some(memory)
}

/// A mapped window.
#[derive(Debug)]
pub struct Window {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: all access is atomic.
unsafe impl Send for Window {}
// SAFETY: all access is atomic.
unsafe impl Sync for Window {}

impl Window {
    /// Maps memory.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn map(memory: impl AsFd, len: usize, writable: bool) -> nix::Result<Self> {
        let mut protection = ProtFlags::PROT_READ;
        protection.set(ProtFlags::PROT_WRITE, writable);
        let size = NonZeroUsize::new(len).unwrap();
        // SAFETY: a new mapping at an address of the kernel's choice.
        let base = unsafe { mmap(None, size, protection, MapFlags::MAP_SHARED, memory, 0) }?;
        Ok(Self {
            base: base.cast(),
            len,
        })
    }

    fn at<T>(&self, offset: usize) -> &T {
        assert!(offset + size_of::<T>() <= self.len && offset.is_multiple_of(size_of::<T>()));
        // SAFETY: inside the mapping by the line above.
        let place = unsafe { self.base.add(offset) }.cast::<T>();
        // SAFETY: aligned by the assertion; only atomics are asked for, and any bits are one.
        unsafe { place.as_ref() }
    }

    /// Stores a word.
    pub fn store(&self, offset: usize, value: u32) {
        self.at::<AtomicU32>(offset).store(value, Ordering::Release);
        fence(Ordering::SeqCst);
    }

    /// Stores a long word.
    pub fn store_long(&self, offset: usize, value: u64) {
        self.at::<AtomicU64>(offset).store(value, Ordering::Release);
        fence(Ordering::SeqCst);
    }

    /// Loads a word.
    #[must_use]
    pub fn load(&self, offset: usize) -> u32 {
        let value = self.at::<AtomicU32>(offset).load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        value
    }

    /// Loads a long word.
    #[must_use]
    pub fn load_long(&self, offset: usize) -> u64 {
        let value = self.at::<AtomicU64>(offset).load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        value
    }

    /// Stores bytes.
    pub fn write(&self, offset: usize, bytes: &[u8]) {
        for (place, byte) in bytes.iter().enumerate() {
            self.at::<AtomicU8>(offset + place)
                .store(*byte, Ordering::Relaxed);
        }
    }

    /// Loads bytes.
    #[must_use]
    pub fn read(&self, offset: usize, count: usize) -> Vec<u8> {
        (offset..offset + count)
            .map(|place| self.at::<AtomicU8>(place).load(Ordering::Relaxed))
            .collect()
    }

    /// The size in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no bytes (never).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Wakes everybody who sleeps on a word.
    pub fn wake(&self, offset: usize) {
        let word = self.at::<AtomicU32>(offset).as_ptr();
        // SAFETY: a wake neither reads nor writes the word.
        unsafe { libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAKE, i32::MAX) };
    }

    /// Sleeps on a word while it holds a value.
    pub fn sleep(&self, offset: usize, value: u32) {
        let word = self.at::<AtomicU32>(offset).as_ptr();
        let forever: *const libc::timespec = std::ptr::null();
        // SAFETY: the word lives as long as the mapping, which outlives the call.
        unsafe { libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAIT, value, forever) };
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // SAFETY: exactly what was mapped; references borrow from self.
        unsafe { munmap(self.base.cast(), self.len) }.unwrap();
    }
}
