//! Who is at the other end of a connection, as the kernel tells its server.
#![expect(
    unsafe_code,
    reason = "PIDFD_GET_INFO and SO_PEERGROUPS lack safe wrappers"
)]

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{getsockopt, sockopt};

use crate::Result;

/// Supplementary groups that there is room for: whoever has more is not known to this floor.
const GROUPS: usize = 64;

/// A caller as its server procedure may ask for it: none of this can be made up, nor become another process's meanwhile.
#[derive(Debug)]
pub(crate) struct Identity {
    pid: i32,
    /// As long as it is open, the pid is nobody else's.
    _process: OwnedFd,
}

impl Identity {
    /// Whoever has connected this socket.
    pub(crate) fn of(socket: impl AsFd) -> Result<Self> {
        let noted = getsockopt(&socket, sockopt::PeerCredentials)?;
        let process = getsockopt(&socket, sockopt::PeerPidfd)?;
        let pid = pid(&process)?;
        if pid != noted.pid() {
            return Err("the process is of another namespace".into());
        }
        ask_groups(&socket)?;
        Ok(Self {
            pid,
            _process: process,
        })
    }

    /// In our namespace.
    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }
}

/// The pid behind a pidfd in our own namespace (`PIDFD_GET_INFO`, Linux 6.13).
fn pid(process: &OwnedFd) -> Result<i32> {
    // SAFETY: `pidfd_info` consists of integers; all of them zero is a value of it.
    let mut info: libc::pidfd_info = unsafe { std::mem::zeroed() };
    info.mask = u64::from(libc::PIDFD_INFO_PID | libc::PIDFD_INFO_CREDS);
    // SAFETY: this is a pidfd, the request number carries the size of this same type, and the kernel writes no more than
    // that; `info` lives across the call.
    let asked = unsafe { libc::ioctl(process.as_raw_fd(), libc::PIDFD_GET_INFO, &raw mut info) };
    Errno::result(asked)?;
    Ok(i32::try_from(info.pid)?)
}

/// Asks for the supplementary groups of the moment of connecting.
fn ask_groups(socket: impl AsFd) -> Result<()> {
    let mut groups = [0_u32; GROUPS];
    let mut len = libc::socklen_t::try_from(size_of_val(&groups))?;
    // SAFETY: `groups` has `len` writable bytes, and any bits are a u32; the kernel writes no more than it is offered. Both
    // live across the call.
    let asked = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERGROUPS,
            groups.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    Errno::result(asked)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn who_has_made_a_pair_is_at_its_other_end() {
        let (one, _other) = UnixStream::pair().unwrap();
        // An older kernel cannot tell.
        if getsockopt(&one, sockopt::PeerPidfd).is_ok_and(|process| pid(&process).is_ok()) {
            let own = nix::unistd::getpid().as_raw();
            assert_eq!(Identity::of(&one).unwrap().pid(), own);
        }
    }
}
