//! Methods that are not for everybody.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

#[path = "peer/typed/safe.rs"]
mod safe;

use std::fs::File;
use std::os::unix::fs::PermissionsExt;

use doors::typed::{Description, Refused};
use doors::{CallState, Door, DoorCondition, DoorDesc, ProcedureError};
use harness::ids::is_root;
use harness::raw::Slow;
use harness::{Census, Directory, Peer, Watchdog};
use safe::{SafeClient, SafeDoor, Vault, closed, nobody};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

fn start(name: &str) -> (Peer, Directory) {
    let directory = Directory::new(name);
    let open = PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(directory.path(), open).unwrap();
    let mut peer = Peer::start(PEER, "typed-safe", &[directory.path().to_str().unwrap()]);
    peer.expect("ready");
    (peer, directory)
}

fn me() -> u32 {
    nix::unistd::geteuid().as_raw()
}

#[test]
fn a_refused_call_runs_nothing_and_leaves_no_descriptor() {
    let _watchdog = Watchdog::new("a_refused_call_runs_nothing_and_leaves_no_descriptor");
    let (peer, directory) = start("refused");
    let safe = SafeClient::open(directory.join("safe")).unwrap();
    let files = || -> Vec<File> {
        let open = |_| File::open("/dev/null").unwrap();
        (0..10).map(open).collect()
    };
    let refused = || {
        let error = safe.chosen("text", files()).unwrap_err();
        assert_eq!(error.call_state(), CallState::NotExecuted);
        let outer = error.to_string();
        assert!(outer.contains("safe"), "{outer}");
        let ProcedureError::Refused { reason, .. } = error else {
            panic!("{error:?}");
        };
        let uid = Some(me());
        let method = "chosen".to_owned();
        assert_eq!(reason, Refused::NotAllowed { method, uid });
        let says = reason.to_string();
        let words = ["`chosen`", &format!("user {}", me()), "ask whoever runs"];
        assert!(words.iter().all(|word| says.contains(word)), "{says}");
    };
    // The first calls make what stays.
    assert_eq!(
        safe.free(Some(File::open("/dev/null").unwrap())).unwrap(),
        1
    );
    refused();
    refused();
    let before = Census::of(peer.pid());
    (0..50).for_each(|_| refused());
    Census::settle(peer.pid(), "after refused calls", |now| {
        now.descriptors() <= before.descriptors()
    });
    // Those that are for everybody, or for the server's own user, ran meanwhile, and no other.
    assert_eq!(safe.own().unwrap(), 2);
    assert_eq!(safe.free(None).unwrap(), 3);
    let figures = safe.door().info().unwrap().figures.unwrap();
    assert_eq!(figures.refused, 52);
}

#[test]
fn who_is_refused_keeps_no_thread_by_what_it_brings() {
    let _watchdog = Watchdog::new("who_is_refused_keeps_no_thread_by_what_it_brings");
    let (peer, directory) = start("slow");
    let door = Door::open(directory.join("safe")).unwrap();
    let call = |data: &[u8]| {
        let Slow { socket, other } = Slow::new();
        let answer = door.call(data, vec![DoorDesc::Released(socket)]).unwrap();
        (answer.data, other)
    };
    let foot = |number: u16, tag: [u8; 5]| [&number.to_le_bytes()[..], &tag, &[1]].concat();
    // The last close of each of them takes ten minutes, and the answer comes before it: to a first call, and through a
    // session.
    let refused = [&[1][..], &me().to_le_bytes(), &[7, 0x81]].concat();
    let mut others = Vec::new();
    for _ in 0..3 {
        let (data, other) = call(&foot(2, [0; 5]));
        assert_eq!(data, refused);
        others.push(other);
    }
    // So it is with calls that are for everybody, and are none.
    let free = SafeDoor::INTERFACE.method(1).unwrap();
    for (data, status) in [
        (foot(1, [0; 5]), 4),
        (foot(1, free.tag()), 5),
        (vec![9; 30], 3),
    ] {
        let (data, other) = call(&data);
        assert!(data.ends_with(&[status, 0x81]), "{data:?}");
        others.push(other);
    }
    // What was not asked for is closed beside a call that runs.
    let (data, other) = call(&[&[0][..], &foot(1, free.tag())].concat());
    assert!(data.ends_with(&[1, 0x81]), "{data:?}");
    others.push(other);
    drop(others);
    drop(peer);
}

#[test]
fn who_is_refused_is_told_nothing_of_the_arguments_or_the_interface() {
    let _watchdog =
        Watchdog::new("who_is_refused_is_told_nothing_of_the_arguments_or_the_interface");
    let (_peer, directory) = start("untold");
    let refused = [&[1][..], &me().to_le_bytes(), &[7, 0x81]].concat();
    let foot = |number: u16, tag: [u8; 5]| [&number.to_le_bytes()[..], &tag, &[1]].concat();
    let method = SafeDoor::INTERFACE.method(2).unwrap();
    let door = Door::open(directory.join("safe")).unwrap();
    // Arguments that are none, and another tag.
    let nonsense = [vec![0xff; 100], foot(2, method.tag())].concat();
    for data in [nonsense, foot(2, [0; 5])] {
        assert_eq!(door.call(&data, vec![]).unwrap().data, refused);
    }
    // What is not for everybody as a whole does not say what it is, nor what it has not.
    let closed = Door::open(directory.join("closed")).unwrap();
    for number in [0, 1, 7] {
        let answer = closed.call(&foot(number, [0; 5]), vec![]).unwrap();
        assert_eq!(answer.data, refused);
    }
    let error = Description::ask(&closed, None).unwrap_err();
    assert!(
        matches!(
            &error,
            ProcedureError::Refused {
                reason: Refused::NotAllowed { .. },
                ..
            }
        ),
        "{error:?}"
    );
    let closed = closed::SafeClient::from(closed);
    assert!(closed.inside().is_err());
    assert_eq!(closed.knock().unwrap(), 1);
}

#[test]
fn each_method_is_for_those_whom_it_names() {
    let _watchdog = Watchdog::new("each_method_is_for_those_whom_it_names");
    if !is_root() {
        return;
    }
    let (_peer, directory) = start("named");
    let path = directory.path().to_str().unwrap();
    for (uid, gid, group, may) in [
        (
            "51101",
            "51109",
            "51109",
            [true, true, true, false, true, true],
        ),
        (
            "51109",
            "51102",
            "51109",
            [true, true, true, false, false, true],
        ),
        (
            "51109",
            "51109",
            "51102",
            [true, true, true, false, false, true],
        ),
        (
            "51102",
            "51101",
            "51101",
            [false, true, false, false, false, true],
        ),
        (
            "0",
            "51109",
            "51109",
            [false, true, false, true, false, true],
        ),
    ] {
        let mut burglar = Peer::start(PEER, "typed-burglar", &[path, uid, gid, group]);
        burglar.expect(&format!("{may:?}"));
    }
}

#[test]
fn a_group_that_is_not_there_is_told_when_the_door_is_made() {
    let error = nobody::door().unwrap_err();
    assert!(
        matches!(
            error.condition(),
            DoorCondition::UnknownName {
                kind: "group",
                name: "no-such-group"
            }
        ),
        "{error:?}"
    );
    // The function itself, and the value, serve nobody here.
    nobody();
    drop(Vault::default());
}
