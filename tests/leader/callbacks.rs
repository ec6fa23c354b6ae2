//! What the program wants to be told or asked.

use doors::{CallCondition, Door};
use harness::Peer;

use crate::{PEER, Scene, alone, calling, soon};

#[test]
fn what_runs_when_a_caller_goes_may_call_a_door_of_its_own_process() {
    for session in [false, true] {
        let mut scene =
            Scene::new("what_runs_when_a_caller_goes_may_call_a_door_of_its_own_process");
        let door = Door::open(scene.plain()).unwrap();
        if session {
            door.call(b"e", vec![]).unwrap();
        }
        let error = door.call_until(b"ccalls", vec![], soon()).unwrap_err();
        assert_eq!(error.condition, CallCondition::TimedOut { taken: true });
        scene.wait("told", 1);
        scene.tell("raise leave");
        scene.others_are_served();
    }
}

#[test]
fn what_runs_when_a_caller_goes_holds_up_nobody() {
    for session in [false, true] {
        let mut scene = Scene::new("what_runs_when_a_caller_goes_holds_up_nobody");
        let mut client = Peer::start(PEER, "threads-client", &[]);
        client.expect("ready");
        client.say(&format!("open {}", scene.plain().display()));
        client.expect("opened");
        if session {
            client.say("call 0 e");
            client.expect("ok");
        }
        client.say("call 0 cwaits");
        scene.wait("entered", 1);
        client.kill();
        scene.wait("waiting", 1);
        scene.others_are_served();
        scene.tell("raise go");
        scene.wait("told", 1);
        scene.tell("raise leave");
    }
}

#[test]
fn a_subscriber_that_waits_holds_up_nobody() {
    let mut scene = Scene::new("a_subscriber_that_waits_holds_up_nobody");
    scene.tell("trace");
    scene.policy("door", "refuses");
    for _ in 0..2 {
        let door = Door::open(scene.subject()).unwrap();
        let error = door.call(b"ein", vec![]).unwrap_err();
        assert_eq!(error.condition, CallCondition::NotAllowed);
    }
    scene.wait("waiting", 1);
    scene.others_are_served();
    scene.tell("raise go");
    // The second event comes after the first.
    scene.wait("heard", 2);
}

#[test]
fn a_callback_that_makes_threads_holds_up_only_who_waits_for_one() {
    let alone = alone(1);
    let mut arguments = vec!["bare"];
    arguments.extend(alone.as_deref());
    let mut scene = Scene::of(
        "a_callback_that_makes_threads_holds_up_only_who_waits_for_one",
        &arguments,
    );
    scene.tell("creator waits");
    // The first server thread cannot be made, so the next call asks for one again.
    scene.tell("limit threads 1");
    let plain = scene.plain();
    scene.tell(&format!("plain {}", plain.display()));
    scene.tell("limit threads 4096");
    let caller = calling(plain.clone());
    scene.wait("waiting", 1);
    Door::open(plain).unwrap().info().unwrap();
    scene.tell("raise go");
    assert_eq!(caller.join().unwrap().unwrap().data, b"in");
    scene.others_are_served();
}
