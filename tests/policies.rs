//! Who may call a door.

use std::os::unix::fs::PermissionsExt;

use harness::ids::{Client, Hall, REFUSED, is_root};
use harness::{Directory, Watchdog};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

#[test]
fn every_way_to_a_door_asks_its_policy_and_counts_the_refusals() {
    let _watchdog = Watchdog::new("policy");
    if !is_root() {
        return;
    }
    let hall = Hall::new(PEER, "policy", &["access=uid:0,uid:51030,gid:51031,even"]);
    let refused = hall.refused();
    assert_eq!(refused, 0);
    let admitted: [&[&str]; 4] = [
        &["uid=51030"],
        &["uid=51033", "gid=51031"],
        &["uid=51033", "groups=51031"],
        &["uid=51036"],
    ];
    for words in admitted {
        let words: Vec<&str> = words.iter().rev().copied().collect();
        let mut client = hall.client(&words);
        for command in ["call 0 t", "call 0 t"] {
            let answer = client.ask(command);
            assert!(answer.starts_with("ok "), "{words:?}: {answer}");
        }
        assert_eq!(client.ask("info 0"), "ok");
        assert_eq!(client.ask("copy 0"), "ok");
    }
    assert_eq!(hall.refused(), 0);
    let mut client = hall.client(&["uid=51033", "gid=51034", "groups=51035"]);
    // The first call, a session, information, another reference.
    client.expect_each(&["call 0 t", "call 0 t"], REFUSED);
    client.expect_each(&["info 0", "copy 0"], REFUSED);
    assert_eq!(hall.refused(), 4);
}

#[test]
fn a_further_door_of_a_session_asks_its_own_policy() {
    let _watchdog = Watchdog::new("register");
    if !is_root() {
        return;
    }
    let directory = Directory::new("public");
    let open = PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(directory.path(), open).unwrap();
    let public = directory.join("public");
    let word = format!("public={}", public.display());
    let hall = Hall::new(PEER, "register", &["access=uid:0", &word]);
    let mut client = Client::new(PEER, &["uid=51040"]);
    // A session through the door that is for anyone; then the other door is to be registered in it.
    client.open(&public);
    assert!(client.ask("call 0 t").starts_with("ok "));
    assert!(client.ask("call 0 t").starts_with("ok "));
    client.open(&hall.path());
    client.expect_each(&["call 1 t", "call 1 t"], REFUSED);
    assert!(client.ask("call 0 t").starts_with("ok "));
}

#[test]
fn a_name_can_narrow_the_policy_of_its_door() {
    let _watchdog = Watchdog::new("name policy");
    if !is_root() {
        return;
    }
    let words = [
        "access=uid:0,uid:51050,uid:51051",
        "attach-access=uid:51050,uid:51052",
    ];
    let hall = Hall::new(PEER, "narrow", &words);
    for (uid, admitted) in [(51_050, true), (51_051, false), (51_052, false)] {
        let word = format!("uid={uid}");
        let mut client = hall.client(&[&word]);
        for command in ["call 0 t", "call 0 t", "info 0", "copy 0"] {
            let answer = client.ask(command);
            if admitted {
                assert!(answer.starts_with("ok"), "{uid}: {answer}");
            } else {
                assert_eq!(answer, REFUSED, "{uid}: {command}");
            }
        }
    }
    // A reference that the server hands out itself is not of that name.
    let mut client = hall.client(&["uid=51050"]);
    assert_eq!(client.ask("call 0 d"), "ok door");
    assert_eq!(client.ask("received"), "opened");
    assert!(client.ask("call 1 t").starts_with("ok "));
}

#[test]
fn every_refusal_is_an_event() {
    let _watchdog = Watchdog::new("events");
    let uid = nix::unistd::geteuid().as_raw();
    // Nobody is admitted: the rule names somebody else.
    let word = format!("access=uid:{}", uid.wrapping_add(1));
    let mut hall = Hall::new(PEER, "events", &["trace", &word]);
    let mut client = hall.client(&[]);
    for command in ["call 0 t", "call 0 t", "info 0", "copy 0"] {
        assert_eq!(client.ask(command), REFUSED);
        let event = hall.server.hear();
        assert!(event.starts_with("event WARN "), "{event}");
        assert!(event.contains("a caller was refused"), "{event}");
        let who = format!(
            "caller with uid {uid} (pid {}) is not admitted",
            client.pid()
        );
        assert!(event.contains(&who), "{event}");
    }
}
