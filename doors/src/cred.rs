//! Who is calling.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use nix::errno::Errno;

use crate::sys::ids::StandIns;
use crate::sys::peer::PeerCred;
use crate::sys::process::Process;
use crate::sys::{self, peer};

/// The identity of a calling process, as the kernel vouches for it.
///
/// Nothing here was said by the caller itself. The ids are the effective ones of the thread that
/// began its session, at that moment. [`refresh`](Self::refresh) reads those that the process has
/// now; if its threads differ, those of the main thread.
#[derive(Clone, Debug)]
#[doc(alias("door_cred", "door_ucred", "door_cred_t", "ucred_t"))]
pub struct Credentials {
    uid: u32,
    gid: u32,
    gid_is_named: bool,
    groups: Vec<u32>,
    process: Arc<Process>,
}

impl Credentials {
    /// The effective user id.
    #[must_use]
    #[doc(alias("dc_euid", "ucred_geteuid"))]
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// The effective group id. To ask for membership, use [`is_in_group`](Self::is_in_group).
    ///
    /// A group for which our user namespace has no name shows as the kernel's overflow id (65534).
    #[must_use]
    #[doc(alias("dc_egid", "ucred_getegid"))]
    pub fn gid(&self) -> u32 {
        self.gid
    }

    /// The process id in our pid namespace.
    ///
    /// A number for the log: it may already belong to another process. The
    /// [`pidfd`](Self::pidfd) never does.
    #[must_use]
    #[doc(alias("dc_pid", "ucred_getpid"))]
    pub fn pid(&self) -> i32 {
        self.process.pid()
    }

    /// The supplementary groups, but for those that have no name in our user namespace.
    #[must_use]
    #[doc(alias = "ucred_getgroups")]
    pub fn groups(&self) -> &[u32] {
        &self.groups
    }

    /// Whether the effective or a supplementary group is this one.
    ///
    /// A group without a name in our user namespace is none of them, whatever number it shows as.
    #[must_use]
    pub fn is_in_group(&self, gid: u32) -> bool {
        (self.gid_is_named && self.gid == gid) || self.groups.contains(&gid)
    }

    /// A descriptor of the calling process: it means this process for ever and becomes readable
    /// when the process exits.
    #[must_use]
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.process.as_fd()
    }

    /// Reads the identity that the same process has now, from `/proc`.
    ///
    /// # Blocking
    /// Never.
    ///
    /// # Errors
    /// [`CredError::Gone`] when the process has exited, [`CredError::Unknown`] when it has taken a
    /// user id without a name in our user namespace, [`CredError::System`] when the kernel would
    /// not tell, for instance because `/proc` hides other users' processes (`hidepid`).
    #[doc(alias = "ucred_get")]
    pub fn refresh(&self) -> Result<Self, CredError> {
        let now = self.process.credentials().map_err(|error| match error {
            Errno::ESRCH => CredError::Gone,
            source => CredError::System {
                op: "read the ids of the caller",
                source,
            },
        })?;
        Self::new(now.euid, now.egid, now.groups, Arc::clone(&self.process))
            .ok_or(CredError::Unknown)
    }

    /// The credentials of this very process.
    pub(crate) fn of_this_process() -> sys::Result<Self> {
        let process = Process::current()?;
        let now = process.credentials()?;
        Self::new(now.euid, now.egid, now.groups, Arc::new(process)).ok_or(Errno::EPERM)
    }

    /// What the kernel said of a process, or `None` if the uid only stands in for unnamed ones.
    fn new(uid: u32, gid: u32, mut groups: Vec<u32>, process: Arc<Process>) -> Option<Self> {
        let stand_ins = StandIns::now();
        if stand_ins.uid == Some(uid) {
            return None;
        }
        groups.retain(|group| Some(*group) != stand_ins.gid);
        Some(Self {
            uid,
            gid,
            gid_is_named: Some(gid) != stand_ins.gid,
            groups,
            process,
        })
    }

    /// Credentials with chosen ids, which belong to the process of the test.
    #[cfg(test)]
    pub(crate) fn of_test(uid: u32, gid: u32, groups: &[u32]) -> Self {
        let process = Arc::new(Process::current().unwrap());
        Self {
            uid,
            gid,
            gid_is_named: true,
            groups: groups.to_vec(),
            process,
        }
    }
}

/// Why an identity could not be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredError {
    /// The process has exited.
    #[doc(alias = "ESRCH")]
    #[error("the calling process has exited")]
    Gone,
    /// The process has taken a user id for which our user namespace has no name.
    #[error("the caller has a user id that our user namespace cannot name")]
    Unknown,
    /// The kernel would not tell.
    #[error("cannot {op}")]
    System {
        /// What was attempted.
        op: &'static str,
        /// The kernel's answer.
        source: Errno,
    },
}

/// The other side of a call: a process that we can name, or one that we cannot.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[doc(alias("door_cred", "door_ucred", "ucred_t"))]
pub enum Caller {
    /// A process with ids that mean something here.
    Known(Credentials),
    /// A process of another pid or user namespace, to which our own gives no pid or no user id.
    ///
    /// The kernel then shows pid 0, or an overflow uid (65534) which it also shows for any other
    /// such user; the real user 65534 is known wherever every user has a name, that is, where
    /// `/proc/self/uid_map` has no gaps. An unknown caller is never taken for uid 0.
    Unknown,
}

impl Caller {
    /// Asks the kernel with which ids the process connected this socket or made its pair that the kernel has named as the
    /// one who did.
    pub(crate) fn of_socket(socket: impl AsFd, process: &Arc<Process>) -> sys::Result<Self> {
        let peer = peer::peer_cred(&socket)?;
        Self::of_peer(&peer, socket, process)
    }

    /// The same, where the ids are known already.
    pub(crate) fn of_peer(
        peer: &PeerCred,
        socket: impl AsFd,
        process: &Arc<Process>,
    ) -> sys::Result<Self> {
        if known_user(peer).is_none() {
            return Ok(Self::Unknown);
        }
        let groups = peer::peer_groups(&socket)?;
        let credentials = Credentials::new(peer.uid, peer.gid, groups, Arc::clone(process));
        Ok(credentials.map_or(Self::Unknown, Self::Known))
    }
}

/// The user of a caller whom we can name: what can be said before its groups are asked for.
pub(crate) fn known_user(peer: &PeerCred) -> Option<u32> {
    let is_named = peer.pid != 0 && StandIns::now().uid != Some(peer.uid);
    is_named.then_some(peer.uid)
}
