//! The process at the other end of a socket.
//!
//! Invariants, cited below:
//! * **P1**: [`Process::fd`] is a pidfd. Every constructor checks it or has it from the kernel.
//! * **P2**: what is read by a pid counts only if the pidfd shows afterwards that the process has
//!   not exited. Its pid belonged to nobody else in the meantime.
#![expect(
    unsafe_code,
    reason = "SO_PEERGROUPS, pidfd_open(2) and PIDFD_GET_INFO lack safe wrappers"
)]

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::str::FromStr;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, sockopt};
use nix::sys::stat::fstat;
use nix::sys::statfs::{FsType, fstatfs};

use super::Result;

/// The file system of pidfds since Linux 6.9 (`PID_FS_MAGIC`). Each process has an inode number
/// there which is not given out again.
const PIDFS: FsType = FsType(0x5049_4446);

/// The most supplementary groups that a process can have (`NGROUPS_MAX`, credentials(7)).
const MAX_GROUPS: usize = 65_536;

/// Reads of a process that keeps changing its ids before we give up.
const MAX_READS: usize = 4;

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
    let cred = getsockopt(&socket, sockopt::PeerCredentials)?;
    Ok(PeerCred {
        pid: cred.pid(),
        uid: cred.uid(),
        gid: cred.gid(),
    })
}

/// Asks a connected socket for its peer's supplementary groups, as of the moment of [`peer_cred`].
pub(crate) fn peer_groups(socket: impl AsFd) -> Result<Vec<u32>> {
    let mut room = 64_usize;
    while room <= MAX_GROUPS {
        let mut groups = vec![0_u32; room];
        let full = libc::socklen_t::try_from(size_of_val(groups.as_slice()));
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
            Ok(_) => {
                groups.truncate(count);
                return Ok(groups);
            }
            Err(Errno::ERANGE) if count > room => room = count,
            Err(error) => return Err(error),
        }
    }
    Err(Errno::EOVERFLOW)
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

/// A process, held by a descriptor which never comes to mean another one (`pidfd_open(2)`).
#[derive(Debug)]
pub(crate) struct Process {
    fd: OwnedFd,
    id: ProcessId,
}

/// Tells a process from every other one, for as long as a [`Process`] of it exists.
///
/// With pidfs it stays unique when the process is long gone; before Linux 6.9 a pid can come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ProcessId {
    inode: Option<libc::ino_t>,
    pid: i32,
}

impl ProcessId {
    /// A process of which only the pid is known, and which may have gone: no more than a hint.
    pub(crate) fn noted(pid: i32) -> Self {
        Self { inode: None, pid }
    }
}

/// The ids of a process at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProcessIds {
    pub(crate) ruid: u32,
    pub(crate) euid: u32,
    pub(crate) rgid: u32,
    pub(crate) egid: u32,
    /// Supplementary.
    pub(crate) groups: Vec<u32>,
}

