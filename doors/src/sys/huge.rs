//! Large pages for large private memory.
//!
//! A page that is touched for the first time costs more than its copy, and each copy of 16 MiB looks 8,192 small pages up. The
//! kernel uses large ones where they were asked for (or everywhere, or nowhere: the administrator decides).
#![expect(unsafe_code, reason = "tells the kernel about memory")]

use std::ptr::NonNull;

use nix::sys::mman::{MmapAdvise, madvise};

/// A large page, on the machines we know. Where pages are larger than [`SMALL`] the kernel refuses the advice, and there a
/// large page would be far too large.
const LARGE: usize = 2 * 1024 * 1024;
const SMALL: usize = 4096;

/// What is held, in the worst case, of memory of which so many bytes were touched.
pub(crate) fn held(bytes: usize) -> usize {
    if bytes < LARGE {
        bytes
    } else {
        bytes.next_multiple_of(LARGE)
    }
}

/// Makes room for so many more bytes, and perhaps some; false if memory is short.
#[inline]
pub(crate) fn make_room(memory: &mut Vec<u8>, more: usize) -> bool {
    let before = memory.capacity();
    if memory.try_reserve(more).is_err() {
        return false;
    }
    if memory.capacity() != before {
        prefer(memory);
    }
    true
}

/// As [`make_room`], with no byte that was not asked for.
pub(crate) fn make_room_exactly(memory: &mut Vec<u8>, more: usize) -> bool {
    let before = memory.capacity();
    if memory.try_reserve_exact(more).is_err() {
        return false;
    }
    if memory.capacity() != before {
        prefer(memory);
    }
    true
}

/// Asks for large pages where the vector is about to grow, if that is much.
#[cold]
fn prefer(memory: &mut Vec<u8>) {
    let spare = memory.spare_capacity_mut();
    if spare.len() < LARGE {
        return;
    }
    // Whole pages with our bytes in them: the advice says nothing about contents, and what else lies in the first and the
    // last one lies in the same mapping. A mapping that has been told as a whole is not split.
    let (start, len) = (spare.as_mut_ptr(), spare.len());
    let before = start.addr() % SMALL;
    let first = start.cast::<u8>().wrapping_sub(before);
    let bytes = len.saturating_add(before).next_multiple_of(SMALL);
    if let Some(first) = NonNull::new(first) {
        // SAFETY: it changes no byte and no protection; the pages are mapped, as each of them holds bytes of the vector's.
        // Without large pages it fails, and nothing is lost.
        let _advised = unsafe { madvise(first.cast(), bytes, MmapAdvise::MADV_HUGEPAGE) };
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::num::NonZeroUsize;

    use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};

    use super::*;

    /// The kernel's flags of the mapping that holds an address.
    fn flags(at: usize) -> String {
        let mut here = false;
        for line in fs::read_to_string("/proc/self/smaps").unwrap().lines() {
            let range = line.split(' ').next().and_then(|word| word.split_once('-'));
            let range =
                range.map(|(from, to)| [from, to].map(|end| usize::from_str_radix(end, 16)));
            if let Some([Ok(from), Ok(to)]) = range {
                here = (from..to).contains(&at);
            } else if let Some(flags) = line.strip_prefix("VmFlags:")
                && here
            {
                return flags.to_owned();
            }
        }
        panic!("not mapped");
    }

    /// Whether the kernel hears of the advice and takes it: there are kernels without large pages, and emulators that keep the
    /// advice to themselves.
    fn is_heard() -> bool {
        let len = NonZeroUsize::new(2 * LARGE).unwrap();
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: fresh memory at no given address, which nothing else uses; it stays until the process ends.
        let memory = unsafe { mmap_anonymous(None, len, access, MapFlags::MAP_PRIVATE) }.unwrap();
        // SAFETY: the mapping just made.
        let told = unsafe { madvise(memory, len.get(), MmapAdvise::MADV_HUGEPAGE) };
        let at = memory.as_ptr().addr();
        told.is_ok() && flags(at).split(' ').any(|flag| flag == "hg")
    }

    #[test]
    fn much_memory_is_asked_for_in_large_pages_and_little_is_not() {
        let told = |bytes: usize| {
            let mut memory = Vec::new();
            assert!(make_room_exactly(&mut memory, bytes));
            memory.resize(bytes, 7);
            let middle = memory.as_ptr().addr() + bytes / 2;
            flags(middle).split(' ').any(|flag| flag == "hg")
        };
        assert_eq!(told(128 * LARGE), is_heard());
        assert!(!told(LARGE - 1));
    }

    #[test]
    fn room_that_nobody_has_is_refused() {
        let mut memory = vec![7];
        assert!(!make_room(&mut memory, usize::MAX));
        assert!(!make_room_exactly(&mut memory, isize::MAX.unsigned_abs()));
        assert!(make_room(&mut memory, 3 * LARGE));
        assert_eq!(memory, [7]);
        assert!(memory.capacity() > 3 * LARGE);
    }

    #[test]
    fn what_lies_in_a_large_page_holds_all_of_it() {
        assert_eq!([0, 1, LARGE - 1].map(held), [0, 1, LARGE - 1]);
        assert_eq!(
            [LARGE, LARGE + 1, 3 * LARGE].map(held),
            [LARGE, 2 * LARGE, 3 * LARGE]
        );
    }
}
