//! The threads on which first calls run, and who may call.

use doors::{CallCondition, CallState, Door};
use harness::Watchdog;
use harness::waiting::calling as until_waiting;
use nix::unistd::{getegid, geteuid};

use crate::{Scene, Way, calling, leads, played, played_anew};

/// The thread of a call, by the kernel's number.
fn number(thread: &str) -> &str {
    thread.rsplit(' ').next().unwrap()
}

#[test]
fn the_calls_of_a_private_door_run_on_threads_of_its_own() {
    let _watchdog = Watchdog::new("the_calls_of_a_private_door");
    let mut scene = Scene::new(&["private"]);
    let public = scene.directory.join("public");
    scene.tell(&format!("public {}", public.display()));
    let mut theirs = Vec::new();
    let mut its = Vec::new();
    let on = |door: Door| String::from_utf8(door.call(b"where", vec![]).unwrap().data).unwrap();
    for round in 0.. {
        let thread = on(Door::open(&public).unwrap());
        its.push(on(scene.door(Way::Opened)));
        its.push(on(scene.door(Way::Received)));
        let led = leads(&thread);
        theirs.push(thread);
        // Those of the process pool do run there.
        if led && round >= 50 {
            break;
        }
    }
    for thread in &its {
        assert!(!theirs.contains(thread), "{thread} serves both pools");
    }
}

#[test]
fn depletion_is_told_on_the_thread_of_the_call_and_before_it() {
    let name = "depletion_is_told_on_the_thread_of_the_call";
    played_anew(name, &["watched"], |scene, door, _| {
        // The first call of all leaves nobody parked.
        let thread = String::from_utf8(door.call(b"where", vec![]).unwrap().data).unwrap();
        let created = scene.ask("created");
        let created: Vec<&str> = created.split(' ').collect();
        assert_eq!(created.len(), 2, "{created:?}");
        assert!(created[0].ends_with(":false:0"), "{created:?}");
        assert_eq!(created[1], format!("{}:true:0", number(&thread)));
        scene.was_led()
    });
}

#[test]
fn calls_that_wait_for_the_only_thread_get_it() {
    let name = "calls_that_wait_for_the_only_thread";
    played_anew(name, &["one-thread"], |scene, door, _| {
        let call = calling(&door, "gate 1".into());
        scene.wait("entered", 1);
        let led = scene.was_led();
        let waiting: Vec<_> = [Way::Opened, Way::Received, Way::Opened]
            .into_iter()
            .map(|way| {
                let door = scene.door(way);
                until_waiting(move || door.call(b"within 0", vec![]).unwrap())
            })
            .collect();
        // They have come, and none runs.
        scene.until_active(1);
        scene.tell("raise leave");
        assert_eq!(call.join().unwrap().unwrap().data, b"through");
        for waiting in waiting {
            assert_eq!(waiting.join().unwrap().data, b"1");
        }
        scene.until_active(0);
        led
    });
}

#[test]
fn first_calls_wait_for_nobody_and_each_has_its_own_thread() {
    let _watchdog = Watchdog::new("first_calls_wait_for_nobody");
    loop {
        let mut scene = Scene::new(&[]);
        let mut threads = Vec::new();
        let calls: Vec<_> = (0..12)
            .map(|at| {
                let door = scene.door([Way::Opened, Way::Received][at % 2]);
                let call = calling(&door, "gate 1".into());
                scene.wait("entered", at + 1);
                threads.push(scene.ask("where"));
                call
            })
            .collect();
        scene.until_active(12);
        scene.serves();
        scene.tell("raise leave");
        for call in calls {
            assert_eq!(call.join().unwrap().unwrap().data, b"through");
        }
        scene.until_active(0);
        let led = threads.iter().any(|thread| leads(thread));
        threads.sort();
        threads.dedup();
        assert_eq!(threads.len(), 12, "{threads:?}");
        if led {
            return;
        }
    }
}

#[test]
fn two_processes_make_first_calls_on_each_other_twenty_deep() {
    let _watchdog = Watchdog::new("first_calls_twenty_deep");
    let (mut here, there) = (Scene::new(&[]), Scene::new(&[]));
    let (a, b) = (here.path(), there.path());
    // On the other, and on its own door.
    for way in [Way::Received, Way::Opened] {
        for theirs in [&b, &a] {
            let asked = format!("nest 20 {} {}", a.display(), theirs.display());
            loop {
                let reply = here.door(way).call(asked.as_bytes(), vec![]).unwrap();
                assert_eq!(reply.data, b"21");
                if way == Way::Received || here.was_led() {
                    break;
                }
            }
        }
    }
    here.until_active(0);
    here.serves();
    there.serves();
}

#[test]
fn doors_come_and_go_with_first_calls() {
    let name = "doors_come_and_go_with_first_calls";
    played(name, &[], 3, |scene, door, way| {
        let mut reply = door.call(b"give", vec![]).unwrap();
        let given = Door::from_descriptor(reply.descriptors.remove(0)).unwrap();
        assert_eq!(given.call(b"within 0", vec![]).unwrap().data, b"1");
        // The very door that is called.
        let itself = vec![door.to_desc().unwrap()];
        let reply = scene.door(way).call(b"call-it", itself).unwrap();
        assert_eq!(reply.data, b"1");
    });
}

#[test]
fn the_caller_is_whom_the_kernel_names() {
    let me = format!("{} {} {}", std::process::id(), geteuid(), getegid());
    // A policy of numbers is judged by whoever reads the call.
    for words in [&[][..], &["this-user"], &["leaf"]] {
        let me = me.clone();
        played(
            "the_caller_is_whom_the_kernel_names",
            words,
            2,
            move |_, door, _| {
                assert_eq!(door.call(b"who", vec![]).unwrap().data, me.as_bytes());
            },
        );
    }
}

#[test]
fn a_predicate_is_asked_and_a_refusal_executes_nothing() {
    let _watchdog = Watchdog::new("a_predicate_is_asked");
    let mut scene = Scene::new(&["judged"]);
    for _ in 0..20 {
        scene.serves();
        let reply = scene.door(Way::Opened).call(b"where", vec![]).unwrap();
        assert!(!leads(&String::from_utf8(reply.data).unwrap()));
    }
    scene.until_active(0);
    let mut scene = Scene::new(&["another-user"]);
    let error = Door::open(scene.path()).unwrap().call(b"where", vec![]);
    let error = error.unwrap_err();
    assert_eq!(error.condition, CallCondition::NotAllowed);
    assert_eq!(error.call_state(), CallState::NotExecuted);
    assert_eq!(scene.count("begun"), 0);
}
