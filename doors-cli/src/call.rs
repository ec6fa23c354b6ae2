//! `doors call`: one call.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::time::{Duration, Instant};

use doors::{Door, DoorDesc, Reply};

use crate::arguments::Call;
use crate::failure::{Failure, Outcome, Status};
use crate::open::open;
use crate::output::print;
use crate::printable;
use crate::serve::verdict;
use crate::values;

pub(crate) fn run(arguments: &Call) -> Outcome {
    let path = arguments.path.as_path();
    // First: nobody likes to type data for a door that is not there.
    let door = open(path)?;
    let deadline = arguments.deadline.map(deadline).transpose()?;
    if let Some(method) = &arguments.method {
        let given = arguments.arguments.as_deref();
        return values::call(path, &door, method, given, deadline);
    }
    if arguments.data.is_none() && arguments.file.is_none() {
        // Before anything is read: of a door with methods no data are wanted.
        values::without_method(path, &door, deadline)?;
    }
    let descriptors = arguments.fd.iter().map(|file| descriptor(file));
    let descriptors = descriptors.collect::<Outcome<Vec<_>>>()?;
    let data = data(arguments)?;
    let reply = match deadline {
        None => door.call(&data, descriptors),
        Some(deadline) => door.call_until(&data, descriptors, deadline),
    };
    show(path, &reply.map_err(|error| Failure::call(path, &error))?)
}

fn deadline(millis: u64) -> Outcome<Instant> {
    let deadline = Instant::now().checked_add(Duration::from_millis(millis));
    deadline.ok_or_else(|| Failure::new(format!("a deadline of {millis} ms is too far away")))
}

fn data(arguments: &Call) -> Outcome<Vec<u8>> {
    if let Some(data) = &arguments.data {
        return Ok(data.as_bytes().to_vec());
    }
    if let Some(file) = &arguments.file {
        return std::fs::read(file).map_err(|error| Failure::file("read", file, &error));
    }
    let mut input = io::stdin();
    if input.is_terminal() {
        let _unheard = writeln!(io::stderr(), "doors: type the data, end them with ^D");
    }
    let mut data = Vec::new();
    match input.read_to_end(&mut data) {
        Ok(_) => Ok(data),
        Err(error) => Err(Failure::file("read", Path::new("standard input"), &error)),
    }
}

/// A descriptor of what `--fd` names.
pub(crate) fn descriptor(file: &Path) -> Outcome<DoorDesc<'static>> {
    let own = |result: io::Result<OwnedFd>| {
        result
            .map(DoorDesc::Released)
            .map_err(|error| Failure::file("open", file, &error))
    };
    if file == Path::new("-") {
        return own(io::stdin().as_fd().try_clone_to_owned());
    }
    if std::fs::metadata(file).is_ok_and(|found| found.file_type().is_socket()) {
        let door = open(file)?;
        return Door::to_desc(&door).map_err(|error| Failure::door("pass", file, &error));
    }
    own(File::open(file).map(OwnedFd::from))
}

/// The answer: its data, and what its descriptors are.
fn show(path: &Path, reply: &Reply) -> Outcome {
    let written = print(&reply.data);
    let verdict = reply.descriptors.iter().find_map(verdict::read);
    if let Some(verdict) = verdict {
        let _unheard = io::stderr().write_all(verdict.complaint.as_bytes());
        return Err(Failure {
            status: Status::Executed,
            text: format!("call on {} failed: {}", path.display(), verdict.reason),
        });
    }
    written?;
    for (at, descriptor) in reply.descriptors.iter().enumerate() {
        let what = std::fs::read_link(format!("/proc/self/fd/{}", descriptor.as_raw_fd()));
        let what = what.map_or_else(|_| "unknown".into(), |what| what.display().to_string());
        let _unheard = writeln!(
            io::stderr(),
            "doors: descriptor {} of {} came back: {}",
            at.saturating_add(1),
            reply.descriptors.len(),
            printable::line(&what)
        );
    }
    Ok(())
}
