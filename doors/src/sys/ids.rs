//! Ids of users and groups, as `/proc` writes them.

use std::str::FromStr;

use nix::errno::Errno;
use nix::sys::stat::stat;
#[cfg(feature = "derive")]
use nix::unistd::{Group, User};

use super::{Result, fork};
use crate::primitive::{AtomicU64, Ordering};

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

impl ProcessIds {
    /// Reads a `/proc/<pid>/status` file.
    pub(super) fn parse(status: &[u8]) -> Result<Self> {
        let (user, group) = (first_two(status, "Uid:")?, first_two(status, "Gid:")?);
        Ok(Self {
            ruid: user.0,
            euid: user.1,
            rgid: group.0,
            egid: group.1,
            groups: numbers(status, "Groups:")?,
        })
    }

    pub(super) fn agree_with(&self, info: &libc::pidfd_info) -> bool {
        [self.ruid, self.euid, self.rgid, self.egid] == [info.ruid, info.euid, info.rgid, info.egid]
    }
}

/// Our effective uid.
pub(crate) fn effective_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// The user with this name.
#[cfg(feature = "derive")]
pub(crate) fn user_named(name: &str) -> Result<Option<u32>> {
    found(User::from_name(name).map(|user| user.map(|user| user.uid.as_raw())))
}

/// The group with this name.
#[cfg(feature = "derive")]
pub(crate) fn group_named(name: &str) -> Result<Option<u32>> {
    found(Group::from_name(name).map(|group| group.map(|group| group.gid.as_raw())))
}

/// Sources of names say in several ways that they have none (`getgrnam_r(3)`).
#[cfg(feature = "derive")]
fn found(found: Result<Option<u32>>) -> Result<Option<u32>> {
    match found {
        Err(Errno::ENOENT | Errno::ESRCH | Errno::EBADF | Errno::EPERM) => Ok(None),
        other => other,
    }
}

/// The ids that stand for all those without a name in our user namespace, where there are any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StandIns {
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
}

/// The life of the process in which a thread runs that never ends; 0 before there is one.
static SETTLED: AtomicU64 = AtomicU64::new(0);

/// Says that the calling thread never ends, and does not leave its user namespace: then no thread of this process can
/// (unshare(2) and setns(2) refuse a process that has several), until it forks.
pub(crate) fn settle() {
    SETTLED.store(fork::life(), Ordering::Release);
}

impl StandIns {
    /// As they are now.
    ///
    /// An id without a mapping shows as the overflow id (`user_namespaces(7)`), even if the map gives that number to a
    /// real user as well. A map that cannot be read counts as one with gaps.
    pub(crate) fn now() -> Self {
        /// The user namespace whose maps were seen to have no gaps, by inode number; 0 none. A map is written once
        /// (`user_namespaces(7)`), so it need not be read for each caller.
        static WHOLE: AtomicU64 = AtomicU64::new(0);
        /// The life in which that is so for good.
        static WHOLE_IN: AtomicU64 = AtomicU64::new(0);
        let life = fork::life();
        if WHOLE_IN.load(Ordering::Relaxed) == life {
            return Self {
                uid: None,
                gid: None,
            };
        }
        // Read before the namespace: what is found then stays.
        let settled = SETTLED.load(Ordering::Acquire) == life;
        // A number is not given out again while its namespace is there, and a server, which has threads, cannot leave
        // its own.
        let namespace = stat("/proc/thread-self/ns/user").map_or(0, |file| file.st_ino);
        if namespace != 0 && WHOLE.load(Ordering::Relaxed) == namespace {
            if settled {
                WHOLE_IN.store(life, Ordering::Relaxed);
            }
            return Self {
                uid: None,
                gid: None,
            };
        }
        let found = Self {
            uid: stand_in("/proc/thread-self/uid_map", "/proc/sys/kernel/overflowuid"),
            gid: stand_in("/proc/thread-self/gid_map", "/proc/sys/kernel/overflowgid"),
        };
        if found.uid.is_none() && found.gid.is_none() {
            WHOLE.store(namespace, Ordering::Relaxed);
        }
        found
    }
}

fn stand_in(map: &str, overflow: &str) -> Option<u32> {
    const DEFAULT: u32 = 65_534;
    if names_every_id(&read(map).unwrap_or_default()) {
        return None;
    }
    let chosen = read(overflow).and_then(|text| numbers(&text, ""));
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
    let total = lines.map(|line| match numbers::<u64>(line, "").as_deref() {
        Ok([_, _, count]) => *count,
        _ => 0,
    });
    total.fold(0, u64::saturating_add) == u64::from(u32::MAX)
}

pub(super) fn read(path: &str) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| Errno::try_from(error).unwrap_or(Errno::EIO))
}

/// The real and the effective one of four ids; the saved and the file system's follow them
/// (`proc_pid_status(5)`).
fn first_two(status: &[u8], name: &str) -> Result<(u32, u32)> {
    match *numbers(status, name)? {
        [real, effective, _, _] => Ok((real, effective)),
        _ => Err(Errno::EPROTO),
    }
}

/// The numbers on the line that begins with `name`.
///
/// A process chooses its own `Name:`, so a line which is there twice is one too many.
pub(super) fn numbers<T: FromStr>(text: &[u8], name: &str) -> Result<Vec<T>> {
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
