//! `doors bench` as its users see it: what it writes, never how long anything took.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::fs;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use harness::{Directory, Watchdog};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// What every record says.
const KEYS: [&str; 13] = [
    "work",
    "size",
    "threads",
    "pin",
    "peer",
    "p50_ns",
    "p99_ns",
    "p999_ns",
    "mean_ns",
    "calls_per_s",
    "client_cpu_ns",
    "server_cpu_ns",
    "rounds",
];

fn bench(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doors"));
    command.arg("bench").args(arguments).stdin(Stdio::null());
    command
}

#[test]
fn a_quick_measurement_writes_a_table_and_records_and_a_page() {
    let _watchdog = Watchdog::new("doors bench null");
    let directory = Directory::new("bench");
    let (json, html) = (directory.join("json"), directory.join("html"));
    let mut command = bench(&["null", "--quick"]);
    command.arg("--json").arg(&json).arg("--html").arg(&html);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("null, 8 B, one cpu"), "{table}");

    let records: Value = serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap();
    let records = records.as_array().unwrap();
    for record in records {
        for key in KEYS {
            assert!(!record[key].is_null(), "{key} in {record}");
        }
        assert_eq!(record["work"], "null");
        assert_eq!(record["size"], 8);
        assert_eq!(record["threads"], 1);
        assert!(record["rounds"].as_u64().unwrap() >= 5);
        let time = |key: &str| record[key].as_f64().unwrap();
        assert!(time("p50_ns") > 0.0 && time("p50_ns") <= time("p99_ns"));
        assert!(time("p99_ns") <= time("p999_ns"));
    }
    for pin in ["unpinned", "one cpu", "one each"] {
        for peer in ["doors", "futex", "unix stream", "unix seqpacket", "pipe"] {
            let here = |record: &&Value| record["pin"] == pin && record["peer"] == peer;
            assert_eq!(records.iter().filter(here).count(), 1, "{peer}, {pin}");
        }
    }
    let page = fs::read_to_string(html).unwrap();
    assert!(page.contains("<svg") && page.ends_with("</html>\n"));
}

#[test]
fn what_cannot_be_measured_is_said_before_anything_is() {
    let output = bench(&["nothing"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("one of null, sparse,"), "{said}");

    let output = bench(&["null", "--json", "/nowhere/at/all"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
}

/// A long measurement, in the middle of which it ends by a signal; every process of it has the pipe of its errors.
fn interrupted(directory: &Directory, signal: Signal) -> Child {
    let mut command = bench(&["null"]);
    command.env("TMPDIR", directory.path());
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The first server has attached its door.
    until_found(&mut child, || has_server(directory.path()).then_some(()));
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
    child
}

/// Looks until there is what is looked for in a measurement that runs.
fn until_found<T>(child: &mut Child, look: impl Fn() -> Option<T>) -> T {
    loop {
        assert!(child.try_wait().unwrap().is_none(), "it has ended");
        if let Some(found) = look() {
            return found;
        }
        // A pause between two looks: the processors are the measurement's.
        thread::sleep(Duration::from_millis(5));
    }
}

fn has_server(directory: &Path) -> bool {
    let stages = fs::read_dir(directory).unwrap();
    stages
        .flatten()
        .any(|stage| stage.path().join("0/door").exists())
}

/// The process of a running measurement whose part has these words.
fn process_of(child: &mut Child, words: [&str; 2]) -> Pid {
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    until_found(child, || {
        let children = fs::read_to_string(&children).unwrap();
        let is_meant = |pid: &&str| {
            // One that has ended meanwhile has no command line.
            let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            words.iter().all(|word| line.contains(word))
        };
        let pid = children.split_whitespace().find(is_meant)?;
        Some(Pid::from_raw(pid.parse().unwrap()))
    })
}

/// Kills a process of a measurement; what is said about it.
fn said_of_killed(part: &str, peer: &str) -> String {
    let _watchdog = Watchdog::new("doors bench, a process of it killed");
    let directory = Directory::new("bench-part-killed");
    let mut command = bench(&["null"]);
    command.env("TMPDIR", directory.path());
    let command = command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let peer = format!("\"peer\":\"{peer}\"");
    let victim = process_of(&mut child, [part, &peer]);
    kill(victim, Signal::SIGKILL).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_server_that_is_killed_ends_the_measurement_with_one_line() {
    // Callers of the first notice it themselves, those of the second wait for a word of memory that nobody changes.
    for peer in ["unix stream", "futex"] {
        let said = said_of_killed("Server", peer);
        let wanted = "the server has ended: signal: 9 (SIGKILL)";
        assert_eq!(
            said,
            format!("doors: cannot measure null: {peer}: {wanted}\n")
        );
    }
}

#[test]
fn a_client_that_is_killed_ends_the_measurement_with_one_line() {
    let said = said_of_killed("Client", "doors");
    assert_eq!(
        said,
        "doors: cannot measure null: doors: the client has ended: signal: 9 (SIGKILL)\n"
    );
}

/// Ends when no process of the measurement is left; how the first one ended.
fn wait_for_all(child: &mut Child) -> ExitStatus {
    // What they say when their directory goes away under them does not matter.
    let mut said = Vec::new();
    let mut errors = child.stderr.take().unwrap();
    errors.read_to_end(&mut said).unwrap();
    child.wait().unwrap()
}

#[test]
fn no_process_outlives_a_measurement_that_is_killed() {
    let _watchdog = Watchdog::new("doors bench, killed");
    let directory = Directory::new("bench-killed");
    let mut child = interrupted(&directory, Signal::SIGKILL);
    // Not before the last of them has closed the pipe: what fails when one stays is the watchdog.
    let ended = wait_for_all(&mut child);
    assert_eq!(ended.signal(), Some(9));
}

#[test]
fn a_measurement_that_is_terminated_leaves_nothing() {
    let _watchdog = Watchdog::new("doors bench, terminated");
    let directory = Directory::new("bench-terminated");
    let mut child = interrupted(&directory, Signal::SIGTERM);
    let ended = wait_for_all(&mut child);
    assert!(!ended.success(), "{ended}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}
