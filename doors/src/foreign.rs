//! Code of the program's own, run where its panic must not go on.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs it; false if it panicked. What a panic carries is foreign too, and so is its drop.
pub(crate) fn shielded(work: impl FnOnce()) -> bool {
    let outcome = catch_unwind(AssertUnwindSafe(work));
    let sound = outcome.is_ok();
    let _again = catch_unwind(AssertUnwindSafe(|| drop(outcome)));
    sound
}
