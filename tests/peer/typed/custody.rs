//! A service that is given descriptors in every way, as both sides know it.

use std::fs::File;
use std::os::fd::OwnedFd;

use doors::typed::Fd;
use doors::{Door, FrozenArchive, door};
use serde::{Deserialize, Deserializer, Serialize};

/// A descriptor in front of something that can be wrong.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Labelled {
    pub(crate) file: Fd<OwnedFd>,
    pub(crate) sure: bool,
    pub(crate) size: Size,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Size {
    Small,
    Large,
}

/// A number that ends in a panic where it is this one.
pub(crate) const PANICS: u8 = 77;

#[derive(Debug, Serialize)]
pub(crate) struct Moody(pub(crate) u8);

impl<'de> Deserialize<'de> for Moody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u8::deserialize(deserializer)?;
        assert_ne!(number, PANICS, "as it was told");
        Ok(Self(number))
    }
}

/// Takes a regular file only, which no sample is.
#[derive(Debug, Serialize)]
pub(crate) struct Regular(pub(crate) Fd<File>);

impl<'de> Deserialize<'de> for Regular {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let file = Fd::<File>::deserialize(deserializer)?;
        let found = file.0.metadata().map_err(D::Error::custom)?;
        found
            .is_file()
            .then_some(Self(file))
            .ok_or_else(|| D::Error::custom("no file"))
    }
}

#[door]
pub(crate) trait Custody {
    fn file(&self, file: File, sure: bool);
    fn two(&self, one: &File, other: Option<File>, third: File);
    fn many(&self, files: Vec<File>);
    fn labelled(&self, labelled: Labelled);
    fn then(&self, labelled: Labelled, sure: bool);
    fn beside(&self, file: File, moody: Moody);
    fn inside(&self, both: (Fd<File>, Moody));
    fn pass(&self, door: Door);
    fn clients(&self, clients: Vec<CustodyClient>);
    fn archive(&self, archive: FrozenArchive<u64>);
    fn archives(&self, archives: (u8, FrozenArchive<u64>));
    fn regular(&self, file: Regular) -> u64;
    fn give(&self) -> File;
    fn give_labelled(&self) -> Labelled;
    fn give_door(&self) -> Door;
    fn give_archive(&self) -> Result<FrozenArchive<u64>, Labelled>;
}