impl Process {
    /// Opens the process that has this pid now.
    #[expect(clippy::disallowed_methods, reason = "pidfd_open returns a raw number")]
    pub(crate) fn open(pid: i32) -> Result<Self> {
        let flags: libc::c_uint = 0;
        // SAFETY: pidfd_open takes two integers and touches no memory of ours.
        let raw = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, flags) })?;
        let raw = i32::try_from(raw).map_err(|_| Errno::EBADF)?;
        // SAFETY: the kernel has just made this descriptor for us (close-on-exec, as every pidfd),
        // and nobody else knows its number.
        let fd = unsafe { OwnedFd::from_raw_fd(raw) };
        let inode = pidfs_inode(&fd)?;
        Ok(Self {
            fd,
            id: ProcessId { inode, pid },
        })
    }

    /// Opens our own process.
    pub(crate) fn current() -> Result<Self> {
        Self::open(nix::unistd::getpid().as_raw())
    }

    /// Takes a pidfd from elsewhere. `EBADF`: it is none. `ESRCH`: its process was reaped.
    ///
    /// A process outside our pid namespace has pid 0. Without pidfs two such processes could not be
    /// told apart, so there they are refused (`EREMOTE`).
    pub(crate) fn from_pidfd(fd: OwnedFd) -> Result<Self> {
        let inode = pidfs_inode(&fd)?;
        // No ioctl before it is known to be a pidfd: to a device the number may mean anything.
        let pid = match inode.map(|_| pidfd_info(&fd)) {
            Some(Ok(info)) => i32::try_from(info.pid).map_err(|_| Errno::EOVERFLOW)?,
            Some(Err(Errno::EREMOTE)) => 0,
            // Kernels without EREMOTE say the same of a process outside as of one that was reaped.
            Some(Err(Errno::ESRCH)) if is_quiet(fd.as_fd(), PollFlags::POLLIN)? => 0,
            Some(Err(Errno::ESRCH)) => return Err(Errno::ESRCH),
            Some(Err(_)) => own_pid_by_procfs(&fd)?,
            None => match own_pid_by_procfs(&fd)? {
                0 => return Err(Errno::EREMOTE),
                pid => pid,
            },
        };
        Ok(Self {
            fd,
            id: ProcessId { inode, pid },
        })
    }

    /// Whether the process has not yet exited. A zombie has.
    ///
    /// A pidfd polls as readable from the moment its process terminates (`pidfd_open(2)`).
    pub(crate) fn is_alive(&self) -> Result<bool> {
        is_quiet(self.fd.as_fd(), PollFlags::POLLIN)
    }

    /// The pid in our namespace, or zero if it has none there. Remembered: it outlives the process.
    pub(crate) fn pid(&self) -> i32 {
        self.id.pid
    }

    /// A key for tables of processes.
    pub(crate) fn id(&self) -> ProcessId {
        self.id
    }

    /// Whether both are the same process.
    pub(crate) fn same_as(&self, other: &Self) -> Result<bool> {
        match (self.id.inode, other.id.inode) {
            (Some(ours), Some(theirs)) => Ok(ours == theirs),
            // Two living processes do not share a pid.
            _ => Ok(self.id == other.id && self.is_alive()? && other.is_alive()?),
        }
    }

    /// Reads the ids that the process has now. `ESRCH`: it has exited.
    ///
    /// `/proc` shows ids with groups as of one moment, but by pid, and perhaps through the mount of
    /// another namespace; the pidfd itself vouches for the ids where it can (Linux 6.13). `EAGAIN`:
    /// the two never agreed, since the process kept changing.
    pub(crate) fn credentials(&self) -> Result<ProcessIds> {
        for _ in 0..MAX_READS {
            let ids = ProcessIds::parse(&self.status()?)?;
            match self.id.inode.map(|_| pidfd_info(&self.fd)) {
                Some(Ok(info)) if !ids.agree_with(&info) => {}
                Some(Err(Errno::ESRCH)) => return Err(Errno::ESRCH),
                _ => return Ok(ids),
            }
        }
        Err(Errno::EAGAIN)
    }

    /// Reads the status file of this process and of no other (P2).
    fn status(&self) -> Result<Vec<u8>> {
        let pid = procfs_pid(&self.fd)?;
        // Outside our pid namespace, or outside that of this mount of /proc.
        if self.id.pid == 0 || pid == 0 {
            return Err(Errno::EREMOTE);
        }
        let status = read(&format!("/proc/{pid}/status"));
        if self.is_alive()? {
            status
        } else {
            Err(Errno::ESRCH)
        }
    }
}

impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl ProcessIds {
    /// Reads a `/proc/<pid>/status` file.
    fn parse(status: &[u8]) -> Result<Self> {
        let (user, group) = (first_two(status, "Uid:")?, first_two(status, "Gid:")?);
        Ok(Self {
            ruid: user.0,
            euid: user.1,
            rgid: group.0,
            egid: group.1,
            groups: values(status, "Groups:")?,
        })
    }

    fn agree_with(&self, info: &libc::pidfd_info) -> bool {
        [self.ruid, self.euid, self.rgid, self.egid] == [info.ruid, info.euid, info.rgid, info.egid]
    }
}

/// Our effective uid.
pub(crate) fn effective_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// The uid that stands for all those without a name in our user namespace, if there are any.
pub(crate) fn stand_in_uid() -> Option<u32> {
    stand_in("/proc/thread-self/uid_map", "/proc/sys/kernel/overflowuid")
}

/// The gid that stands for all those without a name in our user namespace, if there are any.
pub(crate) fn stand_in_gid() -> Option<u32> {
    stand_in("/proc/thread-self/gid_map", "/proc/sys/kernel/overflowgid")
}

/// An id without a mapping shows as the overflow id (`user_namespaces(7)`), even if the map gives
/// that number to a real user as well. A map that cannot be read counts as one with gaps.
fn stand_in(map: &str, overflow: &str) -> Option<u32> {
    const DEFAULT: u32 = 65_534;
    if names_every_id(&read(map).unwrap_or_default()) {
        return None;
    }
    let chosen = read(overflow).and_then(|text| values(&text, ""));
    Some(
        chosen
            .ok()
            .and_then(|ids| ids.first().copied())
            .unwrap_or(DEFAULT),
    )
}

