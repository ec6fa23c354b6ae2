//! What can become of a call instead of results.

use std::fmt;
use std::time::Duration;

use nix::errno::Errno;

use super::DoorLabel;
use crate::wire::message::Violation;

/// Whether the server procedure ran for a call that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallState {
    /// It certainly did not: calling again is safe.
    NotExecuted,
    /// It may have begun, and may even have finished: calling again may do the work twice.
    MayHaveExecuted,
    /// It ran, but gave no results.
    Executed,
}

/// Why a call failed, and on which door.
///
/// Its display includes the condition; its source is what lies below the condition, so that a chain of causes says
/// nothing twice. Its debug form, which a `main` that returns it prints, has the display, and the condition in full.
#[derive(Clone)]
pub struct CallError {
    /// The door that was called.
    pub door: DoorLabel,
    /// What happened.
    pub condition: CallCondition,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call on {}: {}", self.door, self.condition)
    }
}

impl fmt::Debug for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::debug(f, "CallError", self, &self.door, &self.condition)
    }
}

impl std::error::Error for CallError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.condition.source()
    }
}

impl CallError {
    /// Whether the server procedure ran: whether calling again is safe.
    ///
    /// # Examples
    /// ```
    /// use doors::{CallState, Door};
    ///
    /// let door = Door::in_process(|call| call.door_return(&[], vec![]))?;
    /// door.revoke()?;
    /// let error = door.call(&[], vec![]).unwrap_err();
    /// assert_eq!(error.call_state(), CallState::NotExecuted);
    /// assert_eq!(error.errno(), 9, "EBADF");
    /// # Ok::<(), doors::DoorError>(())
    /// ```
    #[must_use]
    pub fn call_state(&self) -> CallState {
        self.condition.call_state()
    }

    /// The number that `door_call(3C)` would leave in `errno`.
    #[must_use]
    pub fn errno(&self) -> i32 {
        self.condition.errno()
    }
}

/// What can become of a call instead of results.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallCondition {
    /// The door was revoked, or its server is gone (EBADF). Open or obtain it anew.
    #[doc(alias = "EBADF")]
    #[error("the door is revoked or its server is gone; open or obtain it anew")]
    NoDoor,
    /// Fewer or more bytes than the door's parameters allow (ENOBUFS).
    #[doc(alias = "ENOBUFS")]
    #[error("{len} bytes of data are {} than the {limit} that the door takes at {}", if bytes(*len) < *limit { "fewer" } else { "more" }, if bytes(*len) < *limit { "least" } else { "most" })]
    DataSize {
        /// How many the call brought.
        len: usize,
        /// The fewest, or the most, that would have been taken.
        limit: u64,
    },
    /// The door takes no descriptors (ENOTSUP).
    #[doc(alias = "ENOTSUP")]
    #[error("the door takes no descriptors")]
    RefusesDescriptors,
    /// More descriptors than the door's parameter allows (ENFILE), or than any call may bring (1,024: E2BIG).
    #[doc(alias = "ENFILE")]
    #[doc(alias = "E2BIG")]
    #[error("{count} descriptors are more than the {limit} that the door takes")]
    TooManyDescriptors {
        /// How many the call brought.
        count: usize,
        /// The most that would have been taken.
        limit: u64,
    },
    /// The server's policy refuses this process (EACCES).
    #[doc(alias = "EACCES")]
    #[error("the server does not admit this process; ask whoever runs it")]
    NotAllowed,
    /// The server could not receive all descriptors (EMFILE): its table is full.
    #[doc(alias = "EMFILE")]
    #[error("the server could not receive all descriptors of the call; call again later")]
    DescriptorsLost,
    /// The server is about to be replaced (EAGAIN): call again, if need be after [`Door::reopen`](crate::Door::reopen).
    #[doc(alias = "EAGAIN")]
    #[error("the server is draining for a restart; call again")]
    Draining,
    /// Memory, descriptors in flight, or a quota of the server is short (EAGAIN): call again later.
    #[doc(alias = "EAGAIN")]
    #[error(
        "the server or this process is short of memory, descriptors or quota; call again later"
    )]
    NoRoom,
    /// The deadline passed (EAGAIN before the server took the call, else EINTR).
    #[doc(alias = "EAGAIN")]
    #[doc(alias = "EINTR")]
    #[error("the deadline passed {}", if *taken { "before the server answered" } else { "before the server took the call" })]
    TimedOut {
        /// The server had taken the call, or nobody can tell.
        taken: bool,
    },
    /// The server did not answer a step of the protocol in time (EAGAIN, EINTR): it is stopped, or stuck.
    #[doc(alias = "EAGAIN")]
    #[doc(alias = "EINTR")]
    #[error("the server did not answer within {within:?}: it is stopped or stuck")]
    NotResponding {
        /// How long it had.
        within: Duration,
        /// The call may have reached it.
        taken: bool,
    },
    /// The server died (EBADF before it took the call, else EINTR).
    #[doc(alias = "EBADF")]
    #[doc(alias = "EINTR")]
    #[error("the server died {}", if *taken { "before it answered" } else { "before it took the call" })]
    ServerDied {
        /// The server had taken the call, or nobody can tell.
        taken: bool,
    },
    /// The server procedure ended without an answer (EINTR).
    #[doc(alias = "EINTR")]
    #[error("the server procedure ended without an answer")]
    Unanswered,
    /// The server procedure panicked (EINTR).
    #[doc(alias = "EINTR")]
    #[error("the server procedure panicked")]
    Panicked,
    /// The server procedure answered, but the answer could not be handed over (EMFILE).
    #[doc(alias = "EMFILE")]
    #[error("the answer of the server procedure could not be handed over")]
    ReplyLost,
    /// The results are larger than this process can hold (EOVERFLOW).
    #[doc(alias = "EOVERFLOW")]
    #[error("{len} bytes of results are more than this process can hold")]
    ReplyTooLarge {
        /// How many there are.
        len: u64,
    },
    /// This `Door` was made by the parent process; a forked child needs a descriptor of it
    /// ([`Door::descriptor`](crate::Door::descriptor)).
    #[doc(alias = "EBADF")]
    #[error("the door belongs to the process that forked this one; take a descriptor of it along")]
    Forked,
    /// The server broke the protocol (EPROTO).
    #[doc(alias = "EPROTO")]
    #[error("the server broke the protocol")]
    Protocol {
        /// How.
        #[source]
        violation: Violation,
        /// The call may have executed.
        taken: bool,
    },
    /// A system call failed here.
    #[error("cannot {op}")]
    System {
        /// What was tried.
        op: &'static str,
        /// The kernel's answer.
        #[source]
        source: Errno,
        /// The call may have reached the server before that.
        taken: bool,
    },
}

