//! What is looked for once, and looked at in each call.
//!
//! Side by side in one cache line: of a call that comes after a pause, each line that its words are spread over costs 2 ns, and each
//! page 7.

use crate::primitive::{AtomicPtr, AtomicU64};

#[repr(C, align(64))]
pub(super) struct Found {
    /// The page that is wiped in a forked child (`fork.rs`); null before it is there.
    pub(super) life: AtomicPtr<AtomicU64>,
    /// Where a thread's rseq area is (`rseq.rs`); 0 before that is known.
    pub(super) rseq: AtomicU64,
}

pub(super) static FOUND: Found = Found {
    life: AtomicPtr::new(std::ptr::null_mut()),
    rseq: AtomicU64::new(0),
};
