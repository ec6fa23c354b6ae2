//! Callers from other namespaces, whom the kernel cannot name.

use std::process::Command;

use harness::ids::{Hall, REFUSED, is_root};
use harness::{Watchdog, skipped};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

/// The peer's program under unshare(1), if that works here.
fn unshared(arguments: &[&str]) -> Option<Command> {
    let works = Command::new("unshare").args(arguments).arg("true").output();
    if !works.is_ok_and(|output| output.status.success()) {
        skipped(&format!("unshare {arguments:?} does not work here"));
        return None;
    }
    let mut command = Command::new("unshare");
    command.args(arguments).arg(PEER);
    Some(command)
}

#[test]
fn a_caller_from_outside_the_pid_namespace_is_unknown_and_refused() {
    let _watchdog = Watchdog::new("pid namespace");
    let arguments = [
        "--user",
        "--map-root-user",
        "--pid",
        "--fork",
        "--kill-child",
    ];
    let arguments = if is_root() {
        &arguments[2..]
    } else {
        &arguments[..]
    };
    for (word, answer) in [("access=anyone", REFUSED), ("access=unknown", "ok unknown")] {
        let Some(command) = unshared(arguments) else {
            return;
        };
        let hall = Hall::of(PEER, "outside", command, &[word]);
        let mut client = hall.client(&[]);
        client.expect_each(&["call 0 c", "call 0 c"], answer);
        // Our own process is as unknown to it, and the refusals could not be asked for otherwise.
        if word == "access=unknown" {
            assert_eq!(hall.refused(), 0);
        }
    }
}

#[test]
fn a_caller_without_a_name_in_the_user_namespace_is_unknown_and_refused() {
    let _watchdog = Watchdog::new("user namespace");
    if !is_root() {
        return;
    }
    let arguments = ["--user", "--map-root-user"];
    for (word, answer) in [("access=anyone", REFUSED), ("access=unknown", "ok unknown")] {
        let Some(command) = unshared(&arguments) else {
            return;
        };
        let hall = Hall::of(PEER, "unmapped", command, &[word]);
        // uid 51070 has no name there, and shows as 65534; never as uid 0.
        for uid in ["uid=51070", "uid=65534"] {
            let mut client = hall.client(&[uid]);
            client.expect_each(&["call 0 c", "call 0 c"], answer);
        }
        if word == "access=anyone" {
            // The one user that has a name there is known.
            let mut client = hall.client(&[]);
            for _ in 0..2 {
                let heard = client.ask("call 0 c");
                assert!(heard.starts_with("ok uid=0 "), "{heard}");
            }
        }
    }
}

#[test]
fn a_client_that_is_root_in_its_own_namespace_only_is_whom_it_is_outside() {
    let _watchdog = Watchdog::new("namespaced client");
    let Some(command) = unshared(&["--user", "--map-root-user"]) else {
        return;
    };
    let hall = Hall::new(PEER, "inside", &[]);
    let mut client = if is_root() {
        // Somebody who becomes root in a namespace of their own.
        let mut command = Command::new("setpriv");
        command.args(["--reuid=51080", "--regid=51081", "--clear-groups"]);
        command.args(["unshare", "--user", "--map-root-user", PEER]);
        hall.client_of(command, &[])
    } else {
        hall.client_of(command, &[])
    };
    let uid = if is_root() {
        51_080
    } else {
        nix::unistd::geteuid().as_raw()
    };
    for _ in 0..2 {
        let answer = client.ask("call 0 c");
        assert!(answer.starts_with(&format!("ok uid={uid} ")), "{answer}");
    }
}
