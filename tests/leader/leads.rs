//! A first call may run on the thread that read it: another leads then.

use std::os::fd::AsFd;
use std::thread::JoinHandle;

use doors::{CallCondition, CallError, CallState, Door, Reply};
use harness::raw::{self, Packet, kind};
use harness::stay_on_one_processor;

use crate::{Scene, soon};

impl Scene {
    /// A first call with these data.
    fn first(&self, data: &[u8]) -> Result<Reply, CallError> {
        Door::open(self.plain()).unwrap().call(data, vec![])
    }

    /// A first call on a thread of its own, that stays until the test says `leave` so often.
    fn stays(&self, times: usize) -> JoinHandle<Result<Reply, CallError>> {
        let path = self.plain();
        let data = format!("w{times}");
        std::thread::spawn(move || Door::open(path).unwrap().call(data.as_bytes(), vec![]))
    }

    /// First calls until one has run on a thread that leads otherwise: from here on there is a deputy.
    fn lead(&self) {
        while !leads(&self.first(b"anothing").unwrap()) {}
    }
}

/// Whether the thread that ran this call, and answered with its name, is one of those that lead.
fn leads(reply: &Reply) -> bool {
    [&b"door-leader"[..], b"door-deputy"].contains(&reply.data.as_slice())
}

#[test]
fn one_that_stays_holds_up_nobody() {
    let mut scene = Scene::new("one_that_stays_holds_up_nobody");
    scene.lead();
    for times in 1.. {
        let staying = scene.stays(times);
        scene.wait("entered", 2 * times - 1);
        scene.others_are_served();
        // Nor does a second one that stays.
        let other = scene.stays(times);
        scene.wait("entered", 2 * times);
        scene.others_are_served();
        scene.tell("raise leave");
        other.join().unwrap().unwrap();
        if leads(&staying.join().unwrap().unwrap()) {
            break;
        }
    }
    scene.others_are_served();
}

/// What is over at once so often that nobody is asked to stand by for each call any more.
#[test]
fn one_that_stays_after_many_that_did_not_holds_up_nobody() {
    const QUICK: usize = 300;
    let mut scene = Scene::new("one_that_stays_after_many_that_did_not_holds_up_nobody");
    let mut led = 0;
    for times in 1.. {
        for _ in 0..QUICK {
            scene.first(b"anothing").unwrap();
        }
        let staying = scene.stays(times);
        scene.wait("entered", times);
        scene.others_are_served();
        scene.tell("raise leave");
        led += usize::from(leads(&staying.join().unwrap().unwrap()));
        if led >= 10 {
            break;
        }
    }
    scene.others_are_served();
}

/// Others are served soon, and not when it is over. A machine that stands still for so long meanwhile is forgiven twice.
#[test]
fn one_that_takes_a_while_after_many_that_did_not_is_not_waited_for() {
    const QUICK: usize = 300;
    const LED: usize = 10;
    const FORGIVEN: usize = 2;
    let mut scene = Scene::new("one_that_takes_a_while_after_many_that_did_not");
    let (mut led, mut waited) = (0, 0);
    for times in 1.. {
        for _ in 0..QUICK {
            scene.first(b"anothing").unwrap();
        }
        let path = scene.plain();
        let takes = std::thread::spawn(move || Door::open(path).unwrap().call(b"t", vec![]));
        scene.wait("begun", times);
        scene.others_are_served();
        let over: usize = scene.ask("count over").parse().unwrap();
        if leads(&takes.join().unwrap().unwrap()) {
            led += 1;
            waited += usize::from(over == times);
        }
        if led == LED {
            break;
        }
    }
    assert!(waited <= FORGIVEN, "waited for {waited} of {LED} times");
}

/// One of them on the thread that led: its deputy leads, without one, and the pool has a thread for each of the others.
#[test]
fn many_that_stay_hold_up_nobody() {
    const STAYING: usize = 20;
    let mut scene = Scene::new("many_that_stay_hold_up_nobody");
    let warm = Door::open(scene.plain()).unwrap();
    for times in 1.. {
        scene.lead();
        let staying: Vec<_> = (0..STAYING).map(|_| scene.stays(times)).collect();
        scene.wait("entered", STAYING * times);
        for _ in 0..3 {
            assert_eq!(warm.call(b"ewarm", vec![]).unwrap().data, b"warm");
            scene.others_are_served();
        }
        scene.tell("raise leave");
        let replies = staying
            .into_iter()
            .map(|call| call.join().unwrap().unwrap());
        let led = replies.filter(leads).count();
        assert!(led <= 1, "{led} first calls were run by threads that lead");
        if led == 1 {
            break;
        }
    }
    // Whoever led is the deputy.
    scene.lead();
    scene.others_are_served();
}

