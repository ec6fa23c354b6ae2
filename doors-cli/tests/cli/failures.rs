//! What goes wrong: a line for people, a number for programs.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use harness::{Directory, Watchdog};
use nix::sys::signal::Signal;
use nix::unistd::geteuid;
use serde_json::Value;

use super::command::{
    DOORS, NOBODY, Server, call, doors, eventually, line, open_directory, out, signal, start_call,
    status, text,
};

#[test]
fn failures_have_a_line_and_a_number() {
    let _watchdog = Watchdog::new("failures_have_a_line_and_a_number");
    let directory = Directory::new("failures");
    let path = directory.join("door");
    let missing = call(&path, "", &[]);
    assert_eq!(status(&missing), 4);
    assert!(line(&missing).contains(&format!("no such name: {}", path.display())));
    let info = doors(["info", text(&path)]);
    assert_eq!(status(&info), 4);

    let file = directory.join("file");
    fs::write(&file, "").unwrap();
    // No door can be below a file.
    let below = call(&file.join("door"), "", &[]);
    assert_eq!(status(&below), 4);
    assert!(line(&below).contains("is not a directory"));
    let below = doors(["serve", text(&file.join("door")), "--", "true"]);
    assert_eq!(status(&below), 1);
    let foreign = call(&file, "", &[]);
    assert_eq!(status(&foreign), 4);
    assert!(line(&foreign).contains("is not a door"));
    let foreign = doors(["serve", text(&file), "--", "true"]);
    assert_eq!(status(&foreign), 1);
    assert!(line(&foreign).contains("it was not touched"));

    let mut server = Server::start(&path, &[], &["true"]);
    let busy = doors(["serve", text(&path), "--", "true"]);
    assert_eq!(status(&busy), 1);
    assert!(line(&busy).contains("a live door is at"));
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    let dead = call(&path, "", &[]);
    assert_eq!(status(&dead), 4);
    assert!(line(&dead).contains("no server is behind the name"));
}

#[test]
fn of_a_server_that_is_stopped_nobody_says_that_it_ran_anything() {
    let _watchdog = Watchdog::new("of_a_server_that_is_stopped");
    let directory = Directory::new("stopped");
    let path = directory.join("door");
    let server = Server::start(&path, &[], &["true"]);
    signal(&server.child, Signal::SIGSTOP);
    let given_up = call(&path, "", &["--deadline", "200"]);
    signal(&server.child, Signal::SIGCONT);
    assert_eq!(status(&given_up), 3);
    let said = line(&given_up);
    assert!(
        said.contains("the deadline passed before the server answered; it may"),
        "{said}"
    );
}

#[test]
fn help_tells_the_numbers_and_examples() {
    let help = out(&doors(["--help"]));
    for word in [
        "demo",
        "serve",
        "call",
        "info",
        "ls",
        "top",
        "bench",
        "DOORS_WAITING",
        "Exit status:",
        "may have been executed",
    ] {
        assert!(help.contains(word), "{word} in {help}");
    }
    assert!(!help.contains("demo-server"), "{help}");
    for verb in ["demo", "serve", "call", "info", "ls", "top", "bench"] {
        let help = doors([verb, "--help"]);
        assert_eq!(status(&help), 0);
        assert!(
            out(&help).contains(&format!("Examples:\n  doors {verb}")),
            "{}",
            out(&help)
        );
    }
}

#[test]
fn another_user_is_told_what_it_may_not_do() {
    let _watchdog = Watchdog::new("another_user_is_told_what_it_may_not_do");
    if !geteuid().is_root() {
        eprintln!("skipped: only root can become another user");
        return;
    }
    let directory = open_directory("permission");
    let path = fs::canonicalize(directory.path()).unwrap().join("door");
    // The built program may lie where that user cannot go.
    let program = directory.join("doors");
    fs::copy(DOORS, &program).unwrap();
    let _server = Server::start(&path, &[], &["true"]);
    let as_nobody = |arguments: &[&str]| {
        Command::new(&program)
            .args(arguments)
            .uid(NOBODY)
            .gid(NOBODY)
            .output()
            .unwrap()
    };
    let called = as_nobody(&["call", text(&path), "--data", ""]);
    assert_eq!(status(&called), 5, "{called:?}");
    assert!(line(&called).contains("permission denied"));
    let listed = as_nobody(&["ls", "--json"]);
    let all: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let mine = all
        .as_array()
        .unwrap()
        .iter()
        .find(|door| door["path"] == text(&path))
        .unwrap();
    assert_eq!(mine["remark"], "not permitted by its mode");
    assert_eq!(mine["uid"], 0);
}

