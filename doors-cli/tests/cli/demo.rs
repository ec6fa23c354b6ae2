//! `doors demo`.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use harness::{Directory, Watchdog};
use nix::sys::signal::Signal;
use nix::unistd::geteuid;

use super::command::{DOORS, alive, doors, eventually, line, open_directory, out, signal, status};

/// The processes that a demonstration says it has started.
fn started(text: &str) -> Vec<String> {
    let tails = text.split("started process ").skip(1);
    tails
        .map(|tail| tail.chars().take_while(char::is_ascii_digit).collect())
        .collect()
}

#[test]
fn the_demonstration_holds_and_leaves_nothing_behind() {
    let _watchdog = Watchdog::new("the_demonstration_holds_and_leaves_nothing_behind");
    let (files, temporary) = (Directory::new("demo"), open_directory("demo-tmp"));
    let (abc, empty) = (files.join("abc"), files.join("empty"));
    fs::write(&abc, "abc").unwrap();
    fs::write(&empty, "").unwrap();
    let mut demo = Command::new(DOORS);
    let shown = demo
        .arg("demo")
        .args([&abc, &empty])
        .env("TMPDIR", temporary.path())
        .output()
        .unwrap();
    let text = out(&shown);
    assert_eq!(status(&shown), 0, "{shown:?}");
    assert!(!text.contains("DID NOT HOLD"), "{text}");
    // FIPS 180-2, appendix B.1, and the digest of nothing.
    assert!(
        text.contains("3 bytes") && text.contains("0 bytes"),
        "{text}"
    );
    assert!(
        text.contains("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        "{text}"
    );
    assert!(
        text.contains("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        "{text}"
    );
    let steps = text
        .lines()
        .filter(|line| line.get(2..4) == Some(". "))
        .count();
    assert_eq!(steps, 10, "{text}");
    if geteuid().is_root() {
        assert!(text.contains("10 steps held;"), "{text}");
    } else {
        assert!(text.contains("9 steps held, 1 skipped;"), "{text}");
        assert!(text.contains("skipped: only root"), "{text}");
    }
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
    for pid in started(&text) {
        assert!(!alive(&pid), "process {pid} is left");
    }
}

#[test]
fn an_interrupted_demonstration_leaves_nothing_behind() {
    let _watchdog = Watchdog::new("an_interrupted_demonstration_leaves_nothing_behind");
    let (files, temporary) = (Directory::new("demo"), Directory::new("demo-tmp"));
    // So long that it is being read when the signal comes.
    let long = files.join("long");
    File::create(&long).unwrap().set_len(1 << 40).unwrap();
    let mut demo = Command::new(DOORS)
        .arg("demo")
        .arg(&long)
        .env("TMPDIR", temporary.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut seen = String::new();
    let mut output = BufReader::new(demo.stdout.take().unwrap());
    while !seen.contains(" 4. ") {
        assert_ne!(output.read_line(&mut seen).unwrap(), 0, "{seen}");
    }
    signal(&demo, Signal::SIGTERM);
    assert_eq!(demo.wait().unwrap().code(), Some(143));
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
    let pids = started(&seen);
    assert_eq!(pids.len(), 2, "{seen}");
    for pid in pids {
        eventually("the end of a process of the demonstration", || !alive(&pid));
    }
}

#[test]
fn a_demonstration_without_its_file_says_so_in_one_line() {
    let shown = doors(["demo", "/no/such/file"]);
    assert_eq!(status(&shown), 1);
    assert_eq!(
        line(&shown),
        "doors: cannot open /no/such/file: No such file or directory (os error 2)"
    );
    let shown = doors(["demo", "/"]);
    assert_eq!(status(&shown), 1);
    assert_eq!(
        line(&shown),
        "doors: / is not a regular file; give one that is"
    );
}