/// Whether an id map covers all 2^32 - 1 ids; its lines are: first inside, first outside, count.
fn names_every_id(map: &[u8]) -> bool {
    let lines = map
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    let total = lines.map(|line| match values::<u64>(line, "").as_deref() {
        Ok([_, _, count]) => *count,
        _ => 0,
    });
    total.fold(0, u64::saturating_add) == u64::from(u32::MAX)
}

/// The inode number of a pidfd, or `None` if this is not a file of pidfs.
fn pidfs_inode(fd: &OwnedFd) -> Result<Option<libc::ino_t>> {
    if fstatfs(fd)?.filesystem_type() == PIDFS {
        Ok(Some(fstat(fd)?.st_ino))
    } else {
        Ok(None)
    }
}

/// Asks a pidfd for pid and ids (`PIDFD_GET_INFO`, Linux 6.13). To be called for pidfds only (P1).
fn pidfd_info(fd: &OwnedFd) -> Result<libc::pidfd_info> {
    let wanted = u64::from(libc::PIDFD_INFO_PID | libc::PIDFD_INFO_CREDS);
    // SAFETY: `pidfd_info` consists of integers; all of them zero is a value of it.
    let mut info: libc::pidfd_info = unsafe { std::mem::zeroed() };
    info.mask = wanted;
    // SAFETY: the request number carries the size of this same type, and the kernel writes no more
    // than that; `info` lives across the call.
    Errno::result(unsafe { libc::ioctl(fd.as_raw_fd(), libc::PIDFD_GET_INFO, &raw mut info) })?;
    if info.mask & wanted == wanted {
        Ok(info)
    } else {
        Err(Errno::ESRCH)
    }
}

/// The pid behind a pidfd in our own namespace, from `/proc`.
fn own_pid_by_procfs(fd: &OwnedFd) -> Result<i32> {
    // A pid namespace entered without a new mount of /proc still sees the numbers outside.
    let ours = values::<i32>(&read("/proc/thread-self/status")?, "Tgid:")?;
    if ours == [nix::unistd::getpid().as_raw()] {
        procfs_pid(fd)
    } else {
        Err(Errno::EOPNOTSUPP)
    }
}

/// The pid behind a pidfd as this mount of `/proc` names it: zero if the process lies outside of
/// its namespace. `ESRCH`: the process was reaped (it shows -1). `EBADF`: this is not a pidfd.
fn procfs_pid(fd: &OwnedFd) -> Result<i32> {
    let info = read(&format!("/proc/thread-self/fdinfo/{}", fd.as_raw_fd()))?;
    match *values(&info, "Pid:").map_err(|_| Errno::EBADF)? {
        [-1] => Err(Errno::ESRCH),
        [pid] => Ok(pid),
        _ => Err(Errno::EBADF),
    }
}

/// Whether none of the events is there now, nor a hang-up or error.
fn is_quiet(fd: BorrowedFd<'_>, events: PollFlags) -> Result<bool> {
    loop {
        match poll(&mut [PollFd::new(fd, events)], PollTimeout::ZERO) {
            // Even a poll that does not wait is interrupted by a pending signal.
            Err(Errno::EINTR) => {}
            result => return Ok(result? == 0),
        }
    }
}

fn read(path: &str) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| Errno::try_from(error).unwrap_or(Errno::EIO))
}

/// The real and the effective one of four ids; the saved and the file system's follow them
/// (`proc_pid_status(5)`).
fn first_two(status: &[u8], name: &str) -> Result<(u32, u32)> {
    match *values(status, name)? {
        [real, effective, _, _] => Ok((real, effective)),
        _ => Err(Errno::EPROTO),
    }
}

/// The numbers on the line that begins with `name`.
///
/// A process chooses its own `Name:`, so a line which is there twice is one too many.
fn values<T: FromStr>(text: &[u8], name: &str) -> Result<Vec<T>> {
    let lines = text.trim_ascii_end().split(|byte| *byte == b'\n');
    let mut found = lines.filter_map(|line| line.strip_prefix(name.as_bytes()));
    let (Some(line), None) = (found.next(), found.next()) else {
        return Err(Errno::EPROTO);
    };
    let line = str::from_utf8(line).map_err(|_| Errno::EPROTO)?;
    line.split_ascii_whitespace()
        .map(|word| word.parse().map_err(|_| Errno::EPROTO))
        .collect()
}
