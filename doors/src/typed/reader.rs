//! The values of a message, taken one after the other.

use serde::Deserialize;

use super::carried::{Arrived, Carried};
use super::decode::Decoder;
use super::error::{Malformed, Unreadable};
use super::front::Front;
use super::kept::Kept;
use super::travel;
use super::trial;
use super::unclaimed::Unclaimed;

/// Takes values one after the other; those that borrow point into the data.
#[derive(Debug)]
pub struct Reader<'data> {
    pub(super) decoder: Decoder<'data>,
    unclaimed: Unclaimed,
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
        let value = take(&mut reader);
        if value.is_ok() && !reader.decoder.is_at_end() {
            return Err(Unreadable::new("", Malformed::LeftOver));
        }
        // As it is: taken out and put in again, it would be moved.
        value
    }

    /// As [`all`](Self::all); by way of trial first where values have descriptors inside.
    #[inline]
    pub(super) fn all_of<T>(
        front: Front<'data>,
        data: &'data [u8],
        unclaimed: Unclaimed,
        has_inside: bool,
        take: impl Fn(&mut Self) -> Result<T, Unreadable>,
    ) -> Result<T, Unreadable> {
        if has_inside {
            Self::twice(front, data, unclaimed, take)
        } else {
            Self::all(front, data, unclaimed, take)
        }
    }

    #[inline(never)]
    fn twice<T>(
        front: Front<'data>,
        data: &'data [u8],
        unclaimed: Unclaimed,
        take: impl Fn(&mut Self) -> Result<T, Unreadable>,
    ) -> Result<T, Unreadable> {
        let (front, again) = front.twice();
        if let Some(stand_ins) = trial::stand_ins(&unclaimed) {
            trial::run(|| Self::all(front, data, stand_ins, &take))?;
        }
        Self::all(again, data, unclaimed, take)
    }

    /// Takes the next value; the name is for the error.
    ///
    /// # Errors
    /// [`Unreadable`] if the bytes are no such value. Nothing can be taken after that.
    #[inline]
    pub fn take<T: Deserialize<'data>>(&mut self, name: &'static str) -> Result<T, Unreadable> {
        let decoder = &mut self.decoder;
        travel::take(&mut self.unclaimed, || T::deserialize(decoder))
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

    /// Takes descriptors, behind which there may be more.
    ///
    /// # Errors
    /// [`Unreadable`] if there are not enough.
    #[inline]
    pub fn take_carried<C: Carried>(&mut self, name: &'static str) -> Result<Kept<C>, Unreadable> {
        let mut arrived = Arrived {
            decoder: &mut self.decoder,
            unclaimed: &mut self.unclaimed,
        };
        let value = C::take(&mut arrived).map_err(|reason| Unreadable::new(name, reason))?;
        Ok(Kept::new(value, self.unclaimed.account()))
    }

    /// Takes descriptors that are all there is.
    ///
    /// # Errors
    /// [`Unreadable`] if there are not enough, or more is behind them.
    pub fn take_carried_alone<C: Carried>(&mut self, name: &'static str) -> Result<C, Unreadable> {
        let kept = self.take_carried(name)?;
        if !self.decoder.is_at_end() {
            return Err(Unreadable::new("", Malformed::LeftOver));
        }
        Ok(kept.release())
    }
}
