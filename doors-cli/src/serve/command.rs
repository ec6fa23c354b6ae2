//! One run of the command, for one call.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use command_fds::{CommandFdExt, FdMapping};
use doors::Caller;
use nix::sys::eventfd::EventFd;

use super::attend::{Ended, Run};
use super::verdict::Verdict;
use crate::failure::{Failure, Outcome};

/// The first descriptor of the call in the command.
const FIRST: i32 = 3;

/// What to run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) command: &'a [OsString],
    pub(crate) answer_max: usize,
    /// Becomes readable when all commands must end.
    pub(crate) stop: &'a EventFd,
}

/// Looks whether the command can be run, so that a slip is told at the start and not to each caller.
pub(crate) fn find(command: &[OsString]) -> Outcome {
    let Some(program) = command.first() else {
        return Err(Failure::new("no command was given"));
    };
    let hindrance = if Path::new(program).components().count() > 1 {
        hindrance(Path::new(program))
    } else {
        // Without PATH the C library has a default of its own.
        std::env::var_os("PATH").and_then(|path| on_path(&path, program))
    };
    match hindrance {
        None => Ok(()),
        Some(why) => {
            let program = Path::new(program).display();
            Err(Failure::new(format!("cannot run {program}: {why}")))
        }
    }
}

/// Why a name without a slash cannot be run: a file of that name that is no program is worth a word.
fn on_path(path: &OsStr, program: &OsStr) -> Option<&'static str> {
    let mut why = MISSING;
    for directory in std::env::split_paths(path) {
        match hindrance(&directory.join(program)) {
            None => return None,
            Some(MISSING) => {}
            Some(other) => why = other,
        }
    }
    Some(why)
}

const MISSING: &str = "there is no such program";

/// Why a file cannot be run, as far as its type and mode tell.
fn hindrance(path: &Path) -> Option<&'static str> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Some("its directory may not be searched")
        }
        Err(_) => Some(MISSING),
        Ok(found) if found.is_dir() => Some("it is a directory"),
        Ok(found) if !found.is_file() => Some("it is not a regular file"),
        Ok(found) if found.permissions().mode() & 0o111 == 0 => {
            Some("it is not executable; `chmod +x` makes it so")
        }
        Ok(_) => None,
    }
}

impl Plan<'_> {
    /// Runs the command; its output, and what went wrong.
    pub(crate) fn run(
        &self,
        data: &[u8],
        descriptors: Vec<OwnedFd>,
        caller: &Caller,
        cancelled: &EventFd,
    ) -> (Vec<u8>, Option<Verdict>) {
        let mut run = Run::new(data);
        let outcome = self
            .start(descriptors, caller)
            .and_then(|child| run.attend(child, self, cancelled));
        let reason = match (run.ended, outcome) {
            (Some(Ended::Cancelled), _) => {
                "the caller gave up or died; the command was ended".into()
            }
            (Some(Ended::Stopped), _) => "the server ends; the command was ended".into(),
            (Some(Ended::TooLong), _) => {
                format!("the command wrote more than {} bytes", self.answer_max)
            }
            (None, Ok(status)) if status.success() => return (run.output, None),
            (None, Ok(status)) => format!("the command ended with {status}"),
            (None, Err(error)) => format!("cannot run the command: {error}"),
        };
        let verdict = Verdict {
            reason,
            complaint: String::from_utf8_lossy(&run.complaint).into_owned(),
        };
        (run.output, Some(verdict))
    }

    fn start(&self, descriptors: Vec<OwnedFd>, caller: &Caller) -> io::Result<Child> {
        let (program, arguments) = self
            .command
            .split_first()
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own, so that what it starts ends with it.
            .process_group(0)
            .env("DOORS_FDS", descriptors.len().to_string());
        for announced in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] {
            command.env_remove(announced);
        }
        let ids = match caller {
            Caller::Known(caller) => Some([
                caller.uid().to_string(),
                caller.gid().to_string(),
                caller.pid().to_string(),
            ]),
            _ => None,
        };
        let names = ["DOORS_CALLER_UID", "DOORS_CALLER_GID", "DOORS_CALLER_PID"];
        for (at, name) in names.into_iter().enumerate() {
            match ids.as_ref().and_then(|ids| ids.get(at)) {
                Some(id) => command.env(name, id),
                None => command.env_remove(name),
            };
        }
        let mappings = descriptors.into_iter().zip(FIRST..);
        let mappings = mappings.map(|(parent_fd, child_fd)| FdMapping {
            parent_fd,
            child_fd,
        });
        command
            .fd_mappings(mappings.collect())
            .map_err(io::Error::other)?;
        command.spawn()
    }
}
