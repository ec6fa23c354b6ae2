//! `doors serve` and `doors call`: what a call brings to a command, and what comes back.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use command_fds::{CommandFdExt, FdMapping};
use harness::{Directory, Watchdog};
use nix::sys::signal::Signal;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
};
use nix::unistd::geteuid;

use super::command::{
    DOORS, Server, alive, call, doors, eventually, line, out, signal, start_call, status, text,
};

#[test]
fn each_call_runs_the_command() {
    let _watchdog = Watchdog::new("each_call_runs_the_command");
    let directory = Directory::new("serve");
    let path = directory.join("upper");
    let _server = Server::start(&path, &[], &["tr", "a-z", "A-Z"]);
    let answered = call(&path, "hello", &[]);
    assert_eq!((status(&answered), out(&answered).as_str()), (0, "HELLO"));
    // From a file, and more than a pipe holds.
    let file = directory.join("data");
    fs::write(&file, "many words ".repeat(100_000)).unwrap();
    let answered = doors(["call", text(&path), "--file", text(&file)]);
    assert_eq!(status(&answered), 0);
    assert_eq!(out(&answered), "MANY WORDS ".repeat(100_000));
    // From standard input.
    let mut caller = Command::new(DOORS)
        .args(["call", text(&path)])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    caller.stdin.take().unwrap().write_all(b"typed").unwrap();
    let answered = caller.wait_with_output().unwrap();
    assert_eq!((status(&answered), out(&answered).as_str()), (0, "TYPED"));
    assert_eq!(call(&path, "", &[]).stdout, b"");
}

#[test]
fn descriptors_of_a_call_are_those_of_the_command_from_3_on() {
    let _watchdog = Watchdog::new("descriptors_of_a_call_are_those_of_the_command_from_3_on");
    let directory = Directory::new("fds");
    let (path, other) = (directory.join("door"), directory.join("other"));
    let script = "cat <&3; cat <&4; readlink /proc/self/fd/5; echo $DOORS_FDS $DOORS_CALLER_UID $DOORS_CALLER_PID";
    let _server = Server::start(&path, &[], &["sh", "-c", script]);
    let _other = Server::start(&other, &[], &["true"]);
    let (one, two) = (directory.join("one"), directory.join("two"));
    fs::write(&one, "first\n").unwrap();
    fs::write(&two, "second\n").unwrap();
    let caller = Command::new(DOORS)
        .args([
            "call",
            text(&path),
            "--data",
            "",
            "--fd",
            text(&one),
            "--fd",
            "-",
            "--fd",
            text(&other),
        ])
        .stdin(File::open(&two).unwrap())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = caller.id();
    let answered = caller.wait_with_output().unwrap();
    assert_eq!(status(&answered), 0);
    let text = out(&answered);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..2], ["first", "second"]);
    assert!(lines[2].starts_with("socket:"), "{text}");
    assert_eq!(lines[3], format!("3 {} {pid}", geteuid()));
    // Without descriptors there is no number 3 in the command.
    let failed = call(&path, "", &[]);
    assert_eq!(status(&failed), 0, "the script's last command succeeds");
    assert_eq!(
        out(&failed).lines().last().unwrap().split(' ').next(),
        Some("0")
    );
}

#[test]
fn a_command_that_fails_fails_the_call() {
    let _watchdog = Watchdog::new("a_command_that_fails_fails_the_call");
    let directory = Directory::new("fail");
    let path = directory.join("door");
    let server = Server::start(&path, &[], &["sh", "-c", "echo half; echo why >&2; exit 7"]);
    let caller = start_call(&path, "");
    let pid = caller.id();
    let failed = caller.wait_with_output().unwrap();
    assert_eq!(status(&failed), 6);
    assert_eq!(out(&failed), "half\n");
    let said = String::from_utf8(failed.stderr.clone()).unwrap();
    let expected = format!(
        "why\ndoors: call on {} failed: the command ended with exit status: 7\n",
        path.display()
    );
    assert_eq!(said, expected);
    signal(&server.child, Signal::SIGTERM);
    let (code, log) = server.end();
    assert_eq!(code, Some(0));
    // The log names the door and the caller.
    let expected = format!(
        "why\ndoors serve: call on {} by process {pid} of user {}: the command ended with exit status: 7\n",
        path.display(),
        geteuid()
    );
    assert_eq!(log, expected);
}

