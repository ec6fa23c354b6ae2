//! What can come of a typed call instead of its value.

use std::convert::Infallible;
use std::fmt;

use super::encode::Unwritable;
use super::interface::{Interface, Method, Version};
use crate::error::{CallCondition, CallError, CallState, DoorLabel};

/// Why a call of a `#[door]` procedure gave no value.
///
/// `E` is the procedure's own error; a procedure that cannot fail has none ([`Infallible`]). Whoever handles the error
/// of a client handles the death of its server with it: there is no way to get at `E` around it.
///
/// Its display includes the reason; its source is what lies below the reason, so that a chain of causes says nothing
/// twice. Its debug form, which a `main` that returns it prints, has the display, and the reason in full.
#[derive(Clone)]
#[non_exhaustive]
pub enum ProcedureError<E = Infallible> {
    /// The procedure ran and returned this.
    Returned(E),
    /// The call failed; [`CallError::call_state`] tells whether the procedure may have run.
    Call(CallError),
    /// The server did not run the procedure: the two programs disagree on what is called.
    Refused {
        /// The door that was called.
        door: DoorLabel,
        /// What they disagree on.
        reason: Refused,
    },
    /// An argument's `Serialize` failed here; no call was made.
    BadArgument {
        /// The door that was to be called.
        door: DoorLabel,
        /// The argument's name.
        name: &'static str,
        /// Why it cannot be put.
        reason: Unwritable,
    },
    /// The procedure ran, but its value's `Serialize` failed in the server.
    ValueLost {
        /// The door that was called.
        door: DoorLabel,
    },
    /// What the server answered is no value of the procedure.
    BadResults {
        /// The door that was called.
        door: DoorLabel,
        /// What is wrong with them.
        reason: Malformed,
    },
}

impl<E: fmt::Display> fmt::Display for ProcedureError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Returned(error) => error.fmt(f),
            other => other.failure(f),
        }
    }
}

impl<E: fmt::Debug> fmt::Debug for ProcedureError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Returned(error) => return f.debug_tuple("Returned").field(error).finish(),
            Self::Call(error) => return f.debug_tuple("Call").field(error).finish(),
            other => other.failure(f)?,
        }
        match self {
            Self::Refused { reason, .. } => write!(f, " ({reason:?})"),
            Self::BadArgument { reason, .. } => write!(f, " ({reason:?})"),
            Self::BadResults { reason, .. } => write!(f, " ({reason:?})"),
            _ => Ok(()),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for ProcedureError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Returned(error) => error.source(),
            Self::Call(error) => error.source(),
            Self::Refused { reason, .. } => reason.source(),
            Self::BadArgument { .. } | Self::ValueLost { .. } | Self::BadResults { .. } => None,
        }
    }
}

impl<E> ProcedureError<E> {
    /// Says what is none of the procedure's own errors.
    fn failure(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Returned(_) => Ok(()),
            Self::Call(error) => fmt::Display::fmt(error, f),
            Self::Refused { door, reason } => {
                write!(f, "call on {door}: refused by the server: {reason}")
            }
            Self::BadArgument { door, name, reason } => {
                write!(
                    f,
                    "call on {door}: the argument `{name}` cannot be put into bytes: {reason}"
                )
            }
            Self::ValueLost { door } => {
                write!(
                    f,
                    "call on {door}: the procedure's value cannot be put into bytes"
                )
            }
            Self::BadResults { door, reason } => {
                write!(f, "call on {door}: the results cannot be read: {reason}")
            }
        }
    }

    /// Whether the server has the interface, but not this method of it ([`Refused::Unsupported`]).
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                reason: Refused::Unsupported { .. },
                ..
            }
        )
    }

    /// Whether the deadline passed ([`CallCondition::TimedOut`]). The procedure may have run all the same:
    /// [`call_state`](Self::call_state) tells.
    #[must_use]
    pub fn is_timed_out(&self) -> bool {
        matches!(
            self,
            Self::Call(CallError {
                condition: CallCondition::TimedOut { .. },
                ..
            })
        )
    }

    /// Whether the procedure ran.
    #[must_use]
    pub fn call_state(&self) -> CallState {
        match self {
            Self::Returned(_) | Self::ValueLost { .. } => CallState::Executed,
            Self::Call(error) => error.call_state(),
            Self::Refused { .. } | Self::BadArgument { .. } => CallState::NotExecuted,
            // Something answered; whether it was the procedure cannot be told.
            Self::BadResults { .. } => CallState::MayHaveExecuted,
        }
    }
}

