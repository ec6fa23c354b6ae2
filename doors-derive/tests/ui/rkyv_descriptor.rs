//! Descriptors under the wrong codec.

use std::fs::File;
use std::os::fd::{BorrowedFd, OwnedFd};

use doors::typed::Fd;

#[doors::door(codec = "rkyv")]
trait Opener {
    fn open(&self, path: &str) -> File;
    fn read(&self, first: File, rest: Vec<OwnedFd>);
    fn lend(&self, one: BorrowedFd<'_>, other: &File, inside: Option<Fd<File>>);
    fn pass(&self, door: doors::Door) -> Result<(), u32>;
}

fn main() {}
