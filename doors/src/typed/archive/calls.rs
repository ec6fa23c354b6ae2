//! What generated code calls for archives, beside what it calls for other values.

use rkyv::bytecheck::CheckBytes;
use rkyv::{Archive, Deserialize, Portable, Serialize};

use super::{Checking, Putting, Restoring, check, item, put, put_bytes, restore, shape_of};
use crate::typed::error::{Malformed, Unreadable};
use crate::typed::frame::{FAILED, RETURNED};
use crate::typed::reader::Reader;
use crate::typed::server::Outgoing;
use crate::typed::shape::{Plain, Shape};
use crate::typed::values::Values;
use crate::typed::writer::Writer;

impl Writer<'_, '_> {
    /// Puts the archive of a value.
    #[inline]
    pub fn put_archived<T>(&mut self, name: &'static str, value: &T)
    where
        T: for<'a> Serialize<Putting<'a>>,
    {
        let put = put(self.parcel.bytes, value);
        self.note(name, put);
    }

    /// Puts a text beside archives.
    pub fn put_text_beside(&mut self, name: &'static str, value: &str) {
        self.put_bytes_beside(name, value.as_bytes());
    }

    /// Puts bytes beside archives.
    pub fn put_bytes_beside(&mut self, name: &'static str, value: &[u8]) {
        let put = put_bytes(self.parcel.bytes, value);
        self.note(name, put);
    }
}

impl<'data> Reader<'data> {
    fn item(&mut self, name: &'static str) -> Result<&'data [u8], Unreadable> {
        item(&mut self.decoder).map_err(|reason| Unreadable::new(name, reason))
    }

    /// Takes an archive, which stays where it is.
    ///
    /// # Errors
    /// [`Unreadable`] if the bytes are no such archive.
    #[inline]
    pub fn take_archived<A>(&mut self, name: &'static str) -> Result<&'data A, Unreadable>
    where
        A: Portable + for<'check> CheckBytes<Checking<'check>>,
    {
        check(self.item(name)?).map_err(|reason| Unreadable::new(name, reason))
    }

    /// Takes a value out of its archive.
    ///
    /// # Errors
    /// [`Unreadable`] if the bytes are no archive of such a value.
    #[inline]
    pub fn take_restored<T>(&mut self, name: &'static str) -> Result<T, Unreadable>
    where
        T: Archive,
        T::Archived: for<'check> CheckBytes<Checking<'check>> + Deserialize<T, Restoring>,
    {
        restore(self.item(name)?).map_err(|reason| Unreadable::new(name, reason))
    }

    /// Takes a text that was put beside archives.
    ///
    /// # Errors
    /// [`Unreadable`] if the bytes are no text.
    pub fn take_text_beside(&mut self, name: &'static str) -> Result<&'data str, Unreadable> {
        std::str::from_utf8(self.item(name)?)
            .map_err(|_| Unreadable::new(name, Malformed::BadValue))
    }

    /// Takes bytes that were put beside archives.
    ///
    /// # Errors
    /// [`Unreadable`] if there are not enough.
    pub fn take_bytes_beside(&mut self, name: &'static str) -> Result<&'data [u8], Unreadable> {
        self.item(name)
    }
}

impl Outgoing<'_> {
    /// Answers with the archive of the procedure's value.
    #[inline]
    pub fn value_archived<T>(&mut self, value: &T)
    where
        T: for<'a> Serialize<Putting<'a>>,
    {
        self.answer(RETURNED, |parcel| put(parcel.bytes, value));
    }

    /// Answers with the archive of the procedure's own error.
    pub fn error_archived<E>(&mut self, error: &E)
    where
        E: for<'a> Serialize<Putting<'a>>,
    {
        self.answer(FAILED, |parcel| put(parcel.bytes, error));
    }
}

impl Values {
    /// Adds an argument that is an archive.
    pub fn argument_archived<A>(&mut self, name: &'static str) {
        self.add(name, shape_of::<A>());
    }

    /// Adds an argument that is taken out of its archive.
    pub fn argument_restored<T: Archive>(&mut self, name: &'static str) {
        self.add(name, shape_of::<T::Archived>());
    }

    /// Adds a text beside archives.
    pub fn argument_text_beside(&mut self, name: &'static str) {
        self.add(name, Shape::Plain(Plain::Text));
    }

    /// Says what the result's archive is.
    pub fn result_archived<T: Archive>(&mut self) {
        self.set_result(shape_of::<T::Archived>());
    }

    /// Says what the error's archive is.
    pub fn error_archived<E: Archive>(&mut self) {
        self.set_error(shape_of::<E::Archived>());
    }
}
