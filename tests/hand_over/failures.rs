//! A hand-over that fails leaves everything as it was.

use std::os::fd::OwnedFd;

use doors::Door;
use harness::raw::{self, Packet, kind};
use harness::{Census, Watchdog};
use nix::sys::signal::Signal;

use crate::scene::{
    CONNECTION, DOOR, END, LISTENER, Scene, TOKEN, answer, answered_at_last, calling, refused,
    succeed,
};

/// How a hand-over fails; what the old server says.
type Failure = (&'static str, fn(&mut Scene) -> OwnedFd, fn(&Scene, OwnedFd));

fn nobody_takes(_scene: &Scene, socket: OwnedFd) {
    drop(socket);
}

fn all_is_read_and_not_taken(_scene: &Scene, socket: OwnedFd) {
    loop {
        let heard = raw::receive(&socket).unwrap();
        if heard.bytes[6..8] == kind::HAND_END.to_le_bytes() {
            return;
        }
    }
}

fn something_else_is_answered(_scene: &Scene, socket: OwnedFd) {
    let nonsense = Packet::new(kind::RING).bytes();
    raw::send(&socket, &nonsense, &[]).unwrap();
    // The old server closes its end.
    raw::is_over(&socket);
}

fn another_number_is_taken(_scene: &Scene, socket: OwnedFd) {
    let taken = Packet::new(kind::HAND_TAKEN).u32(7).bytes();
    raw::send(&socket, &taken, &[]).unwrap();
    raw::is_over(&socket);
}

fn the_successor_is_killed(scene: &Scene, socket: OwnedFd) {
    scene.successor(socket).kill();
}

/// It has accepted, and is dead before the old server reads so.
fn the_successor_is_killed_after_its_answer(scene: &Scene, socket: OwnedFd) {
    scene.server.signal(Signal::SIGSTOP);
    let mut successor = scene.successor(socket);
    successor.say("take over");
    scene.until_answered();
    successor.kill();
    scene.server.signal(Signal::SIGCONT);
}

/// As before, with a copy of its end in other hands: only the kernel's word for its death is there.
fn the_successor_is_killed_and_its_end_stays_open(scene: &Scene, socket: OwnedFd) {
    let copy = socket.try_clone().unwrap();
    the_successor_is_killed_after_its_answer(scene, socket);
    assert!(
        raw::receive(&copy).is_none(),
        "the doors were given to nobody"
    );
}

fn stuck(scene: &mut Scene) -> OwnedFd {
    scene.stick()
}

fn offered(scene: &mut Scene) -> OwnedFd {
    // The door, its name, the caller's connection, and the token that it has asked for.
    scene.offer(DOOR + LISTENER + CONNECTION + TOKEN + END)
}

const FAILURES: [Failure; 8] = [
    ("in the middle, nobody reads", stuck, nobody_takes),
    ("all is sent, nobody reads", offered, nobody_takes),
    ("all is read", offered, all_is_read_and_not_taken),
    ("nonsense", offered, something_else_is_answered),
    ("another number", offered, another_number_is_taken),
    ("killed", offered, the_successor_is_killed),
    (
        "killed late",
        offered,
        the_successor_is_killed_after_its_answer,
    ),
    (
        "killed late, unseen",
        offered,
        the_successor_is_killed_and_its_end_stays_open,
    ),
];

#[test]
fn a_hand_over_that_fails_leaves_the_old_server_as_it_was() {
    let _watchdog = Watchdog::new("a_hand_over_that_fails_leaves_the_old_server_as_it_was");
    for (what, begin, fail) in FAILURES {
        let mut scene = Scene::new("hand_over");
        let door = scene.caller();
        let token = Door::from_descriptor(door.descriptor().unwrap()).unwrap();
        assert_eq!(answer(&token, "token"), scene.server.pid(), "{what}");
        let socket = begin(&mut scene);
        refused(&door);
        let mappings = Census::of(scene.server.pid()).mappings;
        let late = scene.open();
        let first_call = calling(&late, "late");
        fail(&scene, socket);
        let said = scene.server.hear();
        assert!(said.starts_with("error"), "{what}: {said}");
        let me = scene.server.pid();
        // Who came meanwhile has only waited; who had a session has it still.
        assert_eq!(first_call.join().unwrap(), me, "{what}");
        assert_eq!(answer(&door, "door"), me, "{what}");
        assert_eq!(answer(&token, "token2"), me, "{what}");
        assert_eq!(Census::of(me).mappings, mappings, "{what}");
        assert_eq!(answer(&scene.open(), "open"), me, "{what}");
        for call in ["late", "door", "token2", "open"] {
            assert_eq!(scene.executed(call), 1, "{what}: {call}");
        }
        // References come and go as ever, and the next hand-over is a whole one.
        let fresh = Door::from_descriptor(door.descriptor().unwrap()).unwrap();
        assert_eq!(answer(&fresh, "fresh"), me, "{what}");
        let socket = scene.connect();
        let mut successor = scene.successor(socket);
        scene.server.say("hand over");
        succeed(&mut successor);
        scene.server.expect("handed over 1");
        for door in [&door, &token, &fresh, &late] {
            assert_eq!(answered_at_last(door, "last"), successor.pid(), "{what}");
        }
    }
}

#[test]
fn a_name_that_is_removed_in_the_middle_is_noticed_when_the_hand_over_has_failed() {
    let _watchdog = Watchdog::new(
        "a_name_that_is_removed_in_the_middle_is_noticed_when_the_hand_over_has_failed",
    );
    let mut scene = Scene::new("hand_over");
    let door = scene.caller();
    let references = |door: &Door| door.info().unwrap().figures.unwrap().references;
    let before = references(&door);
    let socket = scene.offer(DOOR + LISTENER + CONNECTION + END);
    std::fs::remove_file(&scene.path).unwrap();
    refused(&door);
    drop(socket);
    assert!(scene.server.hear().starts_with("error"));
    while references(&door) != before - 1 {
        std::thread::yield_now();
    }
    assert_eq!(answer(&door, "door"), scene.server.pid());
}