#[test]
fn one_whose_caller_gives_up_is_told() {
    let mut scene = Scene::new("one_whose_caller_gives_up_is_told");
    scene.lead();
    let mut led = 0;
    let mut times = 0;
    while led == 0 {
        times += 1;
        let door = Door::open(scene.plain()).unwrap();
        let error = door.call_until(b"cnothing", vec![], soon()).unwrap_err();
        assert_eq!(error.condition, CallCondition::TimedOut { taken: true });
        scene.wait("told", times);
        for name in ["door-leader", "door-deputy"] {
            led += scene
                .ask(&format!("count {name}"))
                .parse::<usize>()
                .unwrap();
        }
    }
    scene.tell("raise leave");
    scene.others_are_served();
}

#[test]
fn one_may_call_a_door_of_its_own_process() {
    let scene = Scene::new("one_may_call_a_door_of_its_own_process");
    scene.lead();
    while !leads(&scene.first(b"acalls").unwrap()) {}
    scene.others_are_served();
}

#[test]
fn one_that_panics_or_unbinds_its_thread_takes_nobody_along() {
    let scene = Scene::new("one_that_panics_or_unbinds_its_thread_takes_nobody_along");
    scene.lead();
    for _ in 0..20 {
        let error = scene.first(b"apanics").unwrap_err();
        assert_eq!(error.condition, CallCondition::Panicked);
        assert_ne!(error.call_state(), CallState::NotExecuted);
        scene.first(b"u").unwrap();
    }
    while !leads(&scene.first(b"u").unwrap()) {}
    scene.lead();
    scene.others_are_served();
}

/// More than it takes for the server to look for the next caller before it sleeps.
const IN_A_ROW: usize = 60;

#[test]
fn one_of_many_in_a_row_whose_caller_gives_up_is_told() {
    let mut scene = Scene::new("one_of_many_in_a_row_whose_caller_gives_up_is_told");
    scene.lead();
    let mut led = 0;
    let mut times = 0;
    while led == 0 {
        for _ in 0..IN_A_ROW {
            scene.first(b"anothing").unwrap();
        }
        times += 1;
        let door = Door::open(scene.plain()).unwrap();
        let error = door.call_until(b"cnothing", vec![], soon()).unwrap_err();
        assert_eq!(error.condition, CallCondition::TimedOut { taken: true });
        scene.wait("told", times);
        for name in ["door-leader", "door-deputy"] {
            led += scene
                .ask(&format!("count {name}"))
                .parse::<usize>()
                .unwrap();
        }
    }
    scene.tell("raise leave");
    scene.others_are_served();
}

#[test]
fn many_in_a_row_whose_callers_stay_are_heard_again_and_gone_when_they_go() {
    let scene = Scene::new("many_in_a_row_whose_callers_stay_are_heard_again");
    scene.lead();
    let watches = Door::open(scene.plain()).unwrap();
    let references = || watches.info().unwrap().figures.unwrap().references;
    let before = references();
    let mut stay = Vec::new();
    for _ in 0..IN_A_ROW {
        let door = Door::open(scene.plain()).unwrap();
        door.call(b"anothing", vec![]).unwrap();
        stay.push(door);
    }
    for door in &stay {
        assert_eq!(door.call(b"eagain", vec![]).unwrap().data, b"again");
    }
    assert!(references() > before);
    drop(stay);
    while references() > before {
        std::thread::yield_now();
    }
    scene.others_are_served();
}

/// Whoever leads looks at the connection of a call that it ran by itself, until it sleeps.
#[test]
fn what_comes_with_the_end_of_a_connection_is_answered_and_the_connection_is_gone() {
    stay_on_one_processor();
    let scene = Scene::new("what_comes_with_the_end_of_a_connection");
    scene.lead();
    let watches = Door::open(scene.plain()).unwrap();
    let references = || watches.info().unwrap().figures.unwrap().references;
    let before = references();
    let call = Packet::new(kind::CALL).u64(1).u32(0).payload(b"anothing");
    for _ in 0..300 {
        let connection = raw::connect(&scene.plain());
        raw::send(&connection, &call.bytes(), &[]).unwrap();
        raw::receive(&connection).unwrap();
        let asked = [(); 2].map(|()| {
            let (answers, private) = raw::pair();
            let info = Packet::new(kind::INFO).bytes();
            raw::send(&connection, &info, &[private.as_fd()]).unwrap();
            answers
        });
        drop(connection);
        for answers in asked {
            raw::receive(&answers).unwrap();
        }
    }
    while references() > before {
        std::thread::yield_now();
    }
    scene.others_are_served();
}
