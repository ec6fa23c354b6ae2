//! The death of either side, at any step.

use std::os::fd::OwnedFd;

use doors::{Door, DoorCondition};
use harness::Watchdog;
use harness::raw::{self, Fields, Packet, kind};
use nix::sys::signal::Signal;

use crate::scene::{
    CONNECTION, DOOR, END, LISTENER, Scene, answer, answered_at_last, ask, calling, is_lost,
    refused,
};

/// Without a copy of the old server's end that would keep the socket open.
fn stick_unwatched(scene: &mut Scene) -> OwnedFd {
    let socket = scene.stick();
    scene.copy = None;
    socket
}

/// Brings a hand-over to some point; the successor's socket.
type Stage = fn(&mut Scene) -> OwnedFd;

#[test]
fn an_old_server_that_is_killed_before_all_is_there_has_no_successor() {
    let _watchdog =
        Watchdog::new("an_old_server_that_is_killed_before_all_is_there_has_no_successor");
    let stages: [Stage; 3] = [Scene::connect, Scene::stick, stick_unwatched];
    for begin in stages {
        let mut scene = Scene::new("hand_over");
        let door = scene.caller();
        let socket = begin(&mut scene);
        refused(&door);
        let mut successor = scene.successor(socket);
        scene.server.kill();
        ask(&mut successor, "take over", "error NoDoor");
        is_lost(&door);
        let error = Door::open(&scene.path).unwrap_err();
        assert!(
            matches!(error.condition(), DoorCondition::Name(_)),
            "{error:?}"
        );
        scene.starts_anew();
        assert_eq!(scene.executed("lost"), 0);
    }
}

#[test]
fn an_old_server_that_is_killed_when_all_is_there_has_its_successor() {
    let _watchdog =
        Watchdog::new("an_old_server_that_is_killed_when_all_is_there_has_its_successor");
    // Killed before the successor reads; before it reads the successor's answer; after it. Also when only the kernel's
    // word for its death is there, since somebody else holds a copy of its end.
    for (stage, watched) in [(0, false), (0, true), (1, true), (2, false)] {
        let mut scene = Scene::new("hand_over");
        let door = scene.caller();
        let socket = scene.offer(DOOR + LISTENER + CONNECTION + END);
        let late = scene.open();
        let first_call = calling(&late, "late");
        let mut successor = scene.successor(socket);
        if !watched {
            scene.copy = None;
        }
        match stage {
            0 => scene.server.kill(),
            1 => scene.server.signal(Signal::SIGSTOP),
            _ => {}
        }
        successor.say("take over");
        if stage == 1 {
            scene.until_answered();
            scene.server.kill();
        }
        successor.expect("taken over 1");
        if stage == 2 {
            scene.server.kill();
        }
        ask(&mut successor, "serve", "serving");
        assert_eq!(first_call.join().unwrap(), successor.pid());
        assert_eq!(answered_at_last(&door, "door"), successor.pid());
        assert_eq!(answer(&scene.open(), "open"), successor.pid());
        for call in ["late", "door", "open"] {
            assert_eq!(scene.executed(call), 1, "{stage}: {call}");
        }
    }
}

#[test]
fn an_old_server_that_thinks_better_of_it_has_no_successor() {
    let _watchdog = Watchdog::new("an_old_server_that_thinks_better_of_it_has_no_successor");
    let scene = Scene::new("hand_over");
    // It is this process that plays the old server, and it lives: it may go on to serve.
    let (socket, theirs) = raw::pair();
    let mut successor = scene.successor(theirs);
    successor.say("take over");
    let end = Packet::new(kind::HAND_END).u32(0).bytes();
    raw::send(&socket, &end, &[]).unwrap();
    let taken = raw::receive(&socket).unwrap();
    assert_eq!(Fields::of(&taken.bytes, kind::HAND_TAKEN).u32(), 0);
    drop(socket);
    successor.expect("error NoDoor");
}

#[test]
fn a_successor_that_is_killed_before_it_serves_takes_the_doors_along() {
    let _watchdog =
        Watchdog::new("a_successor_that_is_killed_before_it_serves_takes_the_doors_along");
    let mut scene = Scene::new("hand_over");
    let door = scene.caller();
    let socket = scene.connect();
    let mut successor = scene.successor(socket);
    scene.server.say("hand over");
    ask(&mut successor, "take over", "taken over 1");
    scene.server.expect("handed over 1");
    successor.kill();
    is_lost(&door);
    is_lost(&door);
    ask(&mut scene.server, "drop-attachments", "dropped");
    scene.starts_anew();
    assert_eq!(scene.executed("lost"), 0);
}
