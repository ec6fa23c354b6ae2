//! Who calls, by the kernel's word.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::os::unix::fs::MetadataExt;

use harness::Watchdog;
use harness::ids::{Hall, is_root};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

/// What the server says of a caller with these ids.
fn known(uid: u32, gid: u32, groups: &[u32], pid: u32) -> String {
    format!("ok uid={uid} gid={gid} groups={groups:?} pid={pid} pidfd={pid}")
}

#[test]
fn a_procedure_sees_who_calls_by_the_kernels_word() {
    let _watchdog = Watchdog::new("who calls");
    let hall = Hall::new(PEER, "who", &[]);
    let me = (
        nix::unistd::geteuid().as_raw(),
        nix::unistd::getegid().as_raw(),
    );
    let mut client = hall.client(&[]);
    let own = format!("ok uid={} gid={} ", me.0, me.1);
    // The first call travels on the connection, the second through a session.
    for _ in 0..2 {
        let answer = client.ask("call 0 c");
        assert!(answer.starts_with(&own), "{answer}");
        assert!(
            answer.ends_with(&format!("pid={0} pidfd={0}", client.pid())),
            "{answer}"
        );
    }
    if !is_root() {
        return;
    }
    for (uid, gid, groups) in [(51_001, 51_002, "51003,51004"), (65_534, 65_534, "65534")] {
        let words = [
            format!("uid={uid}"),
            format!("gid={gid}"),
            format!("groups={groups}"),
        ];
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut client = hall.client(&words);
        let groups: Vec<u32> = groups.split(',').map(|g| g.parse().unwrap()).collect();
        let answer = known(uid, gid, &groups, client.pid());
        client.expect_each(&["call 0 c", "call 0 c", "call 0 r"], &answer);
    }
}

#[test]
fn the_ids_that_a_client_takes_later_show_when_they_are_asked_for() {
    let _watchdog = Watchdog::new("refresh");
    if !is_root() {
        return;
    }
    let hall = Hall::new(PEER, "refresh", &[]);
    let mut client = hall.client(&["groups=51010", "gid=51011"]);
    let pid = client.pid();
    let before = known(0, 51_011, &[51_010], pid);
    client.expect_each(&["call 0 c", "call 0 c", "call 0 r"], &before);
    assert_eq!(client.ask("setresuid 51012"), "changed");
    // The session was begun by the superuser; who wants to know better asks.
    assert_eq!(client.ask("call 0 c"), before);
    assert_eq!(
        client.ask("call 0 r"),
        known(51_012, 51_011, &[51_010], pid)
    );
}

#[test]
fn a_door_that_was_passed_on_shows_its_receiver_as_the_caller() {
    let _watchdog = Watchdog::new("passed");
    if !is_root() {
        return;
    }
    let hall = Hall::new(PEER, "passed", &["access=uid:0,uid:51020"]);
    for (uid, admitted) in [(51_020, true), (51_021, false)] {
        let word = format!("uid={uid}");
        let mut receiver = Hall::new(PEER, "receiver", &[&word]);
        // The giver is admitted, and gives a reference of its own to the receiver, which calls.
        let mut giver = hall.client(&[]);
        giver.open(&receiver.path());
        let expected = if admitted {
            known(uid, 0, &groups_of_this_process(), receiver.server.pid())
        } else {
            "ok NotAllowed".to_owned()
        };
        giver.expect_each(&["pass 0 1", "pass 0 1"], &expected);
        receiver.open_new_books();
        giver.expect_each(&["pass 0 1", "pass 0 1"], &expected);
        // The giver itself is known as before.
        let own = known(0, 0, &groups_of_this_process(), giver.pid());
        giver.expect_each(&["call 0 c", "call 0 c"], &own);
    }
}

/// What the children of this process inherit.
fn groups_of_this_process() -> Vec<u32> {
    let mut groups: Vec<u32> = nix::unistd::getgroups()
        .unwrap()
        .iter()
        .map(|group| group.as_raw())
        .collect();
    groups.sort_unstable();
    groups
}

#[test]
fn a_name_belongs_to_whom_it_was_given() {
    let _watchdog = Watchdog::new("owner");
    if !is_root() {
        return;
    }
    let hall = Hall::new(PEER, "owner", &["owner=51060", "group=51061", "mode=432"]);
    let found = std::fs::metadata(hall.path()).unwrap();
    assert_eq!(
        (found.uid(), found.gid(), found.mode() & 0o777),
        (51_060, 51_061, 0o660)
    );
    let mut owner = hall.client(&["uid=51060"]);
    assert!(owner.ask("call 0 t").starts_with("ok "));
}
