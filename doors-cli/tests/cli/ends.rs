//! How calls through `doors serve` end early: given up, too many, the server told to end.

use std::fs;
use std::path::Path;

use harness::{Directory, Watchdog};
use nix::sys::signal::Signal;

use super::command::{
    Server, alive, call, eventually, gate, line, out, signal, start_call, status, text,
};

#[test]
fn a_caller_that_dies_or_gives_up_takes_its_command_along() {
    let _watchdog = Watchdog::new("a_caller_that_dies_or_gives_up_takes_its_command_along");
    let directory = Directory::new("cancel");
    let path = directory.join("door");
    let script = "echo $$ > \"$(cat)\"; sleep 1000";
    let _server = Server::start(&path, &[], &["sh", "-c", script]);
    let running = |pid: &Path| {
        let file = pid.to_owned();
        eventually("the command's start", || {
            fs::read_to_string(&file).is_ok_and(|pid| pid.ends_with('\n'))
        });
        fs::read_to_string(pid).unwrap().trim().to_owned()
    };
    let first = directory.join("first");
    let mut caller = start_call(&path, text(&first));
    let pid = running(&first);
    assert!(alive(&pid));
    caller.kill().unwrap();
    caller.wait().unwrap();
    eventually("the end of the dead caller's command", || !alive(&pid));

    let second = directory.join("second");
    let late = call(&path, text(&second), &["--deadline", "1500"]);
    assert_eq!(status(&late), 3, "{late:?}");
    assert!(line(&late).contains("may have been executed"));
    let pid = running(&second);
    eventually("the end of the late command", || !alive(&pid));
}

#[test]
fn calls_beyond_the_limit_wait_and_run_nothing_when_their_deadline_passes() {
    let _watchdog =
        Watchdog::new("calls_beyond_the_limit_wait_and_run_nothing_when_their_deadline_passes");
    let directory = Directory::new("limit");
    let (path, gate, ran) = (
        directory.join("door"),
        gate(&directory),
        directory.join("ran"),
    );
    let script = "echo run >> \"$0\"; cat \"$1\"";
    let _server = Server::start(
        &path,
        &["--max", "1"],
        &["sh", "-c", script, text(&ran), text(&gate)],
    );
    let first = start_call(&path, "");
    eventually("the first command's start", || ran.exists());
    let second = call(&path, "", &["--deadline", "300"]);
    assert_eq!(status(&second), 1, "{second:?}");
    assert!(line(&second).ends_with("nothing was executed"));
    fs::write(&gate, "through").unwrap();
    let first = first.wait_with_output().unwrap();
    assert_eq!((status(&first), out(&first).as_str()), (0, "through"));
    assert_eq!(fs::read_to_string(&ran).unwrap(), "run\n");
}

#[test]
fn a_server_that_is_told_to_end_removes_its_name_and_finishes() {
    let _watchdog = Watchdog::new("a_server_that_is_told_to_end_removes_its_name_and_finishes");
    for sign in [Signal::SIGTERM, Signal::SIGINT] {
        let directory = Directory::new("end");
        let (path, gate, ran) = (
            directory.join("door"),
            gate(&directory),
            directory.join("ran"),
        );
        let script = "echo run >> \"$0\"; cat \"$1\"";
        let server = Server::start(
            &path,
            &["--grace", "60"],
            &["sh", "-c", script, text(&ran), text(&gate)],
        );
        let running = start_call(&path, "");
        eventually("the command's start", || ran.exists());
        signal(&server.child, sign);
        eventually("the end of the name", || !path.exists());
        let refused = call(&path, "", &[]);
        assert_eq!(status(&refused), 4);
        fs::write(&gate, "finished").unwrap();
        let running = running.wait_with_output().unwrap();
        assert_eq!((status(&running), out(&running).as_str()), (0, "finished"));
        assert_eq!(server.end().0, Some(0));
    }
}

#[test]
fn a_server_ends_its_commands_after_the_grace() {
    let _watchdog = Watchdog::new("a_server_ends_its_commands_after_the_grace");
    let directory = Directory::new("grace");
    let (path, ran) = (directory.join("door"), directory.join("ran"));
    let script = "echo $$ >> \"$0\"; sleep 1000";
    let server = Server::start(
        &path,
        &["--grace", "0.1"],
        &["sh", "-c", script, text(&ran)],
    );
    let running = start_call(&path, "");
    eventually("the command's start", || {
        fs::read_to_string(&ran).is_ok_and(|pid| pid.ends_with('\n'))
    });
    signal(&server.child, Signal::SIGTERM);
    let running = running.wait_with_output().unwrap();
    assert_eq!(status(&running), 6, "{running:?}");
    assert!(line(&running).ends_with("the server ends; the command was ended"));
    assert_eq!(server.end().0, Some(0));
    assert!(!alive(fs::read_to_string(&ran).unwrap().trim()));
}
