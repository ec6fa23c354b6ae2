//! Arguments and results that are descriptors.

use std::fs::File;
use std::io::{PipeReader, PipeWriter};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

use super::decode::Decoder;
use super::encode::{Encoder, Unwritable};
use super::error::Malformed;
use super::shape::Shape;
use super::travel;
use super::unclaimed::Unclaimed;
use crate::desc::DoorDesc;
use crate::door::Door;

/// A message while it is put together: its bytes, and the descriptors beside them.
#[derive(Debug)]
pub struct Parcel<'p, 'fd> {
    pub(super) bytes: &'p mut Vec<u8>,
    pub(super) descriptors: &'p mut Vec<DoorDesc<'fd>>,
}

/// A message while it is taken apart.
#[derive(Debug)]
pub struct Arrived<'a, 'data> {
    pub(super) decoder: &'a mut Decoder<'data>,
    pub(super) unclaimed: &'a mut Unclaimed,
}

/// A type whose values are descriptors, alone, in an `Option` or in a `Vec`.
///
/// Implemented for the standard library's types and for [`Door`]; descriptors of other types travel as
/// [`Fd`](super::Fd).
pub trait Carried: Sized {
    /// Lends the descriptors to a call.
    ///
    /// # Errors
    /// If a door cannot be passed on now, or there are too many.
    fn lend<'fd>(&'fd self, parcel: &mut Parcel<'_, 'fd>) -> Result<(), Unwritable>;

    /// Gives them away with an answer.
    ///
    /// # Errors
    /// As [`lend`](Self::lend).
    fn release(self, parcel: &mut Parcel<'_, 'static>) -> Result<(), Unwritable>;

    /// Takes them.
    ///
    /// # Errors
    /// If there is none left. What it has taken until then is given back.
    fn take(arrived: &mut Arrived<'_, '_>) -> Result<Self, Malformed>;

    /// Takes them out of a value that nobody wants: those of which somebody else decides how long their last close takes.
    fn give_up(self, left: &mut Vec<OwnedFd>);

    /// What they look like.
    #[must_use]
    fn shape() -> Shape;
}

macro_rules! descriptors {
    ($($type:ty)*) => {$(
        impl Carried for $type {
            fn lend<'fd>(&'fd self, parcel: &mut Parcel<'_, 'fd>) -> Result<(), Unwritable> {
                parcel.descriptors.push(DoorDesc::Lent(self.as_fd()));
                Ok(())
            }

            fn release(self, parcel: &mut Parcel<'_, 'static>) -> Result<(), Unwritable> {
                parcel.descriptors.push(DoorDesc::Released(self.into()));
                Ok(())
            }

            fn take(arrived: &mut Arrived<'_, '_>) -> Result<Self, Malformed> {
                let next = arrived.unclaimed.next();
                next.map(Self::from).ok_or(Malformed::NoDescriptor)
            }

            fn give_up(self, left: &mut Vec<OwnedFd>) {
                left.push(self.into());
            }

            fn shape() -> Shape {
                Shape::Descriptor
            }
        }
    )*};
}

descriptors! {
    OwnedFd File UnixStream UnixListener UnixDatagram TcpStream TcpListener UdpSocket PipeReader PipeWriter
}

impl Carried for Door {
    fn lend<'fd>(&'fd self, parcel: &mut Parcel<'_, 'fd>) -> Result<(), Unwritable> {
        parcel.descriptors.push(minted(self)?);
        Ok(())
    }

    fn release(self, parcel: &mut Parcel<'_, 'static>) -> Result<(), Unwritable> {
        parcel.descriptors.push(minted(&self)?);
        Ok(())
    }

    fn take(arrived: &mut Arrived<'_, '_>) -> Result<Self, Malformed> {
        let next = OwnedFd::take(arrived)?;
        Door::of_descriptor(next).map_err(|(refused, _)| {
            arrived.unclaimed.refuse(refused);
            Malformed::BadValue
        })
    }

    /// A door sees to the end of its socket itself.
    fn give_up(self, _: &mut Vec<OwnedFd>) {}

    fn shape() -> Shape {
        Shape::Door(String::new())
    }
}

/// A reference of its own for the receiver.
fn minted(door: &Door) -> Result<DoorDesc<'static>, Unwritable> {
    travel::to_desc(door).map_err(|_| Unwritable::Itself)
}

impl<C: Carried> Carried for Option<C> {
    fn lend<'fd>(&'fd self, parcel: &mut Parcel<'_, 'fd>) -> Result<(), Unwritable> {
        parcel.bytes.push(u8::from(self.is_some()));
        self.as_ref().map_or(Ok(()), |some| some.lend(parcel))
    }

    fn release(self, parcel: &mut Parcel<'_, 'static>) -> Result<(), Unwritable> {
        parcel.bytes.push(u8::from(self.is_some()));
        self.map_or(Ok(()), |some| some.release(parcel))
    }

    fn take(arrived: &mut Arrived<'_, '_>) -> Result<Self, Malformed> {
        arrived
            .decoder
            .is_some()?
            .then(|| C::take(arrived))
            .transpose()
    }

    fn give_up(self, left: &mut Vec<OwnedFd>) {
        if let Some(some) = self {
            some.give_up(left);
        }
    }

    fn shape() -> Shape {
        Shape::Option(Box::new(C::shape()))
    }
}

impl<C: Carried> Carried for Vec<C> {
    fn lend<'fd>(&'fd self, parcel: &mut Parcel<'_, 'fd>) -> Result<(), Unwritable> {
        Encoder::new(parcel.bytes).count(self.len())?;
        self.iter().try_for_each(|each| each.lend(parcel))
    }

    fn release(self, parcel: &mut Parcel<'_, 'static>) -> Result<(), Unwritable> {
        Encoder::new(parcel.bytes).count(self.len())?;
        self.into_iter().try_for_each(|each| each.release(parcel))
    }

    fn take(arrived: &mut Arrived<'_, '_>) -> Result<Self, Malformed> {
        let mut all = Self::new();
        // The first that has no descriptor ends it.
        for _ in 0..arrived.decoder.elements()? {
            match C::take(arrived) {
                Ok(each) => all.push(each),
                Err(reason) => {
                    let mut left = Vec::new();
                    all.give_up(&mut left);
                    for one in left {
                        arrived.unclaimed.refuse(one);
                    }
                    return Err(reason);
                }
            }
        }
        Ok(all)
    }

    fn give_up(self, left: &mut Vec<OwnedFd>) {
        for each in self {
            each.give_up(left);
        }
    }

    fn shape() -> Shape {
        Shape::Sequence(Box::new(C::shape()))
    }
}
