//! What a frozen archive says of itself when it is looked at.
//!
//! A type is looked at by having it read itself from samples, and there is no sample that is an archive of every type. So a frozen
//! archive gives itself without any, and says here what it would be. Whoever reads it nevertheless, in a `Deserialize` that
//! looks at its own parts, refuses the sample by that.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::typed::shape::Shape;

thread_local! {
    /// The next thing that is read is looked at.
    static ASKED: Cell<bool> = const { Cell::new(false) };
    static TOLD: Cell<Option<Shape>> = const { Cell::new(None) };
}

/// What ends a look at something that reads an archive which is none.
struct NoArchive;

/// Looks at what may be a frozen archive; what it says, if it is one.
pub(super) fn ask<T>(look: impl FnOnce() -> T) -> (T, Option<Shape>) {
    ASKED.set(true);
    let value = look();
    ASKED.set(false);
    (value, TOLD.take())
}

/// Says what a frozen archive looks like, if somebody looks.
pub(in crate::typed) fn tell(shape: impl FnOnce() -> Shape) -> bool {
    let asked = ASKED.take();
    if asked {
        TOLD.set(Some(shape()));
    }
    asked
}

/// Ends a look; nobody else has an archive that is none.
///
/// Where panics abort nothing can be ended but the program, so it hears why.
#[cfg_attr(panic = "abort", expect(clippy::panic, reason = "nobody goes on"))]
pub(in crate::typed) fn refuse() -> ! {
    #[cfg(panic = "abort")]
    panic!(
        "a `Deserialize` looks into a `FrozenArchive` inside its value, which it is given without an archive while its type is \
         looked at: that needs `panic = \"unwind\"`"
    );
    #[cfg(not(panic = "abort"))]
    // Without a word of the panic hook: nothing is wrong.
    resume_unwind(Box::new(NoArchive))
}

/// Looks, perhaps to that end.
pub(super) fn look(look: impl FnOnce() -> bool) -> bool {
    reads(look).unwrap_or(false)
}

/// Reads, perhaps to that end, which is `None`.
pub(in crate::typed) fn reads<T>(read: impl FnOnce() -> T) -> Option<T> {
    // What is left behind is read only as far as it was written down.
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(value) => Some(value),
        Err(payload) if payload.is::<NoArchive>() => None,
        Err(payload) => resume_unwind(payload),
    }
}