#[test]
fn a_slip_on_the_command_line_is_told_on_one_line() {
    let slip = |words: &[&str], said: &str| {
        let told = doors(words);
        assert_eq!(status(&told), 2, "{words:?}");
        assert_eq!(line(&told), format!("doors: {said}"), "{words:?}");
        assert_eq!(told.stdout, b"", "{words:?}");
    };
    slip(
        &["call"],
        "the following required arguments were not provided: <PATH>; see `doors call --help`",
    );
    slip(
        &["dmeo"],
        "unrecognized subcommand 'dmeo' (is `demo` meant?); see `doors --help`",
    );
    slip(
        &["serve", "d", "--mode", "999", "--", "true"],
        "invalid value '999' for '--mode <MODE>': octal digits up to 777 are wanted; see `doors serve --help`",
    );
    slip(
        &["serve", "d", "--max", "0", "--", "true"],
        "invalid value '0' for '--max <N>': a number from 1 on is wanted; see `doors serve --help`",
    );
    slip(
        &["serve", "d"],
        "the following required arguments were not provided: <CMD>...; see `doors serve --help`",
    );
    slip(
        &["call", "d", "--deadline", "abc"],
        "invalid value 'abc' for '--deadline <MS>': a number of milliseconds is wanted; see `doors call --help`",
    );
    slip(
        &["call", "d", "--data", "a", "--file", "b"],
        "the argument '--data <STR>' cannot be used with '--file <F>'; see `doors call --help`",
    );
    slip(
        &["top", "--interval", "0"],
        "invalid value '0' for '--interval <SECONDS>': at least 0.05 s are wanted; see `doors top --help`",
    );
    // Nothing at all is no slip: the help says how to go on.
    let nothing = doors::<&str>([]);
    assert_eq!(status(&nothing), 2);
    let help = String::from_utf8(nothing.stderr).unwrap();
    assert!(help.ends_with("Start with:\n  doors demo\n"), "{help}");
}

#[test]
fn a_path_that_is_too_long_is_told_by_the_part_that_is() {
    let directory = Directory::new("long");
    let whole = format!("{}/{}", text(directory.path()), "c/".repeat(2050));
    let called = call(whole.as_ref(), "", &[]);
    assert_eq!(status(&called), 1);
    assert!(line(&called).starts_with(
        "doors: cannot open: the path is too long, at most 4095 bytes can be used: /"
    ));
    let component = directory.join(&"c".repeat(256));
    let called = call(&component, "", &[]);
    assert_eq!(
        line(&called),
        format!(
            "doors: cannot open: a component of the path is too long, at most 255 bytes can be used: {}",
            component.display()
        )
    );
    let last = directory.join(&"c".repeat(120));
    let served = doors(["serve", text(&last), "--", "true"]);
    assert_eq!(status(&served), 1);
    let said = line(&served);
    assert!(
        said.starts_with(
            "doors: cannot serve: in a path of this length the last component is too long, at most 8"
        ),
        "{said}"
    );
}

#[test]
fn each_number_means_one_thing() {
    let _watchdog = Watchdog::new("each_number_means_one_thing");
    let directory = open_directory("numbers");
    let path = directory.join("door");
    let script = "case $(cat) in fail) exit 1;; sleep) sleep 30;; esac";
    let server = Server::start(&path, &["--max", "1"], &["sh", "-c", script]);
    // 0 executed, 6 executed and failed.
    assert_eq!(status(&call(&path, "", &[])), 0);
    assert_eq!(status(&call(&path, "fail", &[])), 6);
    // 3: the deadline passed while it ran, or the server died meanwhile.
    assert_eq!(status(&call(&path, "sleep", &["--deadline", "1500"])), 3);
    let running = start_call(&path, "sleep");
    let active = || {
        let told = doors(["info", text(&path), "--json"]);
        let told: Value = serde_json::from_slice(&told.stdout).unwrap();
        told["active"] == 1 && told["calls"] == 4
    };
    eventually("a call that runs", active);
    // 1: the deadline passed before it ran.
    assert_eq!(status(&call(&path, "", &["--deadline", "100"])), 1);
    // 2: a slip.
    assert_eq!(status(&call(&path, "", &["--deadline", "soon"])), 2);
    drop(server);
    assert_eq!(status(&running.wait_with_output().unwrap()), 3);
    // 4: nobody is there.
    for verb in ["call", "info"] {
        assert_eq!(status(&doors([verb, text(&path)])), 4, "{verb}");
    }
    // 5: the mode of the name.
    let closed = directory.join("closed");
    let _server = Server::start(&closed, &["--mode", "0"], &["true"]);
    let program = directory.join("doors");
    fs::copy(DOORS, &program).unwrap();
    for verb in ["call", "info"] {
        let mut refused = Command::new(&program);
        refused.arg(verb).arg(&closed).stdin(Stdio::null());
        if geteuid().is_root() {
            refused.uid(NOBODY).gid(NOBODY);
        }
        assert_eq!(status(&refused.output().unwrap()), 5, "{verb}");
    }
}
