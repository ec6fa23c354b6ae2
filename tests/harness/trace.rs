//! System calls of a peer, counted by strace.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::{Peer, skipped};

/// How often each system call was made, as strace counted.
#[must_use]
pub fn counted(file: &Path) -> BTreeMap<String, u64> {
    let text = std::fs::read_to_string(file).unwrap();
    let lines = text.lines().map(|line| line.split_whitespace().collect());
    lines
        .filter_map(|columns: Vec<&str>| {
            // Share, seconds, microseconds per call, calls, perhaps errors, name.
            let calls = columns.get(3)?.parse().ok()?;
            Some(((*columns.last()?).to_owned(), calls))
        })
        .filter(|(name, _)| name != "total")
        .collect()
}

/// A peer whose system calls are counted into a file.
#[must_use]
pub fn traced(program: &str, file: &Path, operation: &str, arguments: &[&str]) -> Peer {
    let mut command = Command::new("strace");
    command.args(["-f", "-c", "-o"]).arg(file).arg(program);
    command.arg(operation).args(arguments);
    Peer::start_command(command)
}

/// Whether system calls can be counted here. Where `DOORS_REQUIRE_STRACE` is set they must be: a check that nobody runs
/// checks nothing.
#[must_use]
pub fn can_trace() -> bool {
    let why = match Command::new("strace").args(["-f", "-c", "true"]).output() {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    let required = std::env::var_os("DOORS_REQUIRE_STRACE").is_some();
    assert!(!required, "DOORS_REQUIRE_STRACE is set, and strace: {why}");
    skipped(&format!("strace cannot count system calls here: {why}"));
    false
}
