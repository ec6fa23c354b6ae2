//! Makes way for a name: finds out what is there now, then removes it if it is the remains of a
//! door.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, socket};
use nix::unistd::geteuid;

use super::error::NameError;
use super::place::{FileId, Place, is_socket};
use crate::sys::listen::connect;

/// What the socket behind an inode turned out to be.
enum Finding {
    /// No socket is bound to it any more.
    Stale,
    /// A socket of our type is.
    Door,
    /// Another socket is.
    Other,
    /// We may not ask.
    Barred,
}

/// Leaves the entry vacant, or says why that may not be. To be called under the lock.
pub(super) fn make_way(place: &Place) -> Result<(), NameError> {
    let path = || place.path.clone();
    let Some((inode, stat)) = place.pin()? else {
        return Ok(());
    };
    if !is_socket(&stat) {
        return Err(NameError::Foreign { path: path() });
    }
    let me = geteuid();
    let ours = me.is_root() || me.as_raw() == stat.st_uid;
    match probe(place, &inode)? {
        Finding::Door => Err(NameError::Busy { path: path() }),
        Finding::Stale if ours => place.unlink(FileId::of(&stat)).map(drop),
        Finding::Barred if ours => Err(NameError::Permission { path: path() }),
        Finding::Stale | Finding::Barred | Finding::Other => {
            Err(NameError::Foreign { path: path() })
        }
    }
}

/// Knocks at an inode.
///
/// The first knock is by a datagram socket, which no door can let in: EPROTOTYPE tells that some
/// socket is bound there, ECONNREFUSED that none is, and nobody notices. (A socket of the right
/// type gets ECONNREFUSED also between another's bind and its listen, and after a shutdown(2) of a
/// living listener.)
fn probe(place: &Place, inode: &OwnedFd) -> Result<Finding, NameError> {
    // The way through /proc ends at this very inode, whatever is at the path meanwhile.
    let address = match place.proc(inode) {
        Ok(way) => UnixAddr::new(&way).map_err(place.fail("connect"))?,
        Err(NameError::NoProc { .. }) => place.address()?,
        Err(error) => return Err(error),
    };
    match knock(SockType::Datagram, &address) {
        Err(Errno::EPROTOTYPE) => {}
        Err(Errno::ECONNREFUSED) => return Ok(Finding::Stale),
        // EPERM: a datagram socket that is connected to somebody else.
        Ok(()) | Err(Errno::EPERM) => return Ok(Finding::Other),
        Err(Errno::EACCES) => return Ok(Finding::Barred),
        Err(errno) => return Err(place.fail("connect")(errno)),
    }
    match knock(SockType::SeqPacket, &address) {
        // EAGAIN: its backlog is full. ECONNREFUSED: bound, not listening (yet).
        Ok(()) | Err(Errno::EAGAIN | Errno::ECONNREFUSED) => Ok(Finding::Door),
        Err(Errno::EPROTOTYPE) => Ok(Finding::Other),
        Err(errno) => Err(place.fail("connect")(errno)),
    }
}

fn knock(kind: SockType, address: &UnixAddr) -> Result<(), Errno> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let knocker = socket(AddressFamily::Unix, kind, flags, None)?;
    connect(&knocker, address)
}
