//! Why a name could not be made, reached or removed.

use std::path::{Path, PathBuf};

use nix::errno::Errno;

/// The longest path the kernel takes, without its NUL (`PATH_MAX`).
const PATH_LIMIT: usize = 4095;
/// The longest component a file system takes (`NAME_MAX`).
const COMPONENT_LIMIT: usize = 255;

/// Why a verb on a name failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// A live door is there already.
    #[doc(alias = "EBUSY")]
    #[error("a live door is at {path}")]
    Busy {
        /// The name.
        path: PathBuf,
    },
    /// Something else is there: another kind of file, a symbolic link, a socket of another owner or
    /// type. It was not touched.
    #[doc(alias = "EEXIST")]
    #[error("something that is not a door of ours is at {path}")]
    Foreign {
        /// The name.
        path: PathBuf,
    },
    /// The name, or the directory that it should be made in, does not exist.
    #[doc(alias = "ENOENT")]
    #[error("no such name: {path}")]
    NotFound {
        /// The name.
        path: PathBuf,
    },
    /// The modes of the name or of its directories forbid it.
    #[doc(alias = "EACCES")]
    #[doc(alias = "EPERM")]
    #[error("permission denied for {path}")]
    Permission {
        /// The name.
        path: PathBuf,
    },
    /// The path, or a component of it, is too long.
    #[doc(alias = "ENAMETOOLONG")]
    #[error("{} is too long, at most {limit} bytes can be used: {path}", too_long(*limit))]
    TooLong {
        /// The name.
        path: PathBuf,
        /// How many bytes the part that is too long could have had.
        limit: usize,
    },
    /// A component before the last is no directory.
    #[doc(alias = "ENOTDIR")]
    #[error("a component before the last is not a directory in {path}")]
    NotADirectory {
        /// The name.
        path: PathBuf,
    },
    /// The path goes through too many symbolic links.
    #[doc(alias = "ELOOP")]
    #[error("too many symbolic links in {path}")]
    Loop {
        /// The name.
        path: PathBuf,
    },
    /// Everybody may remove and replace what is in the directory (mode o+w without the sticky bit).
    #[error("everybody may replace what is in the directory of {path}")]
    OpenDirectory {
        /// The name.
        path: PathBuf,
    },
    /// Another process has kept the directory locked for too long.
    #[error("another process keeps the directory of {path} locked")]
    Locked {
        /// The name.
        path: PathBuf,
    },
    /// The path is too long for a socket address, and `/proc` is not there to shorten it, or a mode
    /// could not be set without it.
    #[error("/proc is needed for {path} but is not mounted")]
    NoProc {
        /// The name.
        path: PathBuf,
    },
    /// What is there is no door: another kind of file or socket.
    #[doc(alias = "EBADF")]
    #[error("{path} is not a door")]
    NotADoor {
        /// The name.
        path: PathBuf,
    },
    /// A name without a server.
    #[doc(alias = "ECONNREFUSED")]
    #[error("no server is behind the name {path}")]
    NoServer {
        /// The name.
        path: PathBuf,
    },
    /// The server did not make room for another connection before the deadline.
    #[doc(alias = "EAGAIN")]
    #[error("the server behind {path} accepted no connection in time")]
    TimedOut {
        /// The name.
        path: PathBuf,
    },
    /// The kernel refused an operation for another reason.
    #[error("{op} failed for {path}")]
    System {
        /// The name.
        path: PathBuf,
        /// What was tried.
        op: &'static str,
        /// What the kernel said.
        source: Errno,
    },
}

/// Which part of a path has this limit.
fn too_long(limit: usize) -> &'static str {
    match limit {
        PATH_LIMIT => "the path",
        COMPONENT_LIMIT => "a component of the path",
        // What is left of a socket address behind the way through a directory descriptor.
        _ => "in a path of this length the last component",
    }
}

impl NameError {
    /// Sorts what the kernel said about a path. The errors that only one verb can meet are its own
    /// affair.
    pub(super) fn new(path: &Path, op: &'static str, source: Errno) -> Self {
        let path = path.to_path_buf();
        match source {
            Errno::ENOENT => Self::NotFound { path },
            Errno::EACCES | Errno::EPERM => Self::Permission { path },
            Errno::ENOTDIR => Self::NotADirectory { path },
            Errno::ELOOP => Self::Loop { path },
            Errno::ENAMETOOLONG if path.as_os_str().len() > PATH_LIMIT => Self::TooLong {
                path,
                limit: PATH_LIMIT,
            },
            Errno::ENAMETOOLONG => Self::TooLong {
                path,
                limit: COMPONENT_LIMIT,
            },
            _ => Self::System { path, op, source },
        }
    }
}
