//! Descriptors that are in the middle of values.
//!
//! serde has no word for a descriptor. One that stands inside a value is left here by its `Serialize`, and found here by its
//! `Deserialize`, in the order of the value's parts; in the bytes it is nothing. Which message they belong to is known by
//! the thread: values are put and taken by it alone. Both are foreign code, which may make calls itself, or panic: what was
//! here before comes back in any case.

use std::cell::{Cell, RefCell};
use std::os::fd::OwnedFd;
use std::thread::LocalKey;

use super::unclaimed::Unclaimed;
use crate::desc::DoorDesc;
use crate::door::Door;
use crate::error::DoorError;

// Few values have descriptors in them. A word says so, which costs a load; the places that own some are looked at by those
// that do, and by values that are put or taken in the middle of such.
thread_local! {
    /// A door that is put at the moment may not be asked of its server.
    #[cfg(feature = "tokio")]
    static AT_ONCE: Cell<bool> = const { Cell::new(false) };
    static PUT: Cell<Put> = const { Cell::new(Put::Nothing) };
    /// What is put at the moment leaves with a message.
    static LEAVING: RefCell<Vec<OwnedFd>> = const { RefCell::new(Vec::new()) };
    /// Something is in the place of what has arrived.
    static HAS_ARRIVED: Cell<bool> = const { Cell::new(false) };
    /// What has arrived with the message that is taken at the moment.
    static ARRIVED: RefCell<Unclaimed> = const { RefCell::new(Unclaimed::NONE) };
}

/// What is put at the moment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Put {
    Nothing,
    /// A value that has left no descriptor yet.
    Value,
    /// One that has.
    Descriptors,
}

/// Puts a value; returns the descriptors in it, too.
#[inline]
pub(super) fn put<T>(put: impl FnOnce() -> T) -> (T, Vec<OwnedFd>) {
    let mut putting = Putting::begin();
    let result = put();
    (result, putting.end())
}

/// Takes a value, with the descriptors that are left.
#[inline]
pub(super) fn take<T>(arrived: &mut Unclaimed, take: impl FnOnce() -> T) -> T {
    if arrived.is_nothing() && !HAS_ARRIVED.get() {
        return take();
    }
    let _word = Word(HAS_ARRIVED.replace(true));
    let mut place = InPlace::of(&ARRIVED, std::mem::take(arrived));
    let result = take();
    *arrived = place.restore().unwrap_or_default();
    result
}

/// Leaves a descriptor; gives it back if nothing is put for a call.
pub(super) fn leave(descriptor: OwnedFd) -> Result<(), OwnedFd> {
    if PUT.get() == Put::Nothing {
        return Err(descriptor);
    }
    let mut descriptor = Some(descriptor);
    let _ended = LEAVING.try_with(|leaving| {
        leaving.borrow_mut().extend(descriptor.take());
        PUT.set(Put::Descriptors);
    });
    descriptor.map_or(Ok(()), Err)
}

/// A descriptor of a door for the receiver of a value: a reference of its own, unless the value is put
/// [`at_once`].
pub(super) fn to_desc(door: &Door) -> Result<DoorDesc<'static>, DoorError> {
    #[cfg(feature = "tokio")]
    if AT_ONCE.get() {
        return door.to_shared_desc();
    }
    door.to_desc()
}

/// Puts values without waiting for anybody.
#[cfg(feature = "tokio")]
pub(super) fn at_once<T>(put: impl FnOnce() -> T) -> T {
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            AT_ONCE.set(self.0);
        }
    }
    let _before = Before(AT_ONCE.replace(true));
    put()
}

/// The next descriptor, if there is one left.
pub(super) fn arrive() -> Option<OwnedFd> {
    if !HAS_ARRIVED.get() {
        return None;
    }
    let arrived = ARRIVED.try_with(|arrived| arrived.borrow_mut().next());
    arrived.ok().flatten()
}

/// Whether what arrives at the moment stands for something else.
#[cfg(feature = "rkyv")]
pub(super) fn is_trial() -> bool {
    HAS_ARRIVED.get() && ARRIVED.try_with(|arrived| arrived.borrow().is_ours()) == Ok(true)
}

/// Gives one back that is not what it should be.
pub(super) fn refuse(descriptor: OwnedFd) {
    let _ended = ARRIVED.try_with(|arrived| arrived.borrow_mut().refuse(descriptor));
}

/// A value is put, for as long as this lives.
struct Putting {
    /// What was put before.
    outer: Put,
    /// What that has left.
    place: Option<InPlace<Vec<OwnedFd>>>,
}

impl Putting {
    #[inline]
    fn begin() -> Self {
        let outer = PUT.replace(Put::Value);
        let has_left = outer == Put::Descriptors;
        Self {
            outer,
            place: has_left.then(|| InPlace::of(&LEAVING, Vec::new())),
        }
    }

    /// What it has left.
    #[inline]
    fn end(&mut self) -> Vec<OwnedFd> {
        let has_left = PUT.replace(self.outer) == Put::Descriptors;
        if let Some(mut place) = self.place.take() {
            return place.restore().unwrap_or_default();
        }
        if has_left {
            LEAVING.try_with(RefCell::take).unwrap_or_default()
        } else {
            Vec::new()
        }
    }
}

impl Drop for Putting {
    /// After a panic; else there is nothing left.
    #[inline]
    fn drop(&mut self) {
        if PUT.get() != self.outer {
            drop(self.end());
        }
    }
}

/// The word that says whether something has arrived, as it was.
struct Word(bool);

impl Drop for Word {
    fn drop(&mut self) {
        HAS_ARRIVED.set(self.0);
    }
}

/// Something in a place of the thread, for as long as this lives; what was there comes back after it.
struct InPlace<T: 'static> {
    place: &'static LocalKey<RefCell<T>>,
    /// `None` once it is back, and on a thread that is ending.
    before: Option<T>,
}

impl<T> InPlace<T> {
    fn of(place: &'static LocalKey<RefCell<T>>, value: T) -> Self {
        let before = place.try_with(|place| place.replace(value)).ok();
        Self { place, before }
    }

    /// What is there now.
    fn restore(&mut self) -> Option<T> {
        let before = self.before.take()?;
        self.place.try_with(|place| place.replace(before)).ok()
    }
}

impl<T> Drop for InPlace<T> {
    fn drop(&mut self) {
        drop(self.restore());
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    fn some() -> OwnedFd {
        std::io::pipe().unwrap().0.into()
    }

    #[test]
    fn what_one_value_leaves_behind_by_a_panic_is_no_other_values() {
        let mut arrived = Unclaimed::ours(vec![some(), some()]);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            take(&mut arrived, || {
                assert!(arrive().is_some());
                panic!("in the middle");
            });
        }));
        assert!(panicked.is_err() && arrive().is_none());
        let panicked = catch_unwind(|| put(|| panic!("in the middle")));
        assert!(panicked.is_err() && leave(some()).is_err());
    }

    #[test]
    fn a_call_inside_a_value_has_descriptors_of_its_own() {
        let mut arrived = Unclaimed::ours(vec![some()]);
        take(&mut arrived, || {
            take(&mut Unclaimed::default(), || assert!(arrive().is_none()));
            assert!(arrive().is_some());
        });
        let ((), outer) = put(|| {
            leave(some()).unwrap();
            let ((), inner) = put(|| leave(some()).unwrap());
            assert_eq!(inner.len(), 1);
        });
        assert_eq!(outer.len(), 1);
    }
}
