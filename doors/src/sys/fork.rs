//! Tells a forked child from its parent without a system call.
#![expect(
    unsafe_code,
    reason = "a page that the kernel wipes on fork is reached by pointer"
)]

use std::ptr::NonNull;
use std::sync::OnceLock;

use crate::primitive::{AtomicU64, Ordering};

/// The page that is all zero again in a forked child (madvise(2), `MADV_WIPEONFORK`, Linux 4.14).
struct WipedPage(NonNull<AtomicU64>);

// SAFETY: the pointer is to a page that is never unmapped; it is only used through the atomic.
unsafe impl Send for WipedPage {}
// SAFETY: as above.
unsafe impl Sync for WipedPage {}

static PAGE: OnceLock<Option<WipedPage>> = OnceLock::new();
/// How many lives this process image has had: 1, plus one for each fork that led here.
static LIVES: AtomicU64 = AtomicU64::new(0);

fn map_page() -> Option<WipedPage> {
    // SAFETY: a fresh anonymous mapping at an address of the kernel's choice cannot alias anything.
    let page = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            4096,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if page == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: exactly the page mapped above.
    let wiped = unsafe { libc::madvise(page, 4096, libc::MADV_WIPEONFORK) };
    if wiped != 0 {
        return None;
    }
    NonNull::new(page.cast::<AtomicU64>()).map(WipedPage)
}

/// A number that names this process among its forked relatives: what carries another number was inherited
/// from the parent, whose threads do not exist here.
#[inline]
pub(crate) fn life() -> u64 {
    let Some(page) = PAGE.get_or_init(map_page) else {
        // No such page (an old kernel): the pid tells as well, at the price of a system call.
        return u64::from(std::process::id());
    };
    // SAFETY: the page is mapped for ever, aligned to a page, zero or a life number.
    let word = unsafe { page.0.as_ref() };
    let life = word.load(Ordering::Relaxed);
    if life == 0 { begin_life(word) } else { life }
}

#[cold]
fn begin_life(word: &AtomicU64) -> u64 {
    let next = LIVES.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
    // Two threads may race here at the very start; the first one's number stands for both.
    match word.compare_exchange(0, next, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => next,
        Err(other) => other,
    }
}
