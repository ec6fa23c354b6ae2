//! A block of words inside a mapped window.
//!
//! Invariants: W1 `base` is the start of `BYTES` bytes inside the mapping, and aligned to 8. W2 the mapping lives as long as this
//! value. A block is checked once, when it is made, so that an access on the call path is a single instruction.
#![expect(unsafe_code, reason = "names words in mapped memory")]

use std::ptr::NonNull;
use std::sync::Arc;

use super::mapping::Mapping;
use crate::primitive::{AtomicU32, AtomicU64};

/// `BYTES` bytes of words, a power of two.
#[derive(Clone, Debug)]
pub(crate) struct Words<const BYTES: usize> {
    base: NonNull<u8>,
    /// For W2.
    _mapping: Arc<Mapping>,
}

// SAFETY: the block is a part of the mapping, which may be used from any thread, by atomics only.
unsafe impl<const BYTES: usize> Send for Words<BYTES> {}
// SAFETY: as above.
unsafe impl<const BYTES: usize> Sync for Words<BYTES> {}

impl<const BYTES: usize> Words<BYTES> {
    const MASK: usize = {
        assert!(BYTES.is_power_of_two() && BYTES >= align_of::<AtomicU64>());
        BYTES - 1
    };

    /// The block that begins `at` bytes into the mapping; `None` if it is not inside, or not aligned to 8.
    pub(crate) fn new(mapping: &Arc<Mapping>, at: usize) -> Option<Self> {
        let aligned = at.is_multiple_of(align_of::<AtomicU64>());
        let base = mapping.at(at, BYTES).filter(|_| aligned)?;
        Some(Self {
            base,
            _mapping: Arc::clone(mapping),
        })
    }

    /// The 32-bit word at a byte offset, a constant of the layout.
    #[inline]
    pub(crate) fn word(&self, offset: usize) -> &AtomicU32 {
        let offset = Self::inside(offset, align_of::<AtomicU32>());
        // SAFETY: W1: `inside` leaves room for a word.
        let at = unsafe { self.base.add(offset) }.cast::<AtomicU32>();
        // SAFETY: aligned (W1, `inside`); mapped as long as the borrow of self (W2); atomics may be shared with a peer.
        unsafe { at.as_ref() }
    }

    /// The 64-bit word at a byte offset, a constant of the layout.
    #[inline]
    pub(crate) fn long_word(&self, offset: usize) -> &AtomicU64 {
        let offset = Self::inside(offset, align_of::<AtomicU64>());
        // SAFETY: W1: `inside` leaves room for a word.
        let at = unsafe { self.base.add(offset) }.cast::<AtomicU64>();
        // SAFETY: as in `word`.
        unsafe { at.as_ref() }
    }

    /// Asks for the cache line at a byte offset, to be written soon: it comes while something else is done.
    ///
    /// A hint: no access in the sense of the memory model, and nothing faults.
    #[inline]
    pub(crate) fn fetch(&self, offset: usize) {
        let word: *const AtomicU32 = self.word(offset);
        // SAFETY: neither instruction reads or writes anything. prefetchw is in every x86-64 processor since 2006, and does
        // nothing in older ones that do not know it (Intel SDM 2B, AMD APM 3).
        #[cfg(target_arch = "x86_64")]
        unsafe {
            std::arch::asm!("prefetchw [{}]", in(reg) word, options(nostack, preserves_flags, readonly));
        }
        // SAFETY: as above (Arm ARM C6.2, PRFM).
        #[cfg(target_arch = "aarch64")]
        unsafe {
            std::arch::asm!("prfm pstl1keep, [{}]", in(reg) word, options(nostack, preserves_flags, readonly));
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let _no_hint = word;
    }

    /// The offset itself, if it is one of an aligned word of the block; else another one that is. The compiler knows the offset.
    #[inline]
    fn inside(offset: usize, align: usize) -> usize {
        let inside = offset & Self::MASK & !align.wrapping_sub(1);
        debug_assert_eq!(inside, offset, "a word outside its block");
        inside
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitive::Ordering;
    use crate::sys::mapping::Access;
    use crate::sys::memfd;

    #[test]
    fn a_block_is_inside_its_mapping_and_aligned() {
        let memory = memfd::create(c"words", 4096).unwrap();
        let mapping = Arc::new(Mapping::new(&memory, 4096, Access::Write).unwrap());
        let last = Words::<256>::new(&mapping, 4096 - 256).unwrap();
        last.long_word(248).store(7, Ordering::Relaxed);
        assert_eq!(last.word(248).load(Ordering::Relaxed), 7);
        for at in [4096 - 255, 4096, usize::MAX, 4] {
            assert!(Words::<256>::new(&mapping, at).is_none(), "{at}");
        }
    }
}
