//! The order of the demonstration.

use std::path::PathBuf;

use super::report::Report;
use super::stage::Stage;
use super::steps::Play;
use crate::failure::{Failure, Outcome};
use crate::output::print;

/// Plays all steps; an error as soon as one does not hold.
pub(crate) fn play(files: &[PathBuf]) -> Outcome {
    let files = chosen(files)?;
    let stage = Stage::new()?;
    let mut report = Report::new();
    print("Doors: procedure calls between processes. Each step is done and looked at.\n\n")?;
    let mut play = Play::new(&stage, files);
    report.step("A server process makes a door and gives it a name", || {
        play.serve()
    })?;
    report.step("A client process opens the door by its path", || {
        play.open()
    })?;
    report.step("It calls; the kernel vouches for who calls", || play.call())?;
    report.step(
        "It hands descriptors over; the server reads the files",
        || play.files(),
    )?;
    report.step(
        "It receives a new door from the door, and calls that",
        || play.counter(),
    )?;
    report.step(
        "door_reply: the server frees its buffer before the client goes on",
        || play.reply(),
    )?;
    report.step("Another user is refused", || play.refuse())?;
    report.step(
        "The client is killed; the door it held is reported unreferenced",
        || play.kill_client(),
    )?;
    report.step("The server is killed in the middle of a call", || {
        play.kill_server()
    })?;
    report.step("A new server takes the name over; latency", || {
        play.measure()
    })?;
    // Before the last line, which says that all is over.
    drop(play);
    drop(stage);
    report.end()
}

/// The files to hand over, each looked at first: a slip of the user is no step that does not hold.
fn chosen(files: &[PathBuf]) -> Outcome<Vec<PathBuf>> {
    if files.is_empty() {
        let own = std::env::current_exe().ok().filter(|path| path.is_file());
        return Ok(vec![own.unwrap_or_else(|| "/proc/self/exe".into())]);
    }
    for file in files {
        let found = std::fs::File::open(file).and_then(|file| file.metadata());
        let found = found.map_err(|error| Failure::file("open", file, &error))?;
        if !found.is_file() {
            let path = file.display();
            return Err(Failure::new(format!(
                "{path} is not a regular file; give one that is"
            )));
        }
    }
    Ok(files.to_vec())
}
