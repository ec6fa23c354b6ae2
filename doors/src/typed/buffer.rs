//! Buffers that a thread uses again, so that a steady call allocates nothing.

use std::cell::Cell;

/// A thread keeps so many: one for the arguments, one for the results, and as many again for a call from inside a
/// procedure.
const KEPT: usize = 4;

/// Larger ones go back to the allocator.
const KEPT_BYTES: usize = 64 * 1024;

thread_local! {
    /// Those that have memory; the others are in use, or were never needed.
    static SPARE: [Cell<Vec<u8>>; KEPT] = const { [const { Cell::new(Vec::new()) }; KEPT] };
}

/// An empty buffer at first; goes back to its thread when dropped.
#[derive(Debug)]
pub(super) struct Buffer(pub(super) Vec<u8>);

impl Buffer {
    pub(super) fn take() -> Self {
        // A thread that is ending has none left.
        let spare = SPARE.try_with(|spare| {
            let mut all = spare.iter().map(Cell::take);
            all.find(|bytes| bytes.capacity() > 0)
        });
        Self(spare.ok().flatten().unwrap_or_default())
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.0);
        if (1..=KEPT_BYTES).contains(&bytes.capacity()) {
            bytes.clear();
            // A thread that is ending drops it.
            let _kept = SPARE.try_with(|spare| {
                for place in spare {
                    let there = place.replace(bytes);
                    if there.capacity() == 0 {
                        return;
                    }
                    // Whichever of them: what has no place goes back to the allocator.
                    bytes = there;
                }
            });
        }
    }
}
