//! Policies that ask predicates.

use std::sync::mpsc::channel;

use doors::{CallCondition, Door, DoorCondition};
use harness::{Census, Peer};

use crate::{PEER, Scene, calling, soon};

#[test]
fn a_predicate_may_call_a_door_of_its_own_process() {
    for whose in ["door", "name"] {
        let scene = Scene::with_policy(
            "a_predicate_may_call_a_door_of_its_own_process",
            whose,
            "calls",
        );
        let door = Door::open(scene.subject()).unwrap();
        // The first call, a session, information, another reference, a registration in the session there is.
        for _ in 0..2 {
            assert_eq!(door.call(b"ein", vec![]).unwrap().data, b"in");
        }
        door.info().unwrap();
        let again = Door::from_descriptor(door.descriptor().unwrap()).unwrap();
        assert_eq!(again.call(b"ein", vec![]).unwrap().data, b"in");
        scene.others_are_served();
    }
}

#[test]
fn a_predicate_may_call_a_door_of_its_own_process_at_every_petition() {
    for petition in ["session", "info", "reference"] {
        let scene = Scene::with_policy(
            "a_predicate_may_call_a_door_of_its_own_process_at_every_petition",
            "door",
            "calls",
        );
        let door = Door::open(scene.subject()).unwrap();
        match petition {
            // Too large for a packet.
            "session" => drop(door.call(&vec![b'e'; 200_000], vec![]).unwrap()),
            "info" => drop(door.info().unwrap()),
            _ => drop(door.descriptor().unwrap()),
        }
        scene.others_are_served();
    }
}

#[test]
fn a_predicate_that_waits_holds_up_only_whom_it_judges() {
    for whose in ["door", "name"] {
        let mut scene = Scene::with_policy(
            "a_predicate_that_waits_holds_up_only_whom_it_judges",
            whose,
            "waits",
        );
        let callers: Vec<_> = (1..=3)
            .map(|times| {
                let caller = calling(scene.subject());
                scene.wait("waiting", times);
                caller
            })
            .collect();
        scene.others_are_served();
        scene.tell("raise go");
        for caller in callers {
            assert_eq!(caller.join().unwrap().unwrap().data, b"in");
        }
    }
}

#[test]
fn more_clients_than_are_judged_at_a_time_are_all_judged() {
    let mut scene = Scene::with_policy(
        "more_clients_than_are_judged_at_a_time_are_all_judged",
        "door",
        "waits",
    );
    let callers: Vec<_> = (0..24).map(|_| calling(scene.subject())).collect();
    scene.wait("waiting", 8);
    scene.others_are_served();
    assert_eq!(scene.ask("count waiting"), "8");
    scene.tell("raise go");
    for caller in callers {
        assert_eq!(caller.join().unwrap().unwrap().data, b"in");
    }
}

#[test]
fn a_predicate_that_panics_refuses() {
    let mut scene = Scene::with_policy("a_predicate_that_panics_refuses", "door", "panics");
    let door = Door::open(scene.subject()).unwrap();
    for _ in 0..2 {
        let error = door.call(b"ein", vec![]).unwrap_err();
        assert_eq!(error.condition, CallCondition::NotAllowed);
    }
    let error = door.info().unwrap_err();
    assert_eq!(*error.condition(), DoorCondition::NotAllowed);
    assert_eq!(scene.ask("figures"), "calls 0 refused 3");
    scene.others_are_served();
}

#[test]
fn a_client_that_dies_while_it_is_judged_leaves_nothing() {
    let mut scene = Scene::with_policy(
        "a_client_that_dies_while_it_is_judged_leaves_nothing",
        "door",
        "waits",
    );
    // Nobody has come yet.
    let before = Census::of(scene.server.pid());
    for (times, command) in ["call 0 ein", "info 0", "copy 0"].iter().enumerate() {
        let mut client = Peer::start(PEER, "threads-client", &[]);
        client.expect("ready");
        client.say(&format!("open {}", scene.subject().display()));
        client.expect("opened");
        client.say(command);
        scene.wait("waiting", times.saturating_add(1));
        client.kill();
    }
    scene.tell("raise go");
    scene.wait("admitted", 3);
    Census::settle(scene.server.pid(), "the server's books", |now| {
        (&now.descriptors, now.mappings) == (&before.descriptors, before.mappings)
    });
    assert_eq!(scene.ask("figures"), "calls 0 refused 0");
    scene.others_are_served();
}

