//! The place of a name: an open directory with the name of one entry in it.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use libc::{dev_t, ino_t, mode_t};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, Flock, FlockArg, OFlag, open, openat};
use nix::sys::socket::UnixAddr;
use nix::sys::stat::{FileStat, Mode, fstat, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::backoff::Backoff;
use super::error::NameError;
use super::proc::way_to;
use crate::sys::diag::bound_inode;

/// How long the directory's lock is waited for. Who holds it needs a fraction of a millisecond; but
/// whoever may read the directory may also hold its lock for ever.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest path of a socket address: unix(7) gives `sun_path` 108 bytes, one of them for the
/// NUL.
const ADDRESS_LIMIT: usize = 107;

/// Which file an inode is, as long as something holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileId {
    device: dev_t,
    inode: ino_t,
}

impl FileId {
    pub(super) fn of(stat: &FileStat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
        }
    }

    /// Whether a socket is bound to this file; `None` if the kernel does not tell.
    pub(super) fn is_of(self, socket: &OwnedFd) -> Option<bool> {
        let bound = bound_inode(fstat(socket).ok()?.st_ino).ok()??;
        // The kernel tells the low half of the number.
        Some(self.inode & u64::from(u32::MAX) == u64::from(bound))
    }
}

pub(super) fn is_socket(stat: &FileStat) -> bool {
    stat.st_mode & libc::S_IFMT == libc::S_IFSOCK
}

/// A directory, held so that nobody can put another in its stead, with an entry that may or may not
/// exist.
#[derive(Debug)]
pub(super) struct Place {
    /// The whole path, made absolute.
    pub(super) path: PathBuf,
    directory: OwnedFd,
    entry: OsString,
}

impl Place {
    /// Opens the directory of a path. Symbolic links are followed here, unlike at the last
    /// component.
    pub(super) fn find(path: &Path) -> Result<Self, NameError> {
        let fail = |source| NameError::new(path, "open", source);
        if path.as_os_str().is_empty() {
            // The kernel would take it for a wish to get an abstract name (unix(7), "Autobind
            // feature").
            return Err(fail(Errno::ENOENT));
        }
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        if path.as_os_str().as_bytes().ends_with(b"/") {
            // What is there is a directory, if anything is.
            open(path, flags, Mode::empty()).map_err(fail)?;
            let path = path.to_path_buf();
            return Err(NameError::Foreign { path });
        }
        let path = std::path::absolute(path)
            .map_err(|error| fail(error.raw_os_error().map_or(Errno::EINVAL, Errno::from_raw)))?;
        let (Some(parent), Some(entry)) = (path.parent(), path.file_name()) else {
            // It ends with `..`, which is always there.
            return Err(NameError::Foreign { path });
        };
        let directory = open(parent, flags, Mode::empty()).map_err(fail)?;
        let entry = entry.to_owned();
        Ok(Self {
            path,
            directory,
            entry,
        })
    }

    /// The error that the kernel's word about this place amounts to.
    pub(super) fn fail(&self, op: &'static str) -> impl FnOnce(Errno) -> NameError {
        move |source| NameError::new(&self.path, op, source)
    }

    /// Takes the lock under which doors make and remove names in this directory.
    ///
    /// An flock(2) belongs to the open file description, so each lock has one of its own: two
    /// threads with the same name exclude each other too.
    pub(super) fn lock(&self) -> Result<Flock<OwnedFd>, NameError> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut directory = openat(&self.directory, ".", flags, Mode::empty())
            .map_err(self.fail("open the directory"))?;
        let mut backoff = Backoff::for_at_most(PATIENCE);
        loop {
            match Flock::lock(directory, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Ok(lock),
                Err((again, Errno::EWOULDBLOCK)) if backoff.pause() => directory = again,
                Err((_, Errno::EWOULDBLOCK)) => {
                    return Err(NameError::Locked {
                        path: self.path.clone(),
                    });
                }
                Err((again, Errno::EINTR)) => directory = again,
                Err((_, errno)) => return Err(self.fail("flock")(errno)),
            }
        }
    }

    /// Refuses a directory in which everybody could put something else in the name's stead.
    pub(super) fn refuse_open_directory(&self) -> Result<(), NameError> {
        let mode = fstat(&self.directory).map_err(self.fail("fstat"))?.st_mode;
        let open: mode_t = libc::S_IWOTH;
        if mode & (open | libc::S_ISVTX) == open {
            return Err(NameError::OpenDirectory {
                path: self.path.clone(),
            });
        }
        Ok(())
    }

    /// What is at the entry now; the last component is not followed.
    pub(super) fn look(&self) -> Result<Option<FileStat>, NameError> {
        match fstatat(
            &self.directory,
            self.entry.as_os_str(),
            AtFlags::AT_SYMLINK_NOFOLLOW,
        ) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(self.fail("fstatat")(errno)),
        }
    }

    /// Holds what is at the entry now, whatever becomes of the entry.
    pub(super) fn pin(&self) -> Result<Option<(OwnedFd, FileStat)>, NameError> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        match openat(
            &self.directory,
            self.entry.as_os_str(),
            flags,
            Mode::empty(),
        ) {
            Ok(inode) => {
                let stat = fstat(&inode).map_err(self.fail("fstat"))?;
                Ok(Some((inode, stat)))
            }
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(self.fail("open")(errno)),
        }
    }

    /// Removes the entry if it still is this file. To be called under the lock.
    pub(super) fn unlink(&self, file: FileId) -> Result<bool, NameError> {
        if self.look()?.is_none_or(|stat| FileId::of(&stat) != file) {
            return Ok(false);
        }
        self.unlink_unseen()
    }

    /// Removes the entry, whatever it is; false if there was none.
    pub(super) fn unlink_unseen(&self) -> Result<bool, NameError> {
        match unlinkat(
            &self.directory,
            self.entry.as_os_str(),
            UnlinkatFlags::NoRemoveDir,
        ) {
            Ok(()) => Ok(true),
            Err(Errno::ENOENT) => Ok(false),
            Err(errno) => Err(self.fail("unlink")(errno)),
        }
    }

    /// Whether the path is short enough to be a socket address itself.
    pub(super) fn is_short(&self) -> bool {
        self.path.as_os_str().len() <= ADDRESS_LIMIT
    }

    /// The address of the entry for the calling thread: the path itself, so that `ss` shows it, or,
    /// if that is too long, the way through the open directory.
    pub(super) fn address(&self) -> Result<UnixAddr, NameError> {
        if self.is_short() {
            return UnixAddr::new(self.path.as_path()).map_err(self.fail("bind"));
        }
        let way = self.proc(&self.directory)?;
        let limit = ADDRESS_LIMIT
            .saturating_sub(way.as_os_str().len())
            .saturating_sub(1);
        if self.entry.len() > limit {
            return Err(NameError::TooLong {
                path: self.path.clone(),
                limit,
            });
        }
        UnixAddr::new(&way.join(&self.entry)).map_err(self.fail("bind"))
    }

    /// The way through `/proc` to an open file.
    pub(super) fn proc(&self, fd: impl AsFd) -> Result<PathBuf, NameError> {
        let way = way_to(fd).map_err(self.fail("stat /proc"))?;
        way.ok_or_else(|| NameError::NoProc {
            path: self.path.clone(),
        })
    }
}
