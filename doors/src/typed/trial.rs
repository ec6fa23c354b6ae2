//! A message whose values have descriptors inside is read twice: by way of trial first.
//!
//! serde builds a value part by part and drops the parts when a later one is wrong. A descriptor among them would be closed right
//! there, by the thread that reads, which may be as long as whoever sent it likes. To hold a second reference meanwhile
//! would not do: close(2) flushes a file of FUSE or NFS each time, not the last time only. So no value has what was brought until
//! the message has been read once with something harmless in its place; whoever sends nonsense gets no further than that.
//!
//! It costs honest callers two system calls for each such descriptor, and the values are made twice. Descriptors that are arguments or
//! results themselves need none of it (`kept.rs`), doors and frozen archives see to their own end, and most messages bring nothing.
//!
//! What remains: a type that refuses a value by an error of its own (`serde::de::Error::custom`) may have refused the stand-in, so
//! that this is no answer; if it does so again it has closed what it had taken. And one may read the same bytes in two ways. Its
//! panics end the trial.

use std::cell::Cell;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;

use super::error::Unreadable;
use super::unclaimed::Unclaimed;
use crate::sys::socket;

thread_local! {
    /// A type of this thread has refused a value in words of its own.
    static REFUSED: Cell<bool> = const { Cell::new(false) };
}

/// A type refuses a value in words of its own: perhaps it is the descriptor that it does not like.
pub(super) fn note_refusal() {
    REFUSED.set(true);
}

/// As many stand-ins as a message has brought descriptors; `None` if they cannot be had.
pub(super) fn stand_ins(brought: &Unclaimed) -> Option<Unclaimed> {
    /// A socket, as what types are looked at with (`look`) and as a door's is; nobody has the other end.
    static ONE: OnceLock<OwnedFd> = OnceLock::new();
    let one = if let Some(one) = ONE.get() {
        one
    } else {
        let (one, _other) = socket::pair().ok()?;
        ONE.get_or_init(|| one)
    };
    let copies = (0..brought.count()).map(|_| one.try_clone().ok());
    copies.collect::<Option<Vec<_>>>().map(Unclaimed::ours)
}

/// Reads by way of trial.
///
/// # Errors
/// If there is no value in the message, whatever stands for its descriptors.
pub(super) fn run<T>(read: impl FnOnce() -> Result<T, Unreadable>) -> Result<(), Unreadable> {
    // Also after a panic: somebody whose own trial goes on may catch it.
    let _before = Before(REFUSED.replace(false));
    #[cfg(feature = "rkyv")]
    let outcome = super::look::told::reads(read);
    #[cfg(not(feature = "rkyv"))]
    let outcome = Some(read());
    match outcome {
        Some(Err(unreadable)) if !REFUSED.get() => Err(unreadable),
        _ => Ok(()),
    }
}

/// What a trial of this thread has noted that goes on meanwhile.
struct Before(bool);

impl Drop for Before {
    fn drop(&mut self) {
        REFUSED.set(self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::typed::error::Malformed;

    #[test]
    fn what_a_trial_has_noted_is_not_lost_by_one_inside_that_panics() {
        let unreadable = || Err::<(), _>(Unreadable::new("", Malformed::BadValue));
        let outer = run(|| {
            note_refusal();
            let inner = AssertUnwindSafe(|| run(|| -> Result<(), _> { panic!("in the middle") }));
            assert!(catch_unwind(inner).is_err());
            unreadable()
        });
        assert_eq!(outer, Ok(()));
        assert_eq!(run(unreadable), unreadable());
    }
}
