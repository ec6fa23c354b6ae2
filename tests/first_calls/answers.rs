//! The ways to answer a first call, and not to.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;

use doors::{CallCondition, CallState, DoorDesc};
use harness::Peer;
use harness::files::{is_close_on_exec, number_in, numbered};
use nix::fcntl::OFlag;

use crate::{PEER, calling, played, played_anew};

/// Results that fit one packet with the answer, that are sent before it, and that travel in a memfd.
const SIZES: [usize; 3] = [10, 100_000, 1_000_000];

#[test]
fn data_and_descriptors_travel_both_ways() {
    let name = "data_and_descriptors_travel_both_ways";
    played(name, &[], 2, |scene, door, _| {
        let lent = numbered(1);
        let given = vec![DoorDesc::Lent(lent.as_fd()), numbered(2).into()];
        let reply = door.call(b"echo these", given).unwrap();
        assert_eq!(reply.data, b"echo these");
        assert!(reply.descriptors.iter().all(is_close_on_exec));
        let numbers: Vec<_> = reply.descriptors.into_iter().map(number_in).collect();
        assert_eq!(numbers, [1, 2]);
        assert_eq!(number_in(lent), 1);
        scene.serves();
    });
}

#[test]
fn results_are_as_long_as_they_are() {
    for size in SIZES {
        played(
            "results_are_as_long_as_they_are",
            &[],
            2,
            move |_, door, _| {
                let asked = format!("bytes {size}");
                assert_eq!(
                    door.call(asked.as_bytes(), vec![]).unwrap().data.len(),
                    size
                );
            },
        );
    }
}

#[test]
fn files_may_be_released_and_lent_by_the_procedure() {
    let name = "files_may_be_released_and_lent_by_the_procedure";
    for count in [0, 1, 252, 300] {
        played(name, &[], 2, move |_, door, _| {
            let asked = format!("files {count}");
            let mut reply = door.call(asked.as_bytes(), vec![]).unwrap();
            let lent = reply.descriptors.pop().unwrap();
            assert!(is_close_on_exec(&lent));
            assert_eq!(reply.descriptors.len(), count);
            for (at, file) in reply.descriptors.into_iter().enumerate() {
                assert_eq!(number_in(file), at);
            }
        });
    }
}

#[test]
fn what_is_released_is_closed_before_the_procedure_can_miss_it() {
    let name = "what_is_released_is_closed_first";
    played(name, &[], 2, |_, door, _| {
        let (from, to) = nix::unistd::pipe2(OFlag::O_CLOEXEC).unwrap();
        let mut writer = File::from(to);
        writer.write_all(b"all of it").unwrap();
        let released = vec![from.into(), writer.into()];
        assert_eq!(door.call(b"drain", released).unwrap().data, b"all of it");
    });
}

#[test]
fn a_reply_that_was_handed_over_waits_for_the_procedure() {
    for size in SIZES {
        let name = "a_reply_that_was_handed_over_waits";
        played(name, &[], 3, move |scene, door, _| {
            let turn = scene.count("entered") + 1;
            let call = calling(&door, format!("reply {turn} {size}"));
            scene.wait("entered", turn);
            scene.until_active(1);
            // Nothing of it has come, and others are served meanwhile.
            scene.serves();
            assert!(!call.is_finished());
            scene.tell("raise leave");
            let mut reply = call.join().unwrap().unwrap();
            assert!(reply.data == vec![b'r'; size]);
            assert_eq!(number_in(reply.descriptors.pop().unwrap()), 7);
            assert!(reply.descriptors.is_empty());
            scene.wait("AlreadyReplied", turn);
            scene.until_active(0);
        });
    }
}

#[test]
fn a_reply_that_cannot_be_handed_over_may_be_replaced() {
    played("a_reply_may_be_replaced", &[], 2, |_, door, _| {
        let reply = door.call(b"too-many", vec![]).unwrap();
        assert_eq!(
            reply.data,
            b"1025 descriptors are more than the 1024 that a reply may bring"
        );
        assert!(reply.descriptors.is_empty());
    });
}