/// What caller and server disagree on. Texts of the server come bounded and with their control characters escaped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The layout of typed messages: one of the programs was built with a much older `doors`.
    #[error("the server speaks version {theirs} of typed calls, this program version {ours}")]
    OtherLayout {
        /// The server's.
        theirs: u8,
        /// Ours.
        ours: u8,
    },
    /// The interface: the door is another one, or of another major version.
    #[error("the door is of {theirs}, this program calls {ours}")]
    OtherInterface {
        /// Name and version of the server's.
        theirs: String,
        /// Name and version of ours.
        ours: String,
    },
    /// The server has this interface without the method, in an older version as a rule.
    #[error(
        "the server has no method `{method}` in its version {theirs}, this program has version {ours}"
    )]
    Unsupported {
        /// The method.
        method: &'static str,
        /// The server's version.
        theirs: Version,
        /// Ours.
        ours: Version,
    },
    /// The method has changed, although the version says that it has not: its signature, or, where both are the same, a type in
    /// it.
    #[error("{}", other_signature(theirs, ours))]
    OtherSignature {
        /// The server's signature.
        theirs: String,
        /// Ours.
        ours: &'static str,
    },
    /// How values are put into bytes.
    #[error("the server puts values by {theirs}, this program by {ours}")]
    OtherCodec {
        /// The server's codec.
        theirs: String,
        /// Ours.
        ours: &'static str,
    },
    /// The caller: the server's `#[allow_callers]` of the method does not have it.
    #[error("{}", not_allowed(method, *uid))]
    NotAllowed {
        /// The method.
        method: String,
        /// The user as whom the server sees this process; `None` if it cannot tell, since this is another user or pid namespace.
        uid: Option<u32>,
    },
    /// The bytes of an argument: a type of it has other fields there.
    #[error("{}", if name.is_empty() { "the arguments cannot be read".to_owned() } else { format!("the argument `{name}` cannot be read") })]
    BadArgument {
        /// The argument's name; empty if it was none in particular.
        name: String,
        /// What is wrong with it.
        #[source]
        reason: Malformed,
    },
}

fn other_signature(theirs: &str, ours: &str) -> String {
    if theirs == ours {
        return format!(
            "one of the types in `{ours}` differs between the server and this program, in a field, a variant or its name: \
             build both from the same types, and raise the first number of the version where a type has to change"
        );
    }
    format!("the server's method is `{theirs}`, this program calls `{ours}`")
}

fn not_allowed(method: &str, uid: Option<u32>) -> String {
    let seen = match uid {
        Some(uid) => format!("which the server sees as user {uid}"),
        None => "whose user the server cannot tell, as it is of another namespace".to_owned(),
    };
    format!("`{method}` is not for this process, {seen}; ask whoever runs the server to allow it")
}

/// What a server says that it has where we called something else.
#[derive(Debug)]
pub(super) struct Theirs {
    pub(super) name: String,
    pub(super) version: Version,
    /// Of its method with our number; empty if it has none.
    pub(super) signature: String,
    /// How its values are put into bytes.
    pub(super) codec: String,
}

impl Refused {
    /// Tells what it is that differs.
    pub(super) fn of(interface: &Interface, method: &Method, theirs: Theirs) -> Self {
        let Theirs {
            name,
            version,
            signature,
            codec,
        } = theirs;
        let ours = interface.version();
        if name != interface.name() || version.major != ours.major {
            Self::OtherInterface {
                theirs: format!("{name} {version}"),
                ours: interface.to_string(),
            }
        } else if codec != interface.codec() {
            Self::OtherCodec {
                theirs: codec,
                ours: interface.codec(),
            }
        } else if signature.is_empty() {
            Self::Unsupported {
                method: method.name(),
                theirs: version,
                ours,
            }
        } else {
            Self::OtherSignature {
                theirs: signature,
                ours: method.signature(),
            }
        }
    }
}

/// What is wrong with bytes that should be a value. The number in brackets is what travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// They end within a value \[1\].
    #[error("the bytes end within a value")]
    Short,
    /// Some are left over \[2\].
    #[error("bytes are left over after the last value")]
    LeftOver,
    /// A value that its type does not have \[3\]: a `bool` of 2, a text that is no UTF-8, an unknown variant.
    #[error("the bytes are no value of the type")]
    BadValue,
    /// Values nested deeper than [`DEPTH`](super::DEPTH), or than the thread's stack allows \[4\].
    #[error("the values are nested too deep")]
    TooDeep,
    /// Sequences with more elements than the bytes can hold \[5\].
    #[error("there are more elements than the bytes can hold")]
    TooMany,
    /// No message of a typed door at all \[6\].
    #[error("the bytes are no message of a typed door")]
    NotTyped,
    /// A value has fewer descriptors beside it than there are in it \[7\].
    #[error("there are fewer descriptors than the values have")]
    NoDescriptor,
    /// A descriptor of something that somebody might change or cut, where frozen memory is wanted \[8\].
    #[error("a descriptor is not of frozen memory")]
    NotFrozen,
    /// More frozen memory than is taken \[9\].
    #[error("there is more frozen memory than is taken")]
    TooLarge,
    /// The receiver has no room to map it \[10\].
    #[error("there is no room for frozen memory")]
    NoRoom,
    /// A reason that this version of the library has no word for.
    #[error("reason {0}, which this program does not know")]
    Other(u8),
}

impl Malformed {
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Short => 1,
            Self::LeftOver => 2,
            Self::BadValue => 3,
            Self::TooDeep => 4,
            Self::TooMany => 5,
            Self::NotTyped => 6,
            Self::NoDescriptor => 7,
            Self::NotFrozen => 8,
            Self::TooLarge => 9,
            Self::NoRoom => 10,
            Self::Other(code) => code,
        }
    }

    pub(super) fn of_code(code: u8) -> Self {
        match code {
            1 => Self::Short,
            2 => Self::LeftOver,
            3 => Self::BadValue,
            4 => Self::TooDeep,
            5 => Self::TooMany,
            6 => Self::NotTyped,
            7 => Self::NoDescriptor,
            8 => Self::NotFrozen,
            9 => Self::TooLarge,
            10 => Self::NoRoom,
            other => Self::Other(other),
        }
    }
}

/// Which value cannot be read, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` cannot be read")]
pub struct Unreadable {
    pub(super) name: &'static str,
    #[source]
    pub(super) reason: Malformed,
}

impl Unreadable {
    pub(super) fn new(name: &'static str, reason: Malformed) -> Self {
        Self { name, reason }
    }
}
