//! The names of doors in the file system.

mod backoff;
mod bind;
mod connect;
mod error;
mod inherited;
mod place;
mod probe;
mod proc;
mod remove;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::sys::stat::fstat;

use place::{FileId, Place};
use proc::way_to;

pub(crate) use connect::connect;
pub use error::NameError;
pub(crate) use inherited::inherited_listeners;

/// How many callers may wait for a name's connection to be accepted.
///
/// An odd number on purpose. The backlog of a listener can be seen from outside (the Send-Q column
/// of `ss -xl`, `udiag_wqueue` of `sock_diag(7)`), so that `doors ls` tells doors from other
/// `SOCK_SEQPACKET` sockets by it, without connecting to any. The kernel lowers it to
/// `net.core.somaxconn` (4096 since Linux 5.4), which a reader of the number must allow for.
pub(crate) const BACKLOG: i32 = 1009;

/// The backlog by which a listener of ours is seen from outside on this host.
pub(crate) fn visible_backlog() -> u32 {
    let limit = std::fs::read_to_string("/proc/sys/net/core/somaxconn");
    let limit = limit
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(u32::MAX);
    BACKLOG.unsigned_abs().min(limit)
}

/// A name of a door: a listening socket's entry in a directory.
///
/// The inode is held open by an `O_PATH` descriptor, so that its number is not given to another
/// file while this value lives. Dropping the value leaves the entry where it is.
#[derive(Debug)]
pub(crate) struct Name {
    place: Place,
    inode: OwnedFd,
    id: FileId,
}

impl Name {
    /// The absolute path of the name, as it was when it was made.
    pub(crate) fn path(&self) -> &Path {
        &self.place.path
    }

    /// A way to the inode itself, for the calling thread: what is at the path may be another by now.
    pub(crate) fn way(&self) -> PathBuf {
        let way = way_to(&self.inode).ok().flatten();
        way.unwrap_or_else(|| self.place.path.clone())
    }

    /// Whether somebody removed the name.
    pub(crate) fn is_gone(&self) -> bool {
        // An inode without links has no name left, wherever it may have been moved (stat(2)).
        fstat(&self.inode).map_or(true, |stat| stat.st_nlink == 0)
    }
}
