//! What can go wrong, one type per verb.

mod call;
mod door;

use std::fmt;
use std::sync::Arc;

use nix::errno::Errno;

pub use self::call::{CallCondition, CallError, CallState};
pub use self::door::{DoorCondition, DoorError};
pub use crate::sys::listen::InheritError;
pub use crate::wire::message::Violation;

/// Which door an error is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DoorLabel {
    /// Where it was opened.
    pub(crate) path: Option<Arc<std::path::Path>>,
    /// Its unique id.
    pub(crate) id: Option<u64>,
    /// The process that serves it.
    pub(crate) pid: Option<i32>,
}

impl fmt::Display for DoorLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.path, self.id, self.pid) {
            (Some(path), ..) => write!(f, "door {}", path.display()),
            (None, Some(id), Some(pid)) => write!(f, "door #{id:016x} of pid {pid}"),
            (None, Some(id), None) => write!(f, "door #{id:016x}"),
            (None, None, _) => f.write_str("a door that came as a descriptor and was not used yet"),
        }
    }
}

/// Why a reply could not be handed over. The caller goes on waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReturnError {
    /// A reply was handed over before (EINVAL).
    #[doc(alias = "EINVAL")]
    #[error("the invocation has been replied to")]
    AlreadyReplied,
    /// More descriptors than a reply may bring (E2BIG).
    #[doc(alias = "E2BIG")]
    #[error("{count} descriptors are more than the {limit} that a reply may bring")]
    TooManyDescriptors {
        /// How many there were.
        count: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// Memory for the copy is short (ENOMEM).
    #[doc(alias = "ENOMEM")]
    #[error("no memory for the copy of the results")]
    NoRoom,
    /// A system call failed.
    #[error("cannot {op}")]
    System {
        /// What was tried.
        op: &'static str,
        /// The kernel's answer.
        #[source]
        source: Errno,
    },
}
