//! The way to an open file through `/proc`.

use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::sys::stat::{fstat, stat};

use super::place::FileId;

/// A path of this thread to what a descriptor refers to.
///
/// `None` if `/proc` is not there, or shows something else. The path is this thread's: `/proc/self`
/// leads to the first thread's descriptors, which are gone as soon as that thread has ended
/// (`pthread_exit` in main).
pub(super) fn way_to(fd: impl AsFd) -> Result<Option<PathBuf>, Errno> {
    let fd = fd.as_fd();
    let way = PathBuf::from(format!("/proc/thread-self/fd/{}", fd.as_raw_fd()));
    let expected = FileId::of(&fstat(fd)?);
    match stat(&way) {
        Ok(found) if FileId::of(&found) == expected => Ok(Some(way)),
        Ok(_) | Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        Err(errno) => Err(errno),
    }
}
