//! What can go wrong with a door besides calls.

use std::fmt;
use std::time::Duration;

use nix::errno::Errno;

use super::DoorLabel;
use crate::sys::listen::InheritError;
use crate::wire::message::Violation;

/// Why a door could not be created, changed, passed on or asked, and which door.
///
/// As with [`CallError`](super::CallError), its display includes the condition and its source is what lies below it; its
/// debug form, which a `main` that returns it prints, has the display, and the condition in full.
// In a box: what is hardly ever there shall not make every result large.
#[derive(Clone, PartialEq, Eq)]
pub struct DoorError(Box<Failed>);

#[derive(Clone, PartialEq, Eq)]
struct Failed {
    door: Option<DoorLabel>,
    condition: DoorCondition,
}

impl DoorError {
    pub(crate) fn on(door: DoorLabel, condition: DoorCondition) -> Self {
        Self(Box::new(Failed {
            door: Some(door),
            condition,
        }))
    }

    /// The door that it is about, if there is one yet.
    #[must_use]
    pub fn door(&self) -> Option<&DoorLabel> {
        self.0.door.as_ref()
    }

    /// What happened.
    #[must_use]
    pub fn condition(&self) -> &DoorCondition {
        &self.0.condition
    }
}

impl From<DoorCondition> for DoorError {
    /// Of something that has no door yet, or concerns all of them.
    fn from(condition: DoorCondition) -> Self {
        Self(Box::new(Failed {
            door: None,
            condition,
        }))
    }
}

impl From<crate::NameError> for DoorError {
    fn from(error: crate::NameError) -> Self {
        DoorCondition::from(error).into()
    }
}

impl From<InheritError> for DoorError {
    fn from(error: InheritError) -> Self {
        DoorCondition::from(error).into()
    }
}

impl fmt::Display for DoorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.door(), self.condition()) {
            // It says its path itself.
            (_, condition @ DoorCondition::Name(_)) | (None, condition) => condition.fmt(f),
            (Some(door), condition) => write!(f, "{door}: {condition}"),
        }
    }
}

impl fmt::Debug for DoorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::debug(f, "DoorError", self, &self.door(), self.condition())
    }
}

impl std::error::Error for DoorError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.condition().source()
    }
}

/// What can happen to a door besides calls.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DoorCondition {
    /// An attribute that cannot be asked for (EINVAL).
    #[doc(alias = "EINVAL")]
    #[error("the attributes {0:?} cannot be given to a new door")]
    BadAttributes(crate::DoorAttributes),
    /// A parameter that contradicts another or the door's attributes (EINVAL, ERANGE, ENOTSUP).
    #[doc(alias = "EINVAL")]
    #[doc(alias = "ERANGE")]
    #[doc(alias = "ENOTSUP")]
    #[error("{what}")]
    BadParameter {
        /// What is wrong, in words.
        what: &'static str,
        /// The kernel's number for it.
        errno: Errno,
    },
    /// Only the process that created the door may do this (EPERM).
    #[doc(alias = "EPERM")]
    #[error("only the process that created the door may do this")]
    NotCreator,
    /// The door is revoked or its server is gone (EBADF).
    #[doc(alias = "EBADF")]
    #[error("the door is revoked or its server is gone; open or obtain it anew")]
    NoDoor,
    /// The descriptor is not a door's (EBADF).
    #[doc(alias = "EBADF")]
    #[doc(alias = "DOOR_INVAL")]
    #[error("the descriptor is not a door")]
    NotADoor,
    /// The door is not private (EINVAL).
    #[doc(alias = "EINVAL")]
    #[error("the door has no threads of its own")]
    NotPrivate,
    /// A user or group that is to be allowed does not exist on this host (EINVAL).
    #[doc(alias = "EINVAL")]
    #[error(
        "this host has no {kind} `{name}`, which `allow_callers` names: make it, or name another"
    )]
    UnknownName {
        /// `user` or `group`.
        kind: &'static str,
        /// The name.
        name: &'static str,
    },
    /// The server refuses this process (EACCES).
    #[doc(alias = "EACCES")]
    #[error("the server does not admit this process; ask whoever runs it")]
    NotAllowed,
    /// Memory, descriptors or a quota of the server is short (EAGAIN): try again later.
    #[doc(alias = "EAGAIN")]
    #[error("the server is short of memory, descriptors or quota; try again later")]
    NoRoom,
    /// The server is about to be replaced (EAGAIN): try again.
    #[doc(alias = "EAGAIN")]
    #[error("the server is draining for a restart; try again")]
    Draining,
    /// The server did not answer in time (EAGAIN).
    #[doc(alias = "EAGAIN")]
    #[error("the server did not answer within {within:?}: it is stopped or stuck")]
    NotResponding {
        /// How long it had.
        within: Duration,
    },
    /// The server broke the protocol (EPROTO).
    #[doc(alias = "EPROTO")]
    #[error("the server broke the protocol")]
    Protocol(#[source] Violation),
    /// A name could not be bound, opened or removed.
    #[error(transparent)]
    Name(#[from] crate::NameError),
    /// The descriptors announced by `LISTEN_FDS` are not what they should be (EINVAL).
    #[doc(alias = "EINVAL")]
    #[error(transparent)]
    Inherit(#[from] InheritError),
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
