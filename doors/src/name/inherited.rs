//! Listeners that a service manager made for us.

use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::Name;
use super::place::{FileId, Place, is_socket};
use crate::sys::listen::{self, InheritError, take_passed};
use crate::sys::socket::number_senders;

/// The listeners that `LISTEN_FDS` announces to this process, each with its name from
/// `LISTEN_FDNAMES`, made ready to serve doors (`sd_listen_fds(3)`). The environment stays as it
/// is; the second list is empty.
///
/// A connection gets its listener's options when it is made (seen on Linux 6.18), so the one that
/// made the manager start us has none of those set here: whoever accepts sets them on each.
pub(crate) fn inherited_listeners() -> Result<Vec<(Option<String>, OwnedFd)>, InheritError> {
    let listeners = take_passed()?;
    for (_, listener) in &listeners {
        make_ready(listener).map_err(|(op, source)| InheritError::System { op, source })?;
    }
    Ok(listeners)
}

fn make_ready(listener: &OwnedFd) -> Result<(), (&'static str, Errno)> {
    let flags = fcntl(listener, FcntlArg::F_GETFL).map_err(|errno| ("fcntl(F_GETFL)", errno))?;
    let flags = OFlag::from_bits_retain(flags) | OFlag::O_NONBLOCK;
    fcntl(listener, FcntlArg::F_SETFL(flags)).map_err(|errno| ("fcntl(F_SETFL)", errno))?;
    number_senders(listener).map_err(|errno| ("setsockopt", errno))
}

impl Name {
    /// The name of a listener that another program bound.
    ///
    /// `None` if it has none in the file system, or if something else is there by now.
    pub(crate) fn of_listener(listener: &OwnedFd) -> Option<Self> {
        let address = listen::address(listener).ok()?;
        // A relative path, or one through /proc, means something to its binder only.
        let means_the_same = |path: &&Path| path.is_absolute() && !path.starts_with("/proc");
        let path = address.path().filter(means_the_same)?;
        let place = Place::find(path).ok()?;
        let (inode, stat) = place.pin().ok()??;
        let id = FileId::of(&stat);
        // Without sock_diag(7) the path is believed.
        if !is_socket(&stat) || id.is_of(listener) == Some(false) {
            return None;
        }
        Some(Self { place, inode, id })
    }
}
