//! Tells a forked child from its parent without a system call.
#![expect(
    unsafe_code,
    reason = "a page that the kernel wipes on fork is reached by pointer"
)]

use std::ptr::NonNull;
use std::sync::OnceLock;

use super::found::FOUND;
use crate::primitive::{AtomicU64, Ordering};

/// The page that is all zero again in a forked child (madvise(2), `MADV_WIPEONFORK`, Linux 4.14).
struct WipedPage(NonNull<AtomicU64>);

// SAFETY: the pointer is to a page that is never unmapped; it is only used through the atomic.
unsafe impl Send for WipedPage {}
// SAFETY: as above.
unsafe impl Sync for WipedPage {}

/// A page that is one and the same in all processes that were forked from the one that made it.
struct SharedPage(NonNull<AtomicU64>);

// SAFETY: the pointer is to a page that is never unmapped; it is only used through the atomic.
unsafe impl Send for SharedPage {}
// SAFETY: as above.
unsafe impl Sync for SharedPage {}

static PAGE: OnceLock<Option<WipedPage>> = OnceLock::new();
/// The page that forked children go on sharing with their parent (mmap(2), `MAP_SHARED`).
static KIN: OnceLock<Option<SharedPage>> = OnceLock::new();
/// How many lives this process image has had: 1, plus one for each fork that led here.
static LIVES: AtomicU64 = AtomicU64::new(0);

/// A fresh page of zeros, private or shared.
fn map_zeros(kind: i32) -> Option<NonNull<AtomicU64>> {
    // SAFETY: a fresh anonymous mapping at an address of the kernel's choice cannot alias anything.
    let page = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            4096,
            libc::PROT_READ | libc::PROT_WRITE,
            kind | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if page == libc::MAP_FAILED {
        return None;
    }
    NonNull::new(page.cast::<AtomicU64>())
}

fn map_page() -> Option<WipedPage> {
    let page = map_zeros(libc::MAP_PRIVATE)?;
    // SAFETY: exactly the page mapped above.
    let wiped = unsafe { libc::madvise(page.as_ptr().cast(), 4096, libc::MADV_WIPEONFORK) };
    (wiped == 0).then_some(WipedPage(page))
}

fn kin() -> Option<&'static AtomicU64> {
    let page = KIN.get_or_init(|| map_zeros(libc::MAP_SHARED).map(SharedPage));
    // SAFETY: the page is mapped for ever and aligned; it is used through the atomic only, by all who share it.
    page.as_ref().map(|page| unsafe { page.0.as_ref() })
}

/// Begins to share a mark with the children that this process may fork from now on.
pub(crate) fn share_mark() {
    let _shared = kin();
}

/// Tells parents and children that this process uses what another one of them made.
pub(crate) fn set_mark() {
    if let Some(mark) = kin() {
        mark.store(1, Ordering::Release);
    }
}

/// Whether any of them may have done so. Nothing is known without the page.
pub(crate) fn is_marked() -> bool {
    kin().is_none_or(|mark| mark.load(Ordering::Acquire) != 0)
}

/// A number that names this process among its forked relatives: what carries another number was inherited
/// from the parent, whose threads do not exist here.
#[inline]
pub(crate) fn life() -> u64 {
    // SAFETY: null, or the page, which is mapped for ever and aligned; what the kernel has put there needs no acquire.
    let page = unsafe { FOUND.life.load(Ordering::Relaxed).as_ref() };
    match page.map(|word| word.load(Ordering::Relaxed)) {
        None | Some(0) => begin_life(),
        Some(life) => life,
    }
}

#[cold]
fn begin_life() -> u64 {
    let Some(page) = PAGE.get_or_init(map_page) else {
        // No such page (an old kernel): the pid tells as well, at the price of a system call.
        return u64::from(std::process::id());
    };
    FOUND.life.store(page.0.as_ptr(), Ordering::Relaxed);
    // SAFETY: the page is mapped for ever, aligned to a page, zero or a life number.
    let word = unsafe { page.0.as_ref() };
    let life = word.load(Ordering::Relaxed);
    if life != 0 {
        return life;
    }
    let next = LIVES.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
    // Two threads may race here at the very start; the first one's number stands for both.
    match word.compare_exchange(0, next, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => next,
        Err(other) => other,
    }
}
