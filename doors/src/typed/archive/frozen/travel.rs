//! Frozen archives as arguments and results, and inside them.

use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rkyv::Archive;
use rkyv::bytecheck::CheckBytes;
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use serde::ser::{Serialize, Serializer};

use super::{FrozenArchive, Memory};
use crate::desc::DoorDesc;
use crate::frozen::FrozenError;
use crate::typed::archive::{Checking, described};
use crate::typed::carried::{Arrived, Carried, Parcel};
use crate::typed::encode::Unwritable;
use crate::typed::error::Malformed;
use crate::typed::fd::{NO_DESCRIPTOR, Nothing, leave};
use crate::typed::look::{FROZEN_ARCHIVE, told};
use crate::typed::shape::Shape;
use crate::typed::travel;

impl<T: Archive, const LIMIT: usize> FrozenArchive<T, LIMIT>
where
    T::Archived: for<'check> CheckBytes<Checking<'check>>,
{
    fn without_archive(descriptor: OwnedFd) -> Self {
        let archive = None;
        Self(Arc::new(Memory {
            archive,
            descriptor,
        }))
    }

    /// Takes what has arrived; gives back what is no such archive.
    fn arrived(memory: OwnedFd) -> Result<Self, (OwnedFd, Malformed)> {
        Self::find(memory, LIMIT).map_err(|(refused, error)| {
            let reason = match error {
                FrozenError::NotFrozen => Malformed::NotFrozen,
                FrozenError::TooLarge { .. } => Malformed::TooLarge,
                FrozenError::System { .. } => Malformed::NoRoom,
                FrozenError::NotArchive | FrozenError::Unwritable => Malformed::BadValue,
            };
            (refused, reason)
        })
    }
}

impl<T: Archive, const LIMIT: usize> Carried for FrozenArchive<T, LIMIT>
where
    T::Archived: for<'check> CheckBytes<Checking<'check>>,
{
    fn lend<'fd>(&'fd self, parcel: &mut Parcel<'_, 'fd>) -> Result<(), Unwritable> {
        parcel.descriptors.push(DoorDesc::Lent(self.as_fd()));
        Ok(())
    }

    fn release(self, parcel: &mut Parcel<'_, 'static>) -> Result<(), Unwritable> {
        let descriptor = OwnedFd::try_from(self).map_err(|_| Unwritable::Itself)?;
        parcel.descriptors.push(DoorDesc::Released(descriptor));
        Ok(())
    }

    fn take(arrived: &mut Arrived<'_, '_>) -> Result<Self, Malformed> {
        let memory = OwnedFd::take(arrived)?;
        if arrived.unclaimed.is_ours() {
            return Ok(Self::without_archive(memory));
        }
        Self::arrived(memory).map_err(|(refused, reason)| {
            arrived.unclaimed.refuse(refused);
            reason
        })
    }

    /// Its memory was verified to be a memfd, whose close waits for nobody.
    fn give_up(self, _: &mut Vec<OwnedFd>) {}

    fn shape() -> Shape {
        shape_of::<T>()
    }
}

impl<T: Archive, const LIMIT: usize> Serialize for FrozenArchive<T, LIMIT> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::Error;
        let copy = self.as_fd().try_clone_to_owned();
        leave(copy.map_err(S::Error::custom)?, FROZEN_ARCHIVE, serializer)
    }
}

impl<'de, T: Archive, const LIMIT: usize> Deserialize<'de> for FrozenArchive<T, LIMIT>
where
    T::Archived: for<'check> CheckBytes<Checking<'check>>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(FROZEN_ARCHIVE, Take(PhantomData))
    }
}

struct Take<T, const LIMIT: usize>(PhantomData<fn() -> T>);

impl<'de, T: Archive, const LIMIT: usize> Visitor<'de> for Take<T, LIMIT>
where
    T::Archived: for<'check> CheckBytes<Checking<'check>>,
{
    type Value = FrozenArchive<T, LIMIT>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("frozen memory beside the bytes")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Self::Value, D::Error> {
        inner.deserialize_unit_struct("", Nothing)?;
        let descriptor = travel::arrive().ok_or_else(|| D::Error::custom(NO_DESCRIPTOR))?;
        // Somebody wants to know what this looks like, or what is behind it, and has no archive of every type at hand.
        if told::tell(shape_of::<T>) || travel::is_trial() {
            return Ok(FrozenArchive::without_archive(descriptor));
        }
        FrozenArchive::arrived(descriptor).map_err(|(refused, reason)| {
            travel::refuse(refused);
            D::Error::custom(reason)
        })
    }
}

/// The type's name goes with what is known of its archive: many types have roots of one size.
fn shape_of<T: Archive>() -> Shape {
    let name = without_paths(type_name::<T>());
    Shape::FrozenArchive(format!("{name}, {}", described::<T::Archived>()))
}

/// The name of a type as it is the same in the programs that have the type, wherever they have it.
fn without_paths(name: &str) -> String {
    let mut out = String::new();
    // Where the word began that may turn out to be a module.
    let mut word = 0;
    let mut letters = name.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == ':' && letters.next_if_eq(&':').is_some() {
            out.truncate(word);
        } else {
            out.push(letter);
            if !letter.is_alphanumeric() && letter != '_' {
                word = out.len();
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::without_paths;

    #[test]
    fn types_are_called_the_same_wherever_they_are() {
        for (with, without) in [
            ("u64", "u64"),
            ("index::parts::Index", "Index"),
            (
                "alloc::collections::btree::map::BTreeMap<alloc::string::String, [a::B; 3]>",
                "BTreeMap<String, [B; 3]>",
            ),
            ("(a::B, c_d::E<f::G>)", "(B, E<G>)"),
        ] {
            assert_eq!(without_paths(with), without);
        }
    }
}
