//! The process at the other end of a socket.
#![expect(unsafe_code, reason = "socket options are raw pointers")]

use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::socket::{getsockopt, sockopt};

use super::process::{Process, is_quiet};
use super::{Result, raw};

/// The most supplementary groups that a process can have (`NGROUPS_MAX`, credentials(7)).
const MAX_GROUPS: usize = 65_536;
/// As many as are asked for at once.
const FEW_GROUPS: usize = 64;

/// Who connected a socket or made its pair: a snapshot of that moment (`SO_PEERCRED`, unix(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PeerCred {
    /// Zero if the process has no pid in our namespace.
    pub(crate) pid: i32,
    /// Effective.
    pub(crate) uid: u32,
    /// Effective.
    pub(crate) gid: u32,
}

/// Asks a connected socket for its peer's pid, effective uid and effective gid.
pub(crate) fn peer_cred(socket: impl AsFd) -> Result<PeerCred> {
    let mut cred = libc::ucred {
        pid: 0,
        uid: 0,
        gid: 0,
    };
    let mut len = libc::socklen_t::try_from(size_of_val(&cred)).unwrap_or(0);
    let arguments = [
        raw::descriptor(socket.as_fd()),
        raw::number(libc::SOL_SOCKET.unsigned_abs()),
        raw::number(libc::SO_PEERCRED.unsigned_abs()),
        (&raw mut cred).expose_provenance(),
        (&raw mut len).expose_provenance(),
    ];
    // SAFETY: the kernel writes no more than `len` bytes, the size of what is there, and any bytes are credentials; both
    // live across the call (getsockopt(2)).
    unsafe { raw::call(libc::SYS_getsockopt, arguments)? };
    let libc::ucred { pid, uid, gid } = cred;
    Ok(PeerCred { pid, uid, gid })
}

/// Asks a connected socket for its peer's supplementary groups, as of the moment of [`peer_cred`].
pub(crate) fn peer_groups(socket: impl AsFd) -> Result<Vec<u32>> {
    // Most have few, or none: then there is nothing to allocate.
    let mut few = [0; FEW_GROUPS];
    let mut many = Vec::new();
    let mut room = few.as_mut_slice();
    loop {
        match read_groups(&socket, room)? {
            Read::All(count) => return Ok(room.get(..count).unwrap_or_default().to_vec()),
            Read::Needs(count) if count > room.len() && count <= MAX_GROUPS => {
                many.resize(count, 0);
                room = many.as_mut_slice();
            }
            Read::Needs(_) => return Err(Errno::EOVERFLOW),
        }
    }
}

/// What came of reading groups.
enum Read {
    All(usize),
    /// There are so many.
    Needs(usize),
}

fn read_groups(socket: &impl AsFd, groups: &mut [u32]) -> Result<Read> {
    let full = libc::socklen_t::try_from(size_of_val(groups));
    let mut len = full.map_err(|_| Errno::EOVERFLOW)?;
    // SAFETY: `groups` has `len` writable bytes, and any bit pattern is a u32; the kernel
    // writes no more than it is offered. Both live across the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERGROUPS,
            groups.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    // On success as with ERANGE, `len` is now the size of the whole list in bytes.
    let bytes = usize::try_from(len).map_err(|_| Errno::EOVERFLOW)?;
    let count = bytes.div_ceil(size_of::<u32>());
    match Errno::result(result) {
        Ok(_) => Ok(Read::All(count)),
        Err(Errno::ERANGE) => Ok(Read::Needs(count)),
        Err(error) => Err(error),
    }
}

/// Asks a connected socket for its peer as a process. `ESRCH`: it has gone. `EREMOTE`: it is
/// outside our pid namespace, and this kernel cannot tell such processes apart.
pub(crate) fn peer_pidfd(socket: impl AsFd) -> Result<Process> {
    match getsockopt(&socket, sockopt::PeerPidfd) {
        Ok(fd) => Process::from_pidfd(fd),
        // Before Linux 6.16 this is said of a peer that was reaped. To open its pid now would be to
        // open whoever has got the number since.
        Err(Errno::EINVAL | Errno::ENODATA) => Err(Errno::ESRCH),
        Err(Errno::ENOPROTOOPT) => peer_by_pid(&socket),
        Err(error) => Err(error),
    }
}

/// [`peer_pidfd`] before Linux 6.5, by the pid that the socket has noted.
///
/// The socket names that pid even when the process is dead, so the pid may be another's by now. A
/// peer that has closed its end is not trusted, nor a process whose user is not the noted one:
/// whoever arranges such a reuse gains nobody else's identity.
fn peer_by_pid(socket: impl AsFd) -> Result<Process> {
    let noted = peer_cred(&socket)?;
    if noted.pid == 0 {
        return Err(Errno::EREMOTE);
    }
    let process = Process::open(noted.pid)?;
    let same_user = process.credentials()?.euid == noted.uid;
    if same_user && peer_cred(&socket)? == noted && is_quiet(socket.as_fd(), PollFlags::empty())? {
        Ok(process)
    } else {
        Err(Errno::ESRCH)
    }
}
