//! The values of a message, taken one after the other.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use serde::Deserialize;

use super::carried::{Arrived, Carried};
use super::decode::Decoder;
use super::error::{Malformed, Unreadable};
use super::front::Front;
use super::travel;
use crate::sys::account::Account;
use crate::sys::closer;

/// Takes values one after the other; those that borrow point into the data.
#[derive(Debug)]
pub struct Reader<'data> {
    pub(super) decoder: Decoder<'data>,
    unclaimed: Unclaimed,
}

/// Descriptors that no value has taken yet. What is left over of them is closed where it holds up nobody: the last close can take as
/// long as whoever sent it likes, and nobody has asked for it.
#[derive(Debug, Default)]
pub(super) struct Unclaimed {
    descriptors: VecDeque<OwnedFd>,
    /// Who pays.
    account: Option<Account>,
}

impl Unclaimed {
    /// What came with a message, and who pays for it.
    #[inline]
    pub(super) fn new((descriptors, account): (Vec<OwnedFd>, Option<Account>)) -> Self {
        Self {
            descriptors: descriptors.into(),
            account,
        }
    }
}

impl Drop for Unclaimed {
    #[inline]
    fn drop(&mut self) {
        if !self.descriptors.is_empty() {
            let left = std::mem::take(&mut self.descriptors);
            closer::close(left.into(), &self.account.take().unwrap_or_default());
        }
    }
}

impl<'data> Reader<'data> {
    /// Reads all of a message: what `take` leaves over of its bytes is an error. Descriptors that are left over are closed elsewhere.
    #[inline]
    pub(super) fn all<T>(
        front: Front<'data>,
        data: &'data [u8],
        unclaimed: Unclaimed,
        take: impl FnOnce(&mut Self) -> Result<T, Unreadable>,
    ) -> Result<T, Unreadable> {
        let mut reader = Self {
            decoder: Decoder::new(front, data),
            unclaimed,
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
        travel::take(&mut self.unclaimed.descriptors, || T::deserialize(decoder))
            .map_err(|reason| Unreadable::new(name, reason))
    }

    /// Takes bytes as `take::<Vec<u8>>` would, all at once; those that lie before the values with the memory that they are in.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    #[inline]
    pub fn take_bytes(&mut self, name: &'static str) -> Result<Vec<u8>, Unreadable> {
        self.decoder
            .own_bytes()
            .map_err(|reason| Unreadable::new(name, reason))
    }

    /// Takes descriptors.
    ///
    /// # Errors
    /// [`Unreadable`] if there are not enough.
    pub fn take_carried<C: Carried>(&mut self, name: &'static str) -> Result<C, Unreadable> {
        let mut arrived = Arrived {
            decoder: &mut self.decoder,
            descriptors: &mut self.unclaimed.descriptors,
        };
        C::take(&mut arrived).map_err(|reason| Unreadable::new(name, reason))
    }
}
