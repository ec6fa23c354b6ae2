//! The values of a message, one after the other.

use serde::Deserialize;

use super::decode::Decoder;
use super::error::{Malformed, Unreadable};

/// Takes values one after the other; those that borrow point into the data.
#[derive(Debug)]
pub struct Reader<'data>(Decoder<'data>);

impl<'data> Reader<'data> {
    /// Reads all of `data`: what `take` leaves over is an error.
    #[inline]
    pub(super) fn all<T>(
        data: &'data [u8],
        take: impl FnOnce(&mut Self) -> Result<T, Unreadable>,
    ) -> Result<T, Unreadable> {
        let mut reader = Self(Decoder::new(data));
        let value = take(&mut reader)?;
        if !reader.0.is_at_end() {
            return Err(Unreadable::new("", Malformed::LeftOver));
        }
        Ok(value)
    }

    /// Takes the next value; the name is for the error.
    ///
    /// # Errors
    /// [`Unreadable`] if the bytes are no such value. Nothing can be taken after that.
    #[inline]
    pub fn take<T: Deserialize<'data>>(&mut self, name: &'static str) -> Result<T, Unreadable> {
        T::deserialize(&mut self.0).map_err(|reason| Unreadable::new(name, reason))
    }

    /// Takes bytes as `take::<Vec<u8>>` would, all at once.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    #[inline]
    pub fn take_bytes(&mut self, name: &'static str) -> Result<Vec<u8>, Unreadable> {
        self.take::<&[u8]>(name).map(<[u8]>::to_vec)
    }
}