#[test]
fn an_endless_answer_is_cut_off() {
    let _watchdog = Watchdog::new("an_endless_answer_is_cut_off");
    let directory = Directory::new("endless");
    let path = directory.join("door");
    let _server = Server::start(&path, &["--answer-max", "100000"], &["yes"]);
    let failed = call(&path, "", &[]);
    assert_eq!(status(&failed), 6);
    assert!(line(&failed).ends_with("the command wrote more than 100000 bytes"));
    assert!(failed.stdout.len() <= 100_000);
}

#[test]
fn what_a_command_leaves_running_does_not_keep_the_caller() {
    let _watchdog = Watchdog::new("what_a_command_leaves_running_does_not_keep_the_caller");
    let directory = Directory::new("left");
    let (path, pid) = (directory.join("door"), directory.join("pid"));
    // It holds the standard output open.
    let script = "sleep 1000 & echo $! > \"$0\"; echo done";
    let _server = Server::start(&path, &[], &["sh", "-c", script, text(&pid)]);
    let answered = call(&path, "", &[]);
    assert_eq!((status(&answered), out(&answered).as_str()), (0, "done\n"));
    let left = fs::read_to_string(&pid).unwrap();
    eventually("the end of what was left", || !alive(left.trim()));
}

#[test]
fn a_passed_listener_is_served_and_left() {
    let _watchdog = Watchdog::new("a_passed_listener_is_served_and_left");
    let directory = Directory::new("activated");
    let path = directory.join("door");
    let listener: OwnedFd = socket(
        AddressFamily::Unix,
        SockType::SeqPacket,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .unwrap();
    bind(
        std::os::fd::AsRawFd::as_raw_fd(&listener),
        &UnixAddr::new(&path).unwrap(),
    )
    .unwrap();
    listen(&listener, Backlog::new(16).unwrap()).unwrap();
    // Called before there is a server.
    let early = start_call(&path, "early");
    let mut command = Command::new("sh");
    // LISTEN_PID is what the process id is after the exec, too.
    command.args([
        "-c",
        "LISTEN_PID=$$ exec \"$0\" serve - -- sh -c 'echo \"$(cat)$LISTEN_FDS\"'",
        DOORS,
    ]);
    command.env("LISTEN_FDS", "1");
    let mapping = FdMapping {
        parent_fd: listener,
        child_fd: 3,
    };
    command.fd_mappings(vec![mapping]).unwrap();
    let server = Server::of(command);
    let early = early.wait_with_output().unwrap();
    assert_eq!(
        (status(&early), out(&early).as_str()),
        (0, "early\n"),
        "{early:?}"
    );
    let later = call(&path, "later", &[]);
    assert_eq!((status(&later), out(&later).as_str()), (0, "later\n"));
    signal(&server.child, Signal::SIGTERM);
    let (code, _) = server.end();
    assert_eq!(code, Some(0));
    let none = doors(["serve", "-", "--", "true"]);
    assert_eq!(status(&none), 1);
    assert!(line(&none).contains("LISTEN_FDS"));
}

#[test]
fn a_command_that_cannot_be_run_is_told_at_the_start() {
    let directory = Directory::new("program");
    let (path, file) = (directory.join("door"), directory.join("program"));
    fs::write(&file, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let because = |command: &str, why: &str| {
        let refused = doors(["serve", text(&path), "--", command]);
        assert_eq!(status(&refused), 1, "{command}");
        assert_eq!(
            line(&refused),
            format!("doors: cannot run {command}: {why}")
        );
        assert!(!path.exists());
    };
    because("no-such-program", "there is no such program");
    because("/no/such/program", "there is no such program");
    because(text(&file), "it is not executable; `chmod +x` makes it so");
    because(text(directory.path()), "it is a directory");
    because("/dev/null", "it is not a regular file");
    // By its name alone, where the search finds it.
    let searched = Command::new(DOORS)
        .args(["serve", text(&path), "--", "program"])
        .env("PATH", directory.path())
        .output()
        .unwrap();
    assert_eq!(
        line(&searched),
        "doors: cannot run program: it is not executable; `chmod +x` makes it so"
    );
    fs::set_permissions(&file, Permissions::from_mode(0o755)).unwrap();
    let _server = Server::start(&path, &[], &[text(&file)]);
}
