//! What can come of a typed call instead of its value.

use std::convert::Infallible;

use super::interface::{Interface, Method, Version};
use crate::error::{CallError, CallState, DoorLabel};

/// Why a call of a `#[door]` procedure gave no value.
///
/// `E` is the procedure's own error; a procedure that cannot fail has none ([`Infallible`]). Whoever handles the error
/// of a client handles the death of its server with it: there is no way to get at `E` around it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcedureError<E = Infallible> {
    /// The procedure ran and returned this.
    #[error(transparent)]
    Returned(E),
    /// The call failed; [`CallError::call_state`] tells whether the procedure may have run.
    #[error(transparent)]
    Call(CallError),
    /// The server did not run the procedure: the two programs disagree on what is called.
    #[error("call on {door}: refused by the server")]
    Refused {
        /// The door that was called.
        door: DoorLabel,
        /// What they disagree on.
        #[source]
        reason: Refused,
    },
    /// An argument's `Serialize` failed here; no call was made.
    #[error("call on {door}: the argument `{name}` cannot be put into bytes")]
    BadArgument {
        /// The door that was to be called.
        door: DoorLabel,
        /// The argument's name.
        name: &'static str,
    },
    /// The procedure ran, but its value's `Serialize` failed in the server.
    #[error("call on {door}: the procedure's value cannot be put into bytes")]
    ValueLost {
        /// The door that was called.
        door: DoorLabel,
    },
    /// What the server answered is no value of the procedure.
    #[error("call on {door}: the results cannot be read")]
    BadResults {
        /// The door that was called.
        door: DoorLabel,
        /// What is wrong with them.
        #[source]
        reason: Malformed,
    },
}

impl<E> ProcedureError<E> {
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
    /// The method has changed, although the version says that it has not.
    #[error("the server's method is `{theirs}`, this program calls `{ours}`")]
    OtherSignature {
        /// The server's signature.
        theirs: String,
        /// Ours.
        ours: &'static str,
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

/// What a server says that it has where we called something else.
#[derive(Debug)]
pub(super) struct Theirs {
    pub(super) name: String,
    pub(super) version: Version,
    /// Of its method with our number; empty if it has none.
    pub(super) signature: String,
}

impl Refused {
    /// Tells what it is that differs.
    pub(super) fn of(interface: &Interface, method: &Method, theirs: Theirs) -> Self {
        let Theirs {
            name,
            version,
            signature,
        } = theirs;
        let ours = interface.version();
        if name != interface.name() || version.major != ours.major {
            Self::OtherInterface {
                theirs: format!("{name} {version}"),
                ours: interface.to_string(),
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
    /// Values nested deeper than [`DEPTH`](super::DEPTH) \[4\].
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