#[test]
fn a_first_call_that_is_given_up_while_it_is_judged_never_runs() {
    let mut scene = Scene::with_policy(
        "a_first_call_that_is_given_up_while_it_is_judged_never_runs",
        "door",
        "waits",
    );
    let door = Door::open(scene.subject()).unwrap();
    let error = door.call_until(b"ein", vec![], soon()).unwrap_err();
    assert_eq!(error.condition, CallCondition::TimedOut { taken: false });
    scene.tell("raise go");
    scene.wait("admitted", 1);
    // On the same connection, after the verdict.
    assert_eq!(door.call(b"ein", vec![]).unwrap().data, b"in");
    assert_eq!(scene.ask("figures"), "calls 1 refused 0");
}

#[test]
fn what_is_judged_is_charged_to_its_user() {
    let mut scene = Scene::with_policy("what_is_judged_is_charged_to_its_user", "door", "waits");
    // Half of them are for one user: some twenty petitions of three descriptors.
    scene.tell("limit descriptors 128");
    let door = Door::open(scene.subject()).unwrap();
    let (sender, receiver) = channel();
    let askers: Vec<_> = (0..40)
        .map(|_| {
            let (door, sender) = (door.clone(), sender.clone());
            let asked = move || {
                door.info()
                    .map(drop)
                    .map_err(|error| error.condition().clone())
            };
            std::thread::spawn(move || sender.send(asked()).unwrap())
        })
        .collect();
    // Nobody has been admitted yet.
    assert_eq!(receiver.recv().unwrap(), Err(DoorCondition::NoRoom));
    scene.wait("waiting", 8);
    scene.tell("raise go");
    for asker in askers {
        asker.join().unwrap();
    }
    let heard: Vec<_> = receiver.try_iter().collect();
    assert!(heard.contains(&Ok(())), "{heard:?}");
    let known = |said: &_| matches!(said, Ok(()) | Err(DoorCondition::NoRoom));
    assert!(heard.iter().all(known), "{heard:?}");
    door.info().unwrap();
    scene.others_are_served();
}

#[test]
fn a_predicate_that_forks_leaves_its_child_out() {
    let mut scene = Scene::with_policy(
        "a_predicate_that_forks_leaves_its_child_out",
        "door",
        "forks",
    );
    let door = Door::open(scene.subject()).unwrap();
    assert_eq!(door.call(b"ein", vec![]).unwrap().data, b"in");
    // A child that went on as the leader would take some of what is meant for its parent.
    for _ in 0..50 {
        scene.others_are_served();
    }
    assert_eq!(scene.ask("child"), "sleeps");
    scene.others_are_served();
}

#[test]
fn predicates_that_are_all_stuck_hold_up_their_own_door_and_no_other() {
    let mut scene = Scene::with_policy(
        "predicates_that_are_all_stuck_hold_up_their_own_door",
        "door",
        "waits",
    );
    let callers: Vec<_> = (0..12).map(|_| calling(scene.subject())).collect();
    scene.wait("waiting", 8);
    // Another door that asks a predicate: at a first call, a session, a call through it, and for information.
    let other = scene.directory.join("other");
    scene.tell(&format!("policy door nothing {}", other.display()));
    let door = Door::open(&other).unwrap();
    for _ in 0..3 {
        assert_eq!(door.call(b"ein", vec![]).unwrap().data, b"in");
    }
    door.info().unwrap();
    assert!(callers.iter().all(|caller| !caller.is_finished()));
    scene.tell("raise go");
    for caller in callers {
        assert_eq!(caller.join().unwrap().unwrap().data, b"in");
    }
}
