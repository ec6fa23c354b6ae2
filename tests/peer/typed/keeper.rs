//! What is behind a custody.

use std::fs::File;

use doors::typed::Fd;
use doors::{Door, FrozenArchive};

use super::custody::{Custody, CustodyClient, CustodyDoor, Labelled, Moody, Regular, Size};

/// It closes what it is given where it stands, as most do.
#[derive(Debug)]
pub(crate) struct Keeper;

fn null() -> File {
    File::open("/dev/null").unwrap()
}

fn labelled() -> Labelled {
    Labelled {
        file: Fd(null().into()),
        sure: true,
        size: Size::Small,
    }
}

impl Custody for Keeper {
    fn file(&self, _: File, _: bool) {}
    fn two(&self, _: &File, _: Option<File>, _: File) {}
    fn many(&self, _: Vec<File>) {}
    fn labelled(&self, _: Labelled) {}
    fn then(&self, _: Labelled, _: bool) {}
    fn beside(&self, _: File, _: Moody) {}
    fn inside(&self, _: (Fd<File>, Moody)) {}
    fn pass(&self, _: Door) {}
    fn clients(&self, _: Vec<CustodyClient>) {}
    fn archive(&self, _: FrozenArchive<u64>) {}
    fn archives(&self, _: (u8, FrozenArchive<u64>)) {}

    fn regular(&self, file: Regular) -> u64 {
        file.0.0.metadata().unwrap().len()
    }

    fn give(&self) -> File {
        null()
    }

    fn give_labelled(&self) -> Labelled {
        labelled()
    }

    fn give_door(&self) -> Door {
        CustodyDoor::serve(Self).unwrap()
    }

    fn give_archive(&self) -> Result<FrozenArchive<u64>, Labelled> {
        Err(labelled())
    }
}
