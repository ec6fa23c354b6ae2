//! Bytes into values.

use std::fmt;

use postcard::de_flavors::Slice;
use serde::Deserialize;

use super::bounded::{Bounded, Bounds};
use super::error::{Malformed, Unreadable};

/// Takes values one after the other; those that borrow point into the data.
pub struct Reader<'data> {
    bytes: postcard::Deserializer<'data, Slice<'data>>,
    bounds: Bounds,
}

impl<'data> Reader<'data> {
    /// Reads all of `data`: what `take` leaves over is an error.
    pub(super) fn all<T>(
        data: &'data [u8],
        take: impl FnOnce(&mut Self) -> Result<T, Unreadable>,
    ) -> Result<T, Unreadable> {
        let mut reader = Self {
            bytes: postcard::Deserializer::from_bytes(data),
            bounds: Bounds::of(data),
        };
        let value = take(&mut reader)?;
        match reader.bytes.finalize() {
            Ok([]) => Ok(value),
            _ => Err(Unreadable::new("", Malformed::LeftOver)),
        }
    }

    /// Takes the next value; the name is for the error.
    ///
    /// # Errors
    /// [`Unreadable`] if the bytes are no such value. Nothing can be taken after that.
    pub fn take<T: Deserialize<'data>>(&mut self, name: &'static str) -> Result<T, Unreadable> {
        T::deserialize(Bounded::new(&mut self.bytes, &self.bounds)).map_err(|error| {
            let reason = self.bounds.crossed().unwrap_or(match error {
                postcard::Error::DeserializeUnexpectedEnd => Malformed::Short,
                _ => Malformed::BadValue,
            });
            Unreadable::new(name, reason)
        })
    }

    /// Takes bytes as `take::<Vec<u8>>` would, all at once.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub fn take_bytes(&mut self, name: &'static str) -> Result<Vec<u8>, Unreadable> {
        self.take::<&[u8]>(name).map(<[u8]>::to_vec)
    }
}

impl fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}
