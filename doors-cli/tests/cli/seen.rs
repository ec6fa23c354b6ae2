//! `doors info`, `doors ls` and `doors top`.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use harness::{Directory, Watchdog};
use nix::pty::openpty;
use nix::sys::signal::Signal;
use nix::unistd::geteuid;
use serde_json::Value;

use super::command::{
    DOORS, Server, doors, eventually, gate, out, signal, start_call, status, text,
};

#[test]
fn a_door_is_seen_while_it_serves() {
    let _watchdog = Watchdog::new("a_door_is_seen_while_it_serves");
    let directory = Directory::new("seen");
    let path = fs::canonicalize(directory.path()).unwrap().join("door");
    let gate = gate(&directory);
    // Open for both, so that no reader waits for a writer; each call takes one byte.
    let mut through = File::options().read(true).write(true).open(&gate).unwrap();
    let from = format!("if={}", gate.display());
    let server = Server::start(&path, &[], &["dd", "bs=1", "count=1", "status=none", &from]);
    let running = start_call(&path, "");
    let info = || -> Value {
        let told = doors(["info", text(&path), "--json"]);
        assert_eq!(status(&told), 0, "{told:?}");
        serde_json::from_slice(&told.stdout).unwrap()
    };
    eventually("a running call", || info()["active"] == 1);
    let told = info();
    assert_eq!(told["pid"], server.child.id());
    assert_eq!(told["uid"], geteuid().as_raw());
    assert_eq!(told["attributes"], serde_json::json!(["PRIVATE"]));
    eventually("an age of the running call", || {
        info()["oldest_call_us"].as_u64().unwrap() > 0
    });
    let people = out(&doors(["info", text(&path)]));
    assert!(people.contains("1 running"), "{people}");
    assert!(people.contains("\nrunning for       "), "{people}");
    // Each running call has its age, the oldest first.
    let second = start_call(&path, "");
    let ages = || -> Vec<u64> {
        let told = info()["ages_us"].clone();
        serde_json::from_value(told).unwrap()
    };
    eventually(
        "the ages of two running calls",
        || matches!(ages()[..], [_, younger] if younger > 0),
    );
    let [older, younger] = ages()[..] else {
        panic!("two calls run");
    };
    assert!(younger > 0 && older >= younger, "{older} {younger}");
    // No limit is no number.
    assert_eq!(told["data_min"], 0);
    assert!(
        told["data_max"].is_null() && told["desc_max"].is_null(),
        "{told}"
    );

    let listed = || -> Option<Value> {
        let all: Value = serde_json::from_slice(&doors(["ls", "--json"]).stdout).unwrap();
        let mine = |door: &&Value| door["path"] == text(&path);
        all.as_array().unwrap().iter().find(mine).cloned()
    };
    let entry = listed().unwrap();
    assert_eq!(entry["pid"], server.child.id());
    assert_eq!(entry["active"], 2);
    let table = out(&doors(["ls"]));
    let row = table
        .lines()
        .find(|line| line.starts_with(text(&path)))
        .unwrap();
    assert!(row.contains("PRIVATE"), "{table}");
    let top = out(&doors([
        "top",
        "--once",
        "--interval",
        "0.05",
        "--rows",
        "1000",
    ]));
    let row = top
        .lines()
        .find(|line| line.ends_with(text(&path)))
        .unwrap();
    let running_now = row.split_whitespace().nth(1);
    assert_eq!(running_now, Some("2"), "{top}");

    through.write_all(b"go").unwrap();
    assert_eq!(status(&running.wait_with_output().unwrap()), 0);
    assert_eq!(status(&second.wait_with_output().unwrap()), 0);
    eventually("the end of the call", || info()["active"] == 0);
    assert_eq!(info()["calls"], 2);
    assert_eq!(ages(), Vec::<u64>::new());
    drop(server);
    assert_eq!(listed(), None);
}

#[test]
fn a_watcher_whose_reader_goes_ends_quietly() {
    let _watchdog = Watchdog::new("a_watcher_whose_reader_goes_ends_quietly");
    let mut top = Command::new(DOORS)
        .args(["top", "--interval", "0.05"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = top.stdout.take().unwrap();
    output.read_exact(&mut [0]).unwrap();
    drop(output);
    let ended = top.wait_with_output().unwrap();
    assert_eq!(status(&ended), 0);
    assert_eq!(ended.stderr, b"");
}

/// Reads what a terminal shows until the words are among it.
fn shown(screen: &mut File, words: &str) -> String {
    let mut text = String::new();
    while !text.contains(words) {
        let mut bytes = [0; 4096];
        let count = screen.read(&mut bytes).unwrap();
        text.push_str(&String::from_utf8_lossy(bytes.get(..count).unwrap()));
    }
    text
}

#[test]
fn a_watcher_at_a_terminal_gives_the_screen_back() {
    let _watchdog = Watchdog::new("a_watcher_at_a_terminal_gives_the_screen_back");
    let terminal = openpty(None, None).unwrap();
    let mut screen = File::from(terminal.master);
    let mut top = Command::new(DOORS)
        .args(["top", "--interval", "0.05"])
        .stdout(terminal.slave)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The alternate screen, then frames, one over the other.
    assert!(shown(&mut screen, "CALLS/S").starts_with("\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[H"));
    shown(&mut screen, "CALLS/S");
    signal(&top, Signal::SIGINT);
    shown(&mut screen, "\x1b[?7h\x1b[?25h\x1b[?1049l");
    assert_eq!(top.wait().unwrap().code(), Some(0));
    let mut said = String::new();
    top.stderr.unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
}
