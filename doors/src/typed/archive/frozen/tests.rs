//! Frozen archives without a call.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use proptest::prelude::{any, prop_assert};
use rkyv::rancor::Failure;
use rkyv::util::AlignedVec;
use rkyv::{Archive, Archived, Deserialize, Serialize};

use super::FrozenArchive;
use crate::frozen::{Frozen, FrozenError};
use crate::typed::carried::Carried;
use crate::typed::look::Types;

#[derive(Debug, Archive, Serialize, Deserialize)]
struct Index {
    words: Vec<String>,
    places: Vec<u64>,
    wide: Option<u128>,
}

/// A list: each element a level.
#[derive(Debug, Archive, Serialize, Deserialize)]
#[rkyv(serialize_bounds(__S: rkyv::ser::Writer, __S::Error: rkyv::rancor::Source))]
#[rkyv(deserialize_bounds(__D::Error: rkyv::rancor::Source))]
#[rkyv(bytecheck(bounds(__C: rkyv::validation::ArchiveContext, __C::Error: rkyv::rancor::Source)))]
struct List(#[rkyv(omit_bounds)] Option<Box<List>>);

/// Wider than any number.
#[derive(Debug, Archive, Serialize, Deserialize)]
#[rkyv(attr(repr(C, align(64))))]
struct Wide {
    byte: u8,
}

fn index(words: u64, places: u64) -> Index {
    Index {
        words: (0..words).map(|word| format!("the word {word}")).collect(),
        places: (0..places).collect(),
        wide: Some(7),
    }
}

fn bytes(index: &Index) -> AlignedVec {
    rkyv::to_bytes::<Failure>(index).unwrap()
}

/// What comes of bytes that somebody has frozen.
fn received(bytes: &[u8]) -> Result<FrozenArchive<Index>, FrozenError> {
    let memory = OwnedFd::from(Frozen::new(bytes).unwrap());
    FrozenArchive::from_descriptor(memory, usize::MAX)
}

/// Goes everywhere that an archive leads.
fn read(index: &Archived<Index>) -> u64 {
    let words = index.words.iter().flat_map(|word| word.bytes());
    let places = index.places.iter().map(|place| place.to_native());
    words
        .map(u64::from)
        .chain(places)
        .fold(0, u64::wrapping_add)
}

#[test]
fn what_is_frozen_is_the_archive_that_rkyv_would_make() {
    for (words, places) in [(0, 0), (1, 1), (20_000, 3), (3, 100_000), (9_000, 9_000)] {
        let value = index(words, places);
        let frozen = FrozenArchive::new(&value).unwrap();
        assert!(
            frozen.as_bytes() == bytes(&value).as_slice(),
            "{words} {places}"
        );
        assert!(frozen.words.iter().eq(value.words.iter()));
        assert!(frozen.places.iter().eq(value.places.iter()));
        assert_eq!(frozen.wide.as_ref().map(|wide| wide.to_native()), Some(7));
    }
}

#[test]
fn roots_without_a_byte_and_wide_ones_lie_right() {
    let empty: FrozenArchive<[u128; 0]> = FrozenArchive::new(&[]).unwrap();
    assert!(empty.is_empty() && empty.as_bytes().is_empty());
    let wide = FrozenArchive::new(&Wide { byte: 3 }).unwrap();
    assert_eq!(wide.byte, 3);
    assert!((&raw const *wide).addr().is_multiple_of(64));
}

#[test]
fn a_clone_is_the_same_memory() {
    let one = FrozenArchive::new(&index(3, 3)).unwrap();
    let other = one.clone();
    assert_eq!(one.as_bytes().as_ptr(), other.as_bytes().as_ptr());
    assert_eq!(one.as_fd().as_raw_fd(), other.as_fd().as_raw_fd());
    // A descriptor that goes away leaves the clone what it has.
    let given = OwnedFd::try_from(one).unwrap();
    assert_ne!(given.as_raw_fd(), other.as_fd().as_raw_fd());
    let again: FrozenArchive<Index> = FrozenArchive::from_descriptor(given, 1 << 20).unwrap();
    assert_eq!(read(&again), read(&other));
    let number = other.as_fd().as_raw_fd();
    assert_eq!(OwnedFd::try_from(other).unwrap().as_raw_fd(), number);
}

#[test]
fn a_limit_holds_for_whoever_makes_one_and_whoever_takes_one() {
    let value = index(0, 1000);
    let len = bytes(&value).len();
    let too_large = |limit| FrozenError::TooLarge { len, limit };
    let made = FrozenArchive::<Index, 4096>::within(&value);
    assert_eq!(made.unwrap_err(), too_large(4096));
    let made = FrozenArchive::<Index, 16_384>::within(&value).unwrap();
    let copy = || made.as_fd().try_clone_to_owned().unwrap();
    let taken = FrozenArchive::<Index>::from_descriptor(copy(), len - 1);
    assert_eq!(taken.unwrap_err(), too_large(len - 1));
    assert!(FrozenArchive::<Index>::from_descriptor(copy(), len).is_ok());
}

#[test]
fn what_no_receiver_would_take_cannot_be_made() {
    let list = |many| (0..many).fold(List(None), |list, _| List(Some(Box::new(list))));
    assert!(FrozenArchive::new(&list(50)).is_ok());
    let refused = FrozenArchive::new(&list(500)).unwrap_err();
    assert_eq!(refused, FrozenError::NotArchive);
    assert_eq!(refused.errno(), libc::EINVAL);
}

#[test]
fn a_cut_archive_is_none_or_another_one() {
    let whole = bytes(&index(5, 5));
    let mut refused = 0;
    for len in 0..whole.len() {
        match received(&whole[..len]) {
            Ok(archive) => drop(read(&archive)),
            Err(error) => {
                assert_eq!(error, FrozenError::NotArchive, "{len}");
                refused += 1;
            }
        }
    }
    assert!(refused > whole.len() / 2, "{refused}");
}

proptest::proptest! {
    #[test]
    fn whatever_is_frozen_is_an_archive_or_refused(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = bytes(&index(4, 4)).to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        match received(&bytes) {
            Ok(archive) => drop(read(&archive)),
            Err(error) => prop_assert!(error == FrozenError::NotArchive),
        }
    }
}

mod looked_at {
    use serde::Deserialize;

    use super::{FrozenArchive, Index};

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "looked at only")]
    pub(super) struct Outer {
        index: FrozenArchive<Index>,
        more: Vec<Option<FrozenArchive<Vec<u8>>>>,
        last: u16,
    }

    /// Reads what it is given.
    #[derive(Deserialize)]
    #[serde(try_from = "Outer")]
    #[expect(dead_code, reason = "looked at only")]
    pub(super) struct Checked(Outer);

    impl TryFrom<Outer> for Checked {
        type Error = &'static str;

        fn try_from(outer: Outer) -> Result<Self, &'static str> {
            let first = outer.index.words.first();
            first.ok_or("no word")?;
            Ok(Self(outer))
        }
    }

    #[derive(Deserialize)]
    pub(super) struct Panics(#[serde(deserialize_with = "panics")] ());

    fn panics<'de, D: serde::Deserializer<'de>>(_: D) -> Result<(), D::Error> {
        panic!("of its own")
    }
}

