//! Descriptors to send, and what can be seen of those that arrive.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// A file with a number in it.
#[must_use]
pub fn numbered(number: usize) -> OwnedFd {
    let mut file = File::from(memfd_create(c"numbered", MFdFlags::MFD_CLOEXEC).unwrap());
    write!(file, "{number}").unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.into()
}

/// The number in such a file.
#[must_use]
pub fn number_in(fd: OwnedFd) -> usize {
    let mut text = String::new();
    let mut file = File::from(fd);
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_string(&mut text).unwrap();
    text.parse().unwrap()
}

/// Whether an exec would close it.
#[must_use]
pub fn is_close_on_exec(fd: &OwnedFd) -> bool {
    FdFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFD).unwrap()).contains(FdFlag::FD_CLOEXEC)
}

/// A pipe whose reading end does not block.
#[must_use]
pub fn pipe() -> (File, OwnedFd) {
    let (from, to) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).unwrap();
    (File::from(from), to)
}

/// An eventfd.
#[must_use]
pub fn event() -> OwnedFd {
    EventFd::from_flags(EfdFlags::EFD_CLOEXEC).unwrap().into()
}

/// Whether all copies of a pipe's writing end are closed.
#[must_use]
pub fn is_at_end(from: &mut File) -> bool {
    matches!(from.read(&mut [0]), Ok(0))
}

/// Waits until all copies of a pipe's writing end are closed.
pub fn until_at_end(from: &mut File) {
    while !is_at_end(from) {
        std::thread::yield_now();
    }
}

/// As many descriptors as this process may have at all.
pub fn raise_limit() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
}
