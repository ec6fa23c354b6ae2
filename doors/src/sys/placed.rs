//! A value that was found once in memory that nobody can change any more.
//!
//! Invariants: P1 `at` came out of a reference into the bytes of `view`, or of one that lives for ever. P2 those bytes neither move
//! nor change for as long as the view lives (V1 and V2 of `view.rs`), wherever the view itself is moved to.
#![expect(
    unsafe_code,
    reason = "keeps a reference beside the memory that it points into"
)]

use std::ptr::NonNull;

use super::view::View;

/// A value in a view.
#[derive(Debug)]
pub(crate) struct Placed<A> {
    at: NonNull<A>,
    view: View,
}

// SAFETY: what is given away with it is the view, which is Send, and a shared reference, which is where its value is Sync.
unsafe impl<A: Sync> Send for Placed<A> {}
// SAFETY: as above.
unsafe impl<A: Sync> Sync for Placed<A> {}

impl<A> Placed<A> {
    /// Looks for the value, which is not looked for again.
    pub(crate) fn find<E>(
        view: View,
        // For every lifetime: what is returned can point nowhere else, and cannot be kept.
        find: impl for<'v> FnOnce(&'v [u8]) -> Result<&'v A, E>,
    ) -> Result<Self, E> {
        let at = NonNull::from(find(view.bytes())?);
        Ok(Self { at, view })
    }

    /// The value.
    pub(crate) fn get(&self) -> &A {
        // SAFETY: P1 and P2: it was a valid reference to bytes that are what they were then, and self is borrowed meanwhile.
        unsafe { self.at.as_ref() }
    }

    /// All bytes around it.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.view.bytes()
    }
}
