//! Descriptors and doors inside values.

use std::fmt;
use std::marker::PhantomData;
use std::os::fd::{AsFd, OwnedFd};

use serde::de::{Deserialize, Deserializer, Visitor};
use serde::ser::{Error as _, Serialize, Serializer};

use super::client::Client;
use super::look::{DESCRIPTOR, DOOR};
use super::travel;
use crate::desc::DoorDesc;
use crate::door::Door;

/// What a type says whose descriptor is not there.
pub(super) const NO_DESCRIPTOR: &str = "there is no descriptor for it";

/// A descriptor inside a value: `Fd<File>`, `Fd<OwnedFd>`, `Fd<UnixStream>` and whatever else is a descriptor.
///
/// A value that travels with a call of a `#[door]` may have any number of them, in fields, options, vectors and
/// variants. The receiver gets descriptors of its own for the same open files; the sender's stay as they are. Outside of such a call
/// it cannot be put into bytes, nor taken from them.
///
/// It is made by `Fd(file)` or `Fd::from(file)`, and taken apart as a pattern or by `.0`.
///
/// Arguments and results that *are* descriptors need no wrapper.
///
/// Whoever receives such a value reads it twice, first without its descriptors, so that nonsense does not get as far as to them:
/// [What may arrive](macro@crate::door#what-may-arrive).
///
/// # Examples
/// ```
/// use std::fs::File;
/// use std::io::Read;
///
/// use doors::door;
/// use doors::typed::Fd;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Named {
///     name: String,
///     file: Option<Fd<File>>,
/// }
///
/// #[door]
/// fn length(named: Named) -> u64 {
///     let found = named.file.and_then(|file| file.0.metadata().ok());
///     found.map_or(0, |found| found.len())
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = LengthClient::from(length::door()?);
/// let file = File::open("/proc/self/exe")?;
/// let len = file.metadata()?.len();
/// let named = Named { name: "program".into(), file: Some(file.into()) };
/// assert_eq!(client.call(named)?, len);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fd<T>(pub T);

impl<T: AsFd> From<T> for Fd<T> {
    fn from(descriptor: T) -> Self {
        Self(descriptor)
    }
}

impl<T: AsFd> Serialize for Fd<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let copy = self.0.as_fd().try_clone_to_owned();
        leave(copy.map_err(S::Error::custom)?, DESCRIPTOR, serializer)
    }
}

impl<'de, T: From<OwnedFd>> Deserialize<'de> for Fd<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let take = Take(
            |arrived: OwnedFd| Ok(Self(T::from(arrived))),
            "",
            PhantomData,
        );
        deserializer.deserialize_newtype_struct(DESCRIPTOR, take)
    }
}

/// Puts the door of a client: whoever takes it has a reference of its own.
///
/// # Errors
/// The serializer's, if the door cannot be passed on now or nothing is put for a call.
pub fn put_door<C: Client, S: Serializer>(client: &C, serializer: S) -> Result<S::Ok, S::Error> {
    match travel::to_desc(client.door()).map_err(S::Error::custom)? {
        DoorDesc::Released(descriptor) => leave(descriptor, DOOR, serializer),
        DoorDesc::Lent(lent) => {
            let copy = lent.try_clone_to_owned().map_err(S::Error::custom)?;
            leave(copy, DOOR, serializer)
        }
    }
}

/// Takes a client.
///
/// # Errors
/// The deserializer's, if there is no descriptor, or none of a door.
pub fn take_door<'de, C: Client, D: Deserializer<'de>>(deserializer: D) -> Result<C, D::Error> {
    let door = |arrived| {
        let door = Door::of_descriptor(arrived);
        door.map(C::from).map_err(|(refused, _)| refused)
    };
    let take = Take(door, C::INTERFACE.name(), PhantomData);
    deserializer.deserialize_newtype_struct(DOOR, take)
}

/// Leaves a descriptor for the message that is put, and its mark in the bytes, which takes none of them.
pub(super) fn leave<S: Serializer>(
    descriptor: OwnedFd,
    what: &'static str,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match travel::leave(descriptor) {
        Ok(()) => serializer.serialize_newtype_struct(what, &()),
        Err(_kept) => Err(S::Error::custom(
            "descriptors travel with calls of doors only",
        )),
    }
}

/// Takes the descriptor and makes something of it, or gives it back. In the bytes it is a unit structure of the name.
struct Take<F, T>(F, &'static str, PhantomData<fn() -> T>);

impl<'de, T, F: FnOnce(OwnedFd) -> Result<T, OwnedFd>> Visitor<'de> for Take<F, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a descriptor beside the bytes")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<T, D::Error> {
        use serde::de::Error;
        inner.deserialize_unit_struct(self.1, Nothing)?;
        let arrived = travel::arrive().ok_or_else(|| D::Error::custom(NO_DESCRIPTOR))?;
        (self.0)(arrived).map_err(|refused| {
            travel::refuse(refused);
            D::Error::custom("it is none of a door")
        })
    }
}

pub(super) struct Nothing;

impl Visitor<'_> for Nothing {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}
