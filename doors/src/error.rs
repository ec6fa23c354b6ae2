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

/// The debug form of an error. A `main` that returns one prints this, so it says what the display does, and then the
/// condition with all that it has, since nobody goes on to its source there. The alternate form shows the fields.
fn debug(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    error: &dyn fmt::Display,
    door: &dyn fmt::Debug,
    condition: &dyn fmt::Debug,
) -> fmt::Result {
    if f.alternate() {
        let mut fields = f.debug_struct(name);
        fields.field("door", door);
        return fields.field("condition", condition).finish();
    }
    write!(f, "{error} ({condition:?})")
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

#[cfg(test)]
mod tests {
    use super::*;

    fn label() -> DoorLabel {
        DoorLabel {
            path: Some(std::path::Path::new("/tmp/name").into()),
            ..DoorLabel::default()
        }
    }

    #[test]
    fn a_main_that_returns_an_error_says_what_has_happened() {
        let condition = DoorCondition::NotAllowed;
        let error = DoorError::on(label(), condition.clone());
        let says = "door /tmp/name: the server does not admit this process; ask whoever runs it";
        assert_eq!(error.to_string(), says);
        assert_eq!(format!("{error:?}"), format!("{says} ({condition:?})"));
        // Its cause has no display to be in.
        let condition = DoorCondition::System {
            op: "map the windows",
            source: Errno::ENOMEM,
        };
        let told = format!("{:?}", DoorError::from(condition));
        let fields = "System { op: \"map the windows\", source: ENOMEM }";
        assert_eq!(told, format!("cannot map the windows ({fields})"));
        let error = CallError {
            door: label(),
            condition: CallCondition::TimedOut { taken: false },
        };
        let says = "call on door /tmp/name: the deadline passed before the server took the call";
        let told = format!("{error:?}");
        assert_eq!(told, format!("{says} (TimedOut {{ taken: false }})"));
    }

    #[test]
    fn the_alternate_debug_form_has_the_fields() {
        let error = DoorError::on(label(), DoorCondition::NoRoom);
        let fields = format!("{error:#?}");
        assert!(
            fields.starts_with("DoorError {\n    door: Some(\n"),
            "{fields}"
        );
        assert!(fields.contains("condition: NoRoom"), "{fields}");
    }
}
