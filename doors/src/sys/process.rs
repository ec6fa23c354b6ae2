//! A process that is held by a descriptor.
//!
//! Invariants, cited below:
//! * **P1**: [`Process::fd`] is a pidfd. Every constructor checks it or has it from the kernel.
//! * **P2**: what is read by a pid counts only if the pidfd shows afterwards that the process has
//!   not exited. Its pid belonged to nobody else in the meantime.
#![expect(
    unsafe_code,
    reason = "pidfd_open(2) and PIDFD_GET_INFO lack safe wrappers"
)]

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::fstat;
use nix::sys::statfs::{FsType, fstatfs};

use super::Result;
use super::ids::{ProcessIds, numbers, read};
use crate::primitive::{AtomicU64, Ordering};

/// The file system of pidfds since Linux 6.9 (`PID_FS_MAGIC`). Each process has an inode number
/// there which is not given out again.
const PIDFS: FsType = FsType(0x5049_4446);

/// Reads of a process that keeps changing its ids before we give up.
const MAX_READS: usize = 4;

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

    /// Whether a pidfd from elsewhere is one of this process.
    pub(crate) fn is_meant_by(&self, pidfd: OwnedFd) -> Result<bool> {
        match (self.id.inode, pidfs_inode(&pidfd)?) {
            (Some(ours), Some(theirs)) => Ok(ours == theirs),
            _ => self.same_as(&Self::from_pidfd(pidfd)?),
        }
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

/// The inode number of a pidfd, or `None` if this is not a file of pidfs.
fn pidfs_inode(fd: &OwnedFd) -> Result<Option<libc::ino_t>> {
    /// The device number of pidfs, which the kernel mounts once and for all; 0 until it was seen.
    static DEVICE: AtomicU64 = AtomicU64::new(0);
    let file = fstat(fd)?;
    if file.st_dev == DEVICE.load(Ordering::Relaxed) && file.st_dev != 0 {
        return Ok(Some(file.st_ino));
    }
    if fstatfs(fd)?.filesystem_type() != PIDFS {
        return Ok(None);
    }
    DEVICE.store(file.st_dev, Ordering::Relaxed);
    Ok(Some(file.st_ino))
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
    let ours = numbers::<i32>(&read("/proc/thread-self/status")?, "Tgid:")?;
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
    match *numbers(&info, "Pid:").map_err(|_| Errno::EBADF)? {
        [-1] => Err(Errno::ESRCH),
        [pid] => Ok(pid),
        _ => Err(Errno::EBADF),
    }
}

/// Whether none of the events is there now, nor a hang-up or error.
pub(super) fn is_quiet(fd: BorrowedFd<'_>, events: PollFlags) -> Result<bool> {
    loop {
        match poll(&mut [PollFd::new(fd, events)], PollTimeout::ZERO) {
            // Even a poll that does not wait is interrupted by a pending signal.
            Err(Errno::EINTR) => {}
            result => return Ok(result? == 0),
        }
    }
}
