//! Who is at the other end of a connection, as the kernel tells its server.
#![expect(
    unsafe_code,
    reason = "PIDFD_GET_INFO and SO_PEERGROUPS lack safe wrappers"
)]

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, sockopt};

use crate::Result;

/// Supplementary groups that there is room for: whoever has more is not known to this floor.
const GROUPS: usize = 64;

/// What a connection says of who has made it, of the moment of connecting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noted {
    /// In our namespace; it may be another process's by now.
    pid: i32,
}

impl Noted {
    /// By this socket.
    pub(crate) fn at(socket: impl AsFd) -> Result<Self> {
        let pid = getsockopt(&socket, sockopt::PeerCredentials)?.pid();
        Ok(Self { pid })
    }

    pub(crate) fn pid(self) -> i32 {
        self.pid
    }
}

/// A caller as its server procedure may ask for it: none of this can be made up, nor become another process's meanwhile.
#[derive(Debug)]
pub(crate) struct Identity {
    pid: i32,
    /// As long as it is open, and not over, the pid is nobody else's.
    process: OwnedFd,
}

impl Identity {
    /// Whoever has connected this socket.
    pub(crate) fn of(socket: impl AsFd, noted: Noted) -> Result<Self> {
        let process = getsockopt(&socket, sockopt::PeerPidfd)?;
        let pid = pid(&process)?;
        if pid != noted.pid {
            return Err("the process is of another namespace".into());
        }
        Ok(Self { pid, process })
    }

    /// Whether this is who has made another connection later, of which something was received before this is asked.
    pub(crate) fn is_still(&self, noted: Noted) -> bool {
        // It becomes readable when the process exits (pidfd_open(2)).
        let mut process = [PollFd::new(self.process.as_fd(), PollFlags::POLLIN)];
        self.pid == noted.pid && poll(&mut process, PollTimeout::ZERO) == Ok(0)
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
pub(crate) fn ask_groups(socket: impl AsFd) -> Result<()> {
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
            let noted = Noted::at(&one).unwrap();
            assert_eq!(noted.pid(), nix::unistd::getpid().as_raw());
            assert!(Identity::of(&one, noted).unwrap().is_still(noted));
        }
    }
}
