//! The values of a message, put one after the other.

use std::os::fd::BorrowedFd;

use serde::{Serialize, Serializer};

use super::carried::{Carried, Parcel};
use super::encode::{Encoder, IN_FRONT, Unwritable, fit_in_front};
use super::travel;
use crate::desc::DoorDesc;

/// Puts values one after the other.
///
/// What cannot be put is remembered by its name; the call is then not made.
#[derive(Debug)]
pub struct Writer<'p, 'fd> {
    pub(super) parcel: Parcel<'p, 'fd>,
    /// Bytes that go before the values, and how many.
    front: Option<(&'fd [u8], u32)>,
    failed: Option<(&'static str, Unwritable)>,
}

impl<'p, 'fd> Writer<'p, 'fd> {
    pub(super) fn new(bytes: &'p mut Vec<u8>, descriptors: &'p mut Vec<DoorDesc<'fd>>) -> Self {
        Self {
            parcel: Parcel { bytes, descriptors },
            front: None,
            failed: None,
        }
    }

    /// Puts a value. It can fail only where its `Serialize` does.
    #[inline]
    pub fn put<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) {
        let put = self.parcel.put(value);
        self.note(name, put);
    }

    /// Puts bytes as `put` would, all at once: serde takes a plain slice of bytes for a sequence. Many are not copied.
    #[inline]
    pub fn put_bytes(&mut self, name: &'static str, value: &'fd [u8]) {
        if self.front.is_none()
            && let Some(count) = fit_in_front(value)
        {
            self.front = Some((value, count));
            let mark = IN_FRONT.to_le_bytes();
            return self.parcel.bytes.extend_from_slice(&mark);
        }
        self.put(name, &Bytes(value));
    }

    /// Lends descriptors.
    pub fn lend<C: Carried>(&mut self, name: &'static str, value: &'fd C) {
        let lent = value.lend(&mut self.parcel);
        self.note(name, lent);
    }

    /// Lends descriptors of a slice.
    pub fn lend_all<C: Carried>(&mut self, name: &'static str, values: &'fd [C]) {
        let count = Encoder::new(self.parcel.bytes).count(values.len());
        let lent = count.and_then(|()| {
            values
                .iter()
                .try_for_each(|value| value.lend(&mut self.parcel))
        });
        self.note(name, lent);
    }

    /// Lends a descriptor that is borrowed already.
    pub fn lend_fd(&mut self, descriptor: BorrowedFd<'fd>) {
        self.parcel.descriptors.push(DoorDesc::Lent(descriptor));
    }

    /// Lends one, perhaps.
    pub fn lend_fd_if(&mut self, descriptor: Option<BorrowedFd<'fd>>) {
        self.parcel.bytes.push(u8::from(descriptor.is_some()));
        self.parcel
            .descriptors
            .extend(descriptor.map(DoorDesc::Lent));
    }

    #[inline]
    pub(super) fn note(&mut self, name: &'static str, put: Result<(), Unwritable>) {
        if let Err(reason) = put {
            self.failed.get_or_insert((name, reason));
        }
    }

    /// What goes before the values, and how many bytes that is.
    #[inline]
    pub(super) fn front(&self) -> (&'fd [u8], u32) {
        self.front.unwrap_or_default()
    }

    /// What could not be put, and why.
    pub(super) fn failed(&self) -> Option<(&'static str, Unwritable)> {
        self.failed
    }
}

impl Parcel<'_, '_> {
    /// Puts a value.
    #[inline]
    pub(super) fn put<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritable> {
        let (put, inside) = travel::put(|| value.serialize(&mut Encoder::new(self.bytes)));
        if !inside.is_empty() {
            let inside = inside.into_iter().map(DoorDesc::Released);
            self.descriptors.extend(inside);
        }
        put
    }
}

pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}