fn bytes(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

impl CallCondition {
    /// Whether the server procedure ran.
    #[must_use]
    pub fn call_state(&self) -> CallState {
        match self {
            Self::NoDoor
            | Self::DataSize { .. }
            | Self::RefusesDescriptors
            | Self::TooManyDescriptors { .. }
            | Self::NotAllowed
            | Self::DescriptorsLost
            | Self::Draining
            | Self::NoRoom
            | Self::Forked => CallState::NotExecuted,
            Self::TimedOut { taken }
            | Self::NotResponding { taken, .. }
            | Self::ServerDied { taken }
            | Self::Protocol { taken, .. }
            | Self::System { taken, .. } => {
                if *taken {
                    CallState::MayHaveExecuted
                } else {
                    CallState::NotExecuted
                }
            }
            Self::Unanswered | Self::Panicked => CallState::MayHaveExecuted,
            Self::ReplyLost | Self::ReplyTooLarge { .. } => CallState::Executed,
        }
    }

    /// The number that `door_call(3C)` would leave in `errno`.
    #[must_use]
    pub fn errno(&self) -> i32 {
        let errno = match self {
            Self::NoDoor | Self::ServerDied { taken: false } | Self::Forked => Errno::EBADF,
            Self::DataSize { .. } => Errno::ENOBUFS,
            Self::RefusesDescriptors => Errno::ENOTSUP,
            Self::TooManyDescriptors { count, .. } if *count > crate::wire::limits::DESCRIPTORS => {
                Errno::E2BIG
            }
            Self::TooManyDescriptors { .. } => Errno::ENFILE,
            Self::NotAllowed => Errno::EACCES,
            Self::DescriptorsLost | Self::ReplyLost => Errno::EMFILE,
            Self::Draining
            | Self::NoRoom
            | Self::TimedOut { taken: false }
            | Self::NotResponding { taken: false, .. } => Errno::EAGAIN,
            Self::TimedOut { taken: true }
            | Self::NotResponding { taken: true, .. }
            | Self::ServerDied { taken: true }
            | Self::Unanswered
            | Self::Panicked => Errno::EINTR,
            Self::ReplyTooLarge { .. } => Errno::EOVERFLOW,
            Self::Protocol { .. } => Errno::EPROTO,
            Self::System { source, .. } => *source,
        };
        raw(errno)
    }
}

#[expect(
    clippy::as_conversions,
    reason = "the enum of nix is the kernel's number"
)]
fn raw(errno: Errno) -> i32 {
    errno as i32
}