/// What values of a type look like, in words: a type that has a name with its parts.
fn seen<T: serde::Deserialize<'static>>() -> String {
    let mut types = Types::default();
    let shape = types.look::<T>();
    match types.all() {
        [] => shape.shown(&[]).to_string(),
        [named] => named.shown(types.all()).to_string(),
        more => panic!("{more:?}"),
    }
}

#[test]
fn a_frozen_archive_says_what_it_is() {
    let carried = <FrozenArchive<Index>>::shape();
    assert!(carried.has_descriptors(&[]));
    let index = carried.shown(&[]).to_string();
    assert!(
        index.starts_with("frozen archive of Index, ") && index.contains(" bytes by 16, "),
        "{index}"
    );
    assert_eq!(seen::<FrozenArchive<Index, 4096>>(), index);
    let [bytes, others] = [
        seen::<FrozenArchive<Vec<u8>>>(),
        seen::<FrozenArchive<Vec<i8>>>(),
    ];
    assert_ne!(bytes, others);
    let outer = format!("struct Outer {{ index: {index}, more: [option<{bytes}>], last: u16 }}");
    assert_eq!(seen::<looked_at::Outer>(), outer);
    // Not a panic, and as much as was seen.
    assert_eq!(seen::<looked_at::Checked>(), outer);
}

#[test]
#[should_panic(expected = "of its own")]
fn other_panics_of_a_type_that_is_looked_at_stay_what_they_are() {
    drop(seen::<looked_at::Panics>());
}
