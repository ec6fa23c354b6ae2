//! What ends while a first call runs: its deadline, its caller, its door, the time in which the server takes calls.

use std::time::Duration;

use doors::{CallCondition, CallState, Door};
use harness::{Peer, Watchdog};

use crate::{PEER, Scene, Way, calling, played, played_anew, soon};

/// So long as the deadline of a call that is taken long before.
const LONG: u64 = 150;

#[test]
fn a_deadline_that_passes_in_the_procedure_is_told_to_both_sides() {
    let name = "a_deadline_that_passes_in_the_procedure";
    played(name, &[], 3, |scene, door, _| {
        let turn = scene.count("entered") + 1;
        let asked = format!("watch {turn}");
        let error = door.call_until(asked.as_bytes(), vec![], soon(LONG));
        let error = error.unwrap_err();
        assert_eq!(error.condition, CallCondition::TimedOut { taken: true });
        assert_eq!(error.call_state(), CallState::MayHaveExecuted);
        scene.wait("entered", turn);
        scene.wait("told", turn);
        // It goes on, and counts.
        scene.until_active(1);
        scene.serves();
        // The late answer meets nobody.
        assert_eq!(door.call(b"within 0", vec![]).unwrap().data, b"1");
        scene.tell("raise leave");
        scene.wait("saw", turn);
        scene.until_active(0);
        assert_eq!(door.call(b"within 0", vec![]).unwrap().data, b"1");
    });
}

#[test]
fn a_door_without_cancellation_tells_its_procedure_nothing() {
    let name = "a_door_without_cancellation";
    played(name, &["no-cancel"], 3, |scene, door, _| {
        let turn = scene.count("entered") + 1;
        let asked = format!("watch {turn}");
        let error = door.call_until(asked.as_bytes(), vec![], soon(LONG));
        let taken = CallCondition::TimedOut { taken: true };
        assert_eq!(error.unwrap_err().condition, taken);
        scene.wait("entered", turn);
        // Whoever leads has heard of it before it serves these.
        scene.serves();
        scene.tell("raise leave");
        scene.wait("saw-nothing", turn);
        assert_eq!((scene.count("told"), scene.count("saw")), (0, 0));
        scene.until_active(0);
    });
}

/// Nothing else happens in the server meanwhile, so nothing but a clock can have somebody tell the caller that its call runs.
#[test]
fn a_call_may_take_longer_than_any_step_of_the_protocol() {
    let name = "a_call_may_take_longer";
    played_anew(name, &[], |scene, door, _| {
        let call = calling(&door, "gate 1".into());
        scene.wait("entered", 1);
        let led = scene.was_led();
        if led {
            // Time is the subject: a step may take 5 s.
            std::thread::sleep(Duration::from_millis(5500));
        }
        scene.tell("raise leave");
        assert_eq!(call.join().unwrap().unwrap().data, b"through");
        led
    });
}

/// A deadline that passes at about the time when the call is taken: what is said not to have run has not.
#[test]
fn case_116_a_first_call_that_is_said_not_to_have_run_never_ran() {
    let _watchdog = Watchdog::new("case_116_a_first_call");
    let mut scene = Scene::new(&[]);
    let (mut not, mut maybe, mut led) = (0, 0, 0);
    for round in 0..3000_u64 {
        if not > 20 && maybe > 20 && led > 0 {
            break;
        }
        let way = [Way::Opened, Way::Received][usize::try_from(round % 2).unwrap()];
        let door = scene.door(way);
        let until = soon(0) + Duration::from_micros(round * 7 % 1000);
        match door.call_until(format!("note {round}").as_bytes(), vec![], until) {
            Ok(_) => {
                maybe += 1;
                led += usize::from(scene.was_led());
                assert_eq!(scene.count(&format!("note-{round}")), 1);
            }
            Err(error) if error.call_state() == CallState::NotExecuted => {
                not += 1;
                // What is called next comes later: by then it would have been noted.
                assert_eq!(door.call(b"within 0", vec![]).unwrap().data, b"1");
                scene.until_active(0);
                assert_eq!(scene.count(&format!("note-{round}")), 0, "{error}");
            }
            Err(_) => maybe += 1,
        }
    }
    assert!(not > 0 && maybe > 0 && led > 0, "{not} {maybe} {led}");
}

#[test]
fn a_caller_that_is_killed_is_told_to_its_procedure() {
    let name = "a_caller_that_is_killed_is_told";
    played(name, &[], 3, |scene, door, way| {
        drop(door);
        let turn = scene.count("entered") + 1;
        let path = scene.path();
        let mut client = Peer::start(PEER, "calls-client", &[path.to_str().unwrap()]);
        client.expect("ready");
        if way == Way::Received {
            client.ask("within 0", "1 bytes");
        }
        client.say(&format!("watch {turn}"));
        scene.wait("entered", turn);
        client.kill();
        scene.wait("told", turn);
        scene.until_active(1);
        scene.serves();
        scene.tell("raise leave");
        scene.wait("saw", turn);
        scene.until_active(0);
    });
}

