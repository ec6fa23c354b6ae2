//! Why a command ends without success: one line for people, one number for programs.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use doors::{CallCondition, CallError, CallState, DoorCondition, DoorError, NameError};

/// The exit status; the texts are in `doors --help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    NotExecuted,
    MayHaveExecuted,
    NoDoor,
    NotPermitted,
    Executed,
    /// Whoever reads our output has gone: nothing to complain about.
    Unread,
}

impl From<CallState> for Status {
    fn from(state: CallState) -> Self {
        match state {
            CallState::NotExecuted => Self::NotExecuted,
            CallState::MayHaveExecuted => Self::MayHaveExecuted,
            CallState::Executed => Self::Executed,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: Status,
    pub(crate) text: String,
}

pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// Something on our own side; nothing was executed anywhere.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self {
            status: Status::NotExecuted,
            text: text.into(),
        }
    }

    /// A local operation on a file failed.
    pub(crate) fn file(verb: &str, path: &Path, error: &io::Error) -> Self {
        Self::new(format!("cannot {verb} {}: {error}", path.display()))
    }

    /// Our own output failed.
    pub(crate) fn output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self {
                status: Status::Unread,
                text: String::new(),
            };
        }
        Self::new(format!("cannot write the output: {error}"))
    }

    /// Something that is not a call failed on a door.
    pub(crate) fn door(verb: &str, path: &Path, error: &DoorError) -> Self {
        let (status, hint) = match error.condition() {
            DoorCondition::Name(error) if verb == "serve" => new_name(error),
            DoorCondition::Name(error) => name(error),
            DoorCondition::NoDoor => (Status::NoDoor, "`doors ls` lists the live doors"),
            DoorCondition::NotADoor => (Status::NoDoor, ""),
            DoorCondition::NotAllowed => (Status::NotPermitted, ""),
            DoorCondition::NotResponding { .. } => (
                Status::NotExecuted,
                "look at the server process, or try again",
            ),
            DoorCondition::Protocol(_) => (Status::NotExecuted, "is it a door of this version?"),
            _ => (Status::NotExecuted, ""),
        };
        let said = chain(error);
        let path = path.display().to_string();
        // The errors of names say the path themselves.
        let text = if said.contains(&path) {
            format!("cannot {verb}: {said}")
        } else {
            format!("cannot {verb} {path}: {said}")
        };
        Self {
            status,
            text: with_hint(text, hint),
        }
    }

    /// A call failed.
    pub(crate) fn call(path: &Path, error: &CallError) -> Self {
        let condition = &error.condition;
        let status = match (condition.call_state(), condition) {
            (CallState::NotExecuted, CallCondition::NotAllowed) => Status::NotPermitted,
            (CallState::NotExecuted, CallCondition::NoDoor | CallCondition::ServerDied { .. }) => {
                Status::NoDoor
            }
            (state, _) => state.into(),
        };
        let state = executed(condition.call_state());
        Self {
            status,
            text: format!(
                "call on {} failed: {}; {state}",
                path.display(),
                chain(condition)
            ),
        }
    }

    /// Says the line; the exit status.
    pub(crate) fn report(&self) -> ExitCode {
        let number = match self.status {
            Status::Unread => return ExitCode::SUCCESS,
            Status::NotExecuted => 1,
            Status::MayHaveExecuted => 3,
            Status::NoDoor => 4,
            Status::NotPermitted => 5,
            Status::Executed => 6,
        };
        // Without a standard error the number has to do.
        let _unheard = writeln!(io::stderr(), "doors: {}", self.text);
        ExitCode::from(number)
    }
}

/// What is known of the execution of a call that failed.
pub(crate) fn executed(state: CallState) -> &'static str {
    match state {
        CallState::NotExecuted => "nothing was executed",
        CallState::MayHaveExecuted => {
            "it may have been executed; calling again may do the work twice"
        }
        CallState::Executed => "it was executed",
    }
}

/// What a failure with a name that shall be made amounts to, with what to do about it.
fn new_name(error: &NameError) -> (Status, &'static str) {
    match error {
        NameError::NotFound { .. } => (
            Status::NotExecuted,
            "its directory does not exist; make it first",
        ),
        NameError::NotADirectory { .. } => (Status::NotExecuted, "choose another path"),
        NameError::Permission { .. } => (
            Status::NotPermitted,
            "its directory does not let this user make a name; choose another",
        ),
        other => name(other),
    }
}

/// What a failure with a name amounts to, with what to do about it.
fn name(error: &NameError) -> (Status, &'static str) {
    match error {
        NameError::NotFound { .. } | NameError::NotADirectory { .. } => (
            Status::NoDoor,
            "is its server running? `doors ls` lists the live doors",
        ),
        NameError::NoServer { .. } => (
            Status::NoDoor,
            "its server has ended; the next one takes the name over",
        ),
        NameError::NotADoor { .. } => (Status::NoDoor, "`doors ls` lists the live doors"),
        NameError::Permission { .. } => (
            Status::NotPermitted,
            "look with `ls -l`: a name admits whom its mode gives the write bit",
        ),
        NameError::Busy { .. } => (
            Status::NotExecuted,
            "choose another path, or end that server (`doors info` names it)",
        ),
        NameError::Foreign { .. } => (
            Status::NotExecuted,
            "it was not touched; choose another path, or remove it",
        ),
        NameError::OpenDirectory { .. } => (
            Status::NotExecuted,
            "choose another directory, or set its sticky bit",
        ),
        _ => (Status::NotExecuted, ""),
    }
}

fn with_hint(text: String, hint: &str) -> String {
    if hint.is_empty() {
        text
    } else {
        format!("{text}; {hint}")
    }
}

/// An error with its causes, on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a string cannot fail.
        let _infallible = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