#[test]
fn a_reply_now_ends_the_call_and_not_the_procedure() {
    for size in SIZES {
        played(
            "a_reply_now_ends_the_call",
            &[],
            3,
            move |scene, door, _| {
                let turn = scene.count("entered") + 1;
                let asked = format!("reply-now {turn} {size}");
                let mut reply = door.call(asked.as_bytes(), vec![]).unwrap();
                assert!(reply.data == vec![b'n'; size]);
                assert_eq!(number_in(reply.descriptors.pop().unwrap()), 9);
                scene.wait("entered", turn);
                // Over for all accounting, while the thread is busy with it still.
                scene.until_active(0);
                let busy = scene.ask("where");
                for _ in 0..3 {
                    assert_eq!(door.call(b"within 0", vec![]).unwrap().data, b"1");
                }
                scene.serves();
                assert_eq!(scene.count("over"), turn - 1);
                scene.tell("raise leave");
                scene.wait("over", turn);
                assert_eq!(scene.ask("where"), busy);
            },
        );
    }
}

#[test]
fn a_held_call_is_answered_or_forgotten_by_another_thread() {
    let name = "a_held_call_is_answered_or_forgotten";
    played(name, &[], 3, |scene, door, way| {
        let held = scene.count("held");
        let call = calling(&door, "hold".into());
        scene.wait("held", held + 1);
        scene.until_active(1);
        scene.serves();
        assert_eq!(scene.ask("cancelled"), "false");
        assert!(!call.is_finished());
        scene.tell("answer");
        assert_eq!(call.join().unwrap().unwrap().data, b"late");
        scene.until_active(0);

        let call = calling(&scene.door(way), "hold".into());
        scene.wait("held", held + 2);
        scene.tell("forget");
        let error = call.join().unwrap().unwrap_err();
        assert_eq!(error.condition, CallCondition::Unanswered);
        assert_eq!(error.call_state(), CallState::MayHaveExecuted);
        scene.until_active(0);
    });
}

#[test]
fn a_held_call_sees_that_its_caller_was_killed() {
    let name = "a_held_call_sees_that_its_caller_was_killed";
    played(name, &[], 3, |scene, door, _| {
        // The client of a door by its name; the other way is under test elsewhere (`replies.rs`).
        drop(door);
        let held = scene.count("held") + 1;
        let path = scene.path();
        let mut client = Peer::start(PEER, "calls-client", &[path.to_str().unwrap()]);
        client.expect("ready");
        client.say("hold");
        scene.wait("held", held);
        client.kill();
        while scene.ask("cancelled") != "true" {}
        scene.until_active(1);
        scene.tell("answer");
        scene.until_active(0);
    });
}

#[test]
fn a_panic_ends_its_call_only() {
    played("a_panic_ends_its_call_only", &[], 2, |scene, door, _| {
        let error = door.call(b"panic", vec![numbered(1).into()]).unwrap_err();
        assert_eq!(error.condition, CallCondition::Panicked);
        assert_eq!(error.call_state(), CallState::MayHaveExecuted);
        scene.until_active(0);
        assert_eq!(door.call(b"within 0", vec![]).unwrap().data, b"1");
    });
}

#[test]
fn a_procedure_that_forks_answers_once() {
    played("a_procedure_that_forks", &[], 2, |_, door, _| {
        assert_eq!(door.call(b"fork", vec![]).unwrap().data, b"sleeps");
    });
}

#[test]
fn a_procedure_that_ends_its_process_may_have_executed_the_call() {
    let name = "a_procedure_that_ends_its_process";
    played_anew(name, &[], |scene, door, _| {
        let call = calling(&door, "exit 1".into());
        scene.wait("entered", 1);
        let led = scene.was_led();
        // It may be gone before it can say that it was told.
        scene.server.say("raise leave");
        let error = call.join().unwrap().unwrap_err();
        assert_eq!(error.condition, CallCondition::ServerDied { taken: true });
        assert_eq!(error.call_state(), CallState::MayHaveExecuted);
        let later = door.call(b"within 0", vec![]).unwrap_err();
        assert_eq!(later.call_state(), CallState::NotExecuted, "{later}");
        led
    });
}

#[test]
fn a_server_that_is_killed_in_a_call_may_have_executed_it() {
    // In the last two its caller was about to go on, and cannot know.
    for asked in ["gate 1", "reply 1 10", "reply 1 100000"] {
        played_anew(
            "a_server_that_is_killed_in_a_call",
            &[],
            |scene, door, _| {
                let call = calling(&door, asked.into());
                scene.wait("entered", 1);
                let led = scene.was_led();
                scene.server.kill();
                let error = call.join().unwrap().unwrap_err();
                let died = CallCondition::ServerDied { taken: true };
                assert_eq!(error.condition, died, "{asked}");
                assert_eq!(error.call_state(), CallState::MayHaveExecuted);
                led
            },
        );
    }
}