#[test]
fn a_revocation_lets_what_runs_finish() {
    played_anew(
        "a_revocation_lets_what_runs_finish",
        &[],
        |scene, door, _| {
            let call = calling(&door, "gate 1".into());
            scene.wait("entered", 1);
            let led = scene.was_led();
            let later = scene.door(Way::Opened);
            scene.tell("revoke");
            for door in [&later, &later] {
                let error = door.call(b"within 0", vec![]).unwrap_err();
                assert_eq!(error.condition, CallCondition::NoDoor);
                assert_eq!(error.call_state(), CallState::NotExecuted);
            }
            assert!(!call.is_finished());
            scene.tell("raise leave");
            assert_eq!(call.join().unwrap().unwrap().data, b"through");
            led
        },
    );
}

#[test]
fn a_procedure_may_revoke_its_own_door_or_let_go_of_it() {
    for words in [&[][..], &["private"], &["multi"]] {
        for asked in ["revoke", "abandon"] {
            // Those of a private door run on threads of its own.
            let of_its_own = words == ["private"];
            played_anew(
                "a_procedure_may_revoke_its_own_door",
                words,
                |scene, door, _| {
                    let reply = door.call(asked.as_bytes(), vec![]).unwrap();
                    assert!(asked.as_bytes().starts_with(&reply.data[..6]), "{reply:?}");
                    let again = door.call(b"within 0", vec![]);
                    if asked == "revoke" {
                        let error = again.unwrap_err();
                        assert_eq!(error.condition, CallCondition::NoDoor);
                    } else {
                        // Ours is a reference: the door serves on, and the name is gone.
                        assert_eq!(again.unwrap().data, b"1");
                        assert!(Door::open(scene.path()).is_err());
                        drop(door);
                        if words == ["multi"] {
                            scene.wait("notices", 1);
                        }
                    }
                    of_its_own || scene.was_led()
                },
            );
        }
    }
}

#[test]
fn a_door_is_not_unreferenced_while_it_is_called() {
    for ending in ["leave", "hold"] {
        played_anew(
            "a_door_is_not_unreferenced",
            &["multi"],
            |scene, door, way| {
                drop(door);
                let path = scene.path();
                let mut client = Peer::start(PEER, "calls-client", &[path.to_str().unwrap()]);
                client.expect("ready");
                if way == Way::Received {
                    client.ask("within 0", "1 bytes");
                }
                let (asked, begun) = match ending {
                    "leave" => ("watch 1", "entered"),
                    _ => ("hold", "held"),
                };
                client.say(asked);
                scene.wait(begun, 1);
                let led = scene.was_led();
                scene.tell("detach");
                client.kill();
                // No reference of any kind is left, and the call runs.
                while scene.ask("figures") != "references 0 active 1 ages 1" {
                    std::thread::yield_now();
                }
                scene.server.ask("barrier", "barrier");
                assert_eq!(scene.count("notices"), 0);
                if ending == "leave" {
                    scene.tell("raise leave");
                } else {
                    scene.tell("answer");
                }
                scene.wait("notices", 1);
                scene.server.ask("barrier", "barrier");
                assert_eq!(scene.count("notices"), 1);
                led
            },
        );
    }
}

#[test]
fn a_drain_waits_for_what_runs_and_refuses_the_rest() {
    played_anew("a_drain_waits_for_what_runs", &[], |scene, door, _| {
        let call = calling(&door, "gate 1".into());
        scene.wait("entered", 1);
        let led = scene.was_led();
        let (first, session) = (scene.door(Way::Opened), scene.door(Way::Received));
        assert_eq!(session.call(b"within 0", vec![]).unwrap().data, b"1");
        scene.tell("drain");
        let refused = loop {
            match session.call(b"within 0", vec![]) {
                Ok(_) => std::thread::yield_now(),
                Err(error) => break error,
            }
        };
        assert_eq!(refused.condition, CallCondition::Draining);
        assert_eq!(refused.call_state(), CallState::NotExecuted);
        let refused = first.call(b"within 0", vec![]).unwrap_err();
        assert_eq!(refused.condition, CallCondition::Draining);
        assert_eq!(refused.call_state(), CallState::NotExecuted);
        assert_eq!(scene.count("drained"), 0);
        assert!(!call.is_finished());
        scene.tell("raise leave");
        assert_eq!(call.join().unwrap().unwrap().data, b"through");
        scene.wait("drained", 1);
        scene.tell("raise resume");
        while scene.door(Way::Opened).call(b"within 0", vec![]).is_err() {}
        led
    });
}
