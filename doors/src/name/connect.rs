//! Opens a name: connects to the listener behind it.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, socket};
use nix::sys::stat::{Mode, stat};

use super::backoff::Backoff;
use super::error::NameError;
use super::place::is_socket;
use super::proc::way_to;
use crate::sys::listen;

/// Connects to the door at `path` (symbolic links are followed), non-blocking ever after.
///
/// While the backlog of the server is full, this tries again until the deadline. With a deadline
/// that has passed it tries once.
pub(crate) fn connect(path: &Path, deadline: Instant) -> Result<OwnedFd, NameError> {
    let fail = |op| move |source| NameError::new(path, op, source);
    // The inode behind a long path is held until the connection is made: the address leads through
    // it.
    let (address, _held) = address(path)?;
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let caller =
        socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).map_err(fail("socket"))?;
    // Who sends is asked for when something is received here. A socket that asks before it connects or
    // sends gets an abstract name of its own (unix(7), "Autobind feature"), which costs more than all the
    // rest; packets are stamped all the same, since the server's end asks too.
    let mut backoff = Backoff::until(deadline);
    loop {
        let path = || path.to_path_buf();
        return match listen::connect(&caller, &address) {
            Ok(()) => Ok(caller),
            // The backlog is full. A blocking connect would park here for ever, and poll(2) tells
            // nothing about room in a backlog.
            Err(Errno::EAGAIN) if backoff.pause() => continue,
            Err(Errno::EAGAIN) => Err(NameError::TimedOut { path: path() }),
            Err(Errno::EINTR) => continue,
            // The kernel refuses in the same words whatever is not a socket.
            Err(Errno::ECONNREFUSED) if leads_to_a_socket(&address) => {
                Err(NameError::NoServer { path: path() })
            }
            Err(Errno::ECONNREFUSED | Errno::EPROTOTYPE | Errno::ENOTSOCK) => {
                Err(NameError::NotADoor { path: path() })
            }
            Err(errno) => Err(fail("connect")(errno)),
        };
    }
}

/// The socket address of a path for the calling thread, with what keeps it valid.
fn address(path: &Path) -> Result<(UnixAddr, Option<OwnedFd>), NameError> {
    let fail = |source| NameError::new(path, "open", source);
    if path.as_os_str().is_empty() {
        return Err(fail(Errno::ENOENT));
    }
    match UnixAddr::new(path) {
        Ok(address) => Ok((address, None)),
        Err(Errno::ENAMETOOLONG) => {
            // O_PATH asks no permission of the file itself: connect does, at the end of the way.
            let held = open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).map_err(fail)?;
            let way = way_to(&held).map_err(fail)?;
            let way = way.ok_or_else(|| NameError::NoProc {
                path: path.to_path_buf(),
            })?;
            Ok((UnixAddr::new(&way).map_err(fail)?, Some(held)))
        }
        Err(errno) => Err(fail(errno)),
    }
}

/// Whether there is a socket at an address. It serves the wording of an error only.
fn leads_to_a_socket(address: &UnixAddr) -> bool {
    address
        .path()
        .is_none_or(|path| stat(path).map_or(true, |stat| is_socket(&stat)))
}
