//! Makes a name: a socket that is born with its mode, then listens.

use std::os::fd::OwnedFd;
use std::path::Path;

use libc::mode_t;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, fchmod, fchmodat, fstat, lstat};
use nix::unistd::{Gid, Uid, fchownat, unlink};

use super::error::NameError;
use super::place::{FileId, Place, is_socket};
use super::probe::make_way;
use super::{BACKLOG, Name};
use crate::sys::listen::{bind, listen};
use crate::sys::socket::number_senders;

/// The user and the group that a name is to belong to, as far as they are to be changed.
type Owner = (Option<u32>, Option<u32>);

impl Name {
    /// Makes a name at `path`, with the permission bits of `mode`, for the listener that it returns
    /// (non-blocking). The write bit is what gives access: connect(2) asks for it.
    ///
    /// What a dead door left there is removed; everything else stays and is an error. The last
    /// component may not be a symbolic link, the directory must be readable for its lock
    /// (flock(2)). The permissions are never wider than asked for, not even for an instant, and no
    /// connection is let in before they are as asked for.
    pub(crate) fn bind(
        path: &Path,
        mode: u32,
        owner: Option<Owner>,
    ) -> Result<(Self, OwnedFd), NameError> {
        let mode = Mode::from_bits_truncate(mode & 0o777);
        let place = Place::find(path)?;
        place.refuse_open_directory()?;
        let address = place.address()?;
        // bind(2) gives the inode the mode of the socket less the umask. The bits for the group and
        // others mean other people once the owner is changed, so until then they are left out.
        let at_birth = if owner.is_some() {
            mode & Mode::S_IRWXU
        } else {
            mode
        };
        let listener = prepare(at_birth).map_err(place.fail("socket"))?;

        let _lock = place.lock()?;
        make_way(&place)?;
        match bind(&listener, &address) {
            Ok(()) => {}
            // Somebody without the lock was faster.
            Err(Errno::EADDRINUSE) => return Err(NameError::Busy { path: place.path }),
            Err(errno) => return Err(place.fail("bind")(errno)),
        }
        let born = match place.look() {
            Ok(Some(born)) if is_socket(&born) => born,
            Ok(_) => {
                forget_astray(&place, &listener);
                return Err(place.fail("bind")(Errno::ESTALE));
            }
            Err(error) => {
                // The entry was vacant before bind, so it is the socket.
                let _ = place.unlink_unseen();
                return Err(error);
            }
        };
        let id = FileId::of(&born);
        match finish(&place, &born, &listener, mode, owner) {
            Ok(inode) => Ok((Self { place, inode, id }, listener)),
            Err(error) => {
                // What went wrong first is what the caller should hear of.
                let _ = place.unlink(id);
                Err(error)
            }
        }
    }
}

/// A socket that is ready to be bound.
fn prepare(mode: Mode) -> Result<OwnedFd, Errno> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?;
    // Before anybody can connect: a connection gets its listener's options when it is made.
    number_senders(&socket)?;
    fchmod(&socket, mode)?;
    Ok(socket)
}

/// Turns a socket that was just bound into a name; what it returns holds the inode.
fn finish(
    place: &Place,
    born: &FileStat,
    listener: &OwnedFd,
    mode: Mode,
    owner: Option<Owner>,
) -> Result<OwnedFd, NameError> {
    let id = FileId::of(born);
    // The address was a path: make sure that it led into the directory that is locked.
    if place.is_short() {
        let found = lstat(place.path.as_path()).map_err(place.fail("lstat"))?;
        if FileId::of(&found) != id {
            return Err(place.fail("bind")(Errno::ESTALE));
        }
    }
    let pinned = place.pin()?.filter(|(_, stat)| FileId::of(stat) == id);
    let (inode, _) = pinned.ok_or_else(|| place.fail("bind")(Errno::ESTALE))?;
    if let Some((user, group)) = owner {
        let (user, group) = (user.map(Uid::from_raw), group.map(Gid::from_raw));
        fchownat(&inode, "", user, group, AtFlags::AT_EMPTY_PATH).map_err(place.fail("chown"))?;
    }
    let now = fstat(&inode).map_err(place.fail("fstat"))?.st_mode;
    if permissions(now) != mode {
        // Not by the name, in whose stead something else may be. fchmod(2) refuses O_PATH
        // descriptors, and fchmodat2(2) is as young as Linux 6.6.
        let way = place.proc(&inode)?;
        fchmodat(AT_FDCWD, &way, mode, FchmodatFlags::FollowSymlink)
            .map_err(place.fail("chmod"))?;
    }
    // Last, for nobody can connect before it: they are refused as if there were no server
    // (connect(2)).
    listen(listener, BACKLOG).map_err(place.fail("listen"))?;
    Ok(inode)
}

fn permissions(mode: mode_t) -> Mode {
    Mode::from_bits_truncate(mode & 0o777)
}

/// Removes a socket that was bound by a path which, at that instant, led into another directory.
///
/// It may not be there any more, so it goes only if the kernel says that it is this one. Otherwise
/// it stays as the name of a dead door.
fn forget_astray(place: &Place, listener: &OwnedFd) {
    let path = place.path.as_path();
    let is_ours = |stat: FileStat| FileId::of(&stat).is_of(listener) == Some(true);
    if place.is_short() && lstat(path).is_ok_and(is_ours) {
        // Nothing more can be done if it fails, and the caller hears of the failure anyway.
        let _ = unlink(path);
    }
}
