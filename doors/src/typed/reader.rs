//! The values of a message, taken one after the other.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use serde::Deserialize;

use super::carried::{Arrived, Carried};
use super::decode::Decoder;
use super::error::{Malformed, Unreadable};
use super::travel;

/// Takes values one after the other; those that borrow point into the data.
#[derive(Debug)]
pub struct Reader<'data> {
    decoder: Decoder<'data>,
    descriptors: VecDeque<OwnedFd>,
}

impl<'data> Reader<'data> {
    /// Reads all of a message: what `take` leaves over of its bytes is an error. Descriptors that are left over are closed.
    #[inline]
    pub(super) fn all<T>(
        data: &'data [u8],
        descriptors: Vec<OwnedFd>,
        take: impl FnOnce(&mut Self) -> Result<T, Unreadable>,
    ) -> Result<T, Unreadable> {
        let mut reader = Self {
            decoder: Decoder::new(data),
            descriptors: descriptors.into(),
        };
        let value = take(&mut reader)?;
        if !reader.decoder.is_at_end() {
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
        let decoder = &mut self.decoder;
        travel::take(&mut self.descriptors, || T::deserialize(decoder))
            .map_err(|reason| Unreadable::new(name, reason))
    }

    /// Takes bytes as `take::<Vec<u8>>` would, all at once.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    #[inline]
    pub fn take_bytes(&mut self, name: &'static str) -> Result<Vec<u8>, Unreadable> {
        self.take::<&[u8]>(name).map(<[u8]>::to_vec)
    }

    /// Takes descriptors.
    ///
    /// # Errors
    /// [`Unreadable`] if there are not enough.
    pub fn take_carried<C: Carried>(&mut self, name: &'static str) -> Result<C, Unreadable> {
        let mut arrived = Arrived {
            decoder: &mut self.decoder,
            descriptors: &mut self.descriptors,
        };
        C::take(&mut arrived).map_err(|reason| Unreadable::new(name, reason))
    }
}
