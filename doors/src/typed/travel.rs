//! Descriptors that are in the middle of values.
//!
//! serde has no word for a descriptor. One that stands inside a value is left here by its `Serialize`, and found here by its
//! `Deserialize`, in the order of the value's parts; in the bytes it is nothing. Which message they belong to is known by
//! the thread: values are put and taken by it alone.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;

thread_local! {
    /// What is put at the moment leaves with a message; `None` if nothing is put.
    static LEAVING: RefCell<Option<Vec<OwnedFd>>> = const { RefCell::new(None) };
    /// What has arrived with the message that is taken at the moment.
    static ARRIVED: RefCell<VecDeque<OwnedFd>> = const { RefCell::new(VecDeque::new()) };
}

/// Puts a value; returns the descriptors in it, too.
#[inline]
pub(super) fn put<T>(put: impl FnOnce() -> T) -> (T, Vec<OwnedFd>) {
    // A value's `Serialize` may make a call itself: what was here comes back after it.
    let before = LEAVING.with_borrow_mut(|leaving| leaving.replace(Vec::new()));
    let result = put();
    let left = LEAVING.with_borrow_mut(|leaving| std::mem::replace(leaving, before));
    (result, left.unwrap_or_default())
}

/// Takes a value, with the descriptors that are left.
#[inline]
pub(super) fn take<T>(arrived: &mut VecDeque<OwnedFd>, take: impl FnOnce() -> T) -> T {
    if arrived.is_empty() {
        return take();
    }
    let swap = |arrived: &mut VecDeque<OwnedFd>| {
        ARRIVED.with_borrow_mut(|here| std::mem::swap(here, arrived));
    };
    swap(arrived);
    let result = take();
    swap(arrived);
    result
}

/// Leaves a descriptor; gives it back if nothing is put for a call.
pub(super) fn leave(descriptor: OwnedFd) -> Result<(), OwnedFd> {
    LEAVING.with_borrow_mut(|leaving| match leaving {
        Some(leaving) => {
            leaving.push(descriptor);
            Ok(())
        }
        None => Err(descriptor),
    })
}

/// The next descriptor, if there is one left.
pub(super) fn arrive() -> Option<OwnedFd> {
    ARRIVED.with_borrow_mut(VecDeque::pop_front)
}
