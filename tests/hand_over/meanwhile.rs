//! What comes, and what goes on, in the middle of a hand-over.

use doors::{CallCondition, Door};
use harness::Watchdog;
use harness::raw::{self, Fields, Packet, kind};

use crate::scene::{
    DRAINING, Scene, answer, answered_at_last, ask, calling, mint_many, refused, succeed,
};

#[test]
fn what_comes_in_the_middle_of_a_hand_over_reaches_the_successor() {
    let _watchdog = Watchdog::new("what_comes_in_the_middle_of_a_hand_over_reaches_the_successor");
    let mut scene = Scene::new("hand_over");
    let door = scene.caller();
    let socket = scene.stick();
    refused(&door);
    let late = scene.open();
    let first_call = calling(&late, "late");
    let asking = {
        let door = door.clone();
        std::thread::spawn(move || door.descriptor().unwrap())
    };
    let mut successor = scene.successor(socket);
    refused(&door);
    succeed(&mut successor);
    scene.server.expect("handed over 1");
    // Neither has met a hiccup.
    assert_eq!(first_call.join().unwrap(), successor.pid());
    let fresh = Door::from_descriptor(asking.join().unwrap()).unwrap();
    assert_eq!(answer(&fresh, "fresh"), successor.pid());
    assert_eq!(answered_at_last(&door, "door"), successor.pid());
    assert_eq!(scene.executed("late"), 1);
    assert_eq!(scene.executed("refused"), 0);
    // The name is the successor's: its old server cannot take it away.
    ask(&mut scene.server, "detach", "Ok(false)");
    assert_eq!(answer(&scene.open(), "open"), successor.pid());
    // What the old server's program still tries gets a clear word.
    ask(&mut scene.server, "mint 1", "error Draining");
    // All doors are reached through one session, whoever made their sockets, and if he lives.
    scene.server.kill();
    let named = scene.open();
    for door in [&door, &late, &fresh, &named] {
        assert_eq!(answer(door, "one"), successor.pid());
        assert_eq!(answer(door, "two"), successor.pid());
        assert_eq!(door.info().unwrap().figures.unwrap().sessions, 1);
    }
}

#[test]
fn a_door_is_neither_passed_on_nor_named_in_the_middle_of_a_hand_over() {
    let _watchdog =
        Watchdog::new("a_door_is_neither_passed_on_nor_named_in_the_middle_of_a_hand_over");
    let mut scene = Scene::new("hand_over");
    ask(&mut scene.server, "create-secret", "created");
    let door = scene.caller();
    ask(&mut scene.server, &mint_many(), "minted");
    // A call that goes on meanwhile asks for a descriptor, and for a name.
    let waiting = calling(&door, "wm");
    while scene.executed("wm") == 0 {
        std::thread::yield_now();
    }
    let socket = scene.connect_busy("drain 0", "unfinished 1");
    scene.server.say("hand over");
    while raw::waiting_bytes(&socket) == 0 {
        std::thread::yield_now();
    }
    std::fs::write(scene.directory.join("go"), b"").unwrap();
    scene.server.expect("Err(Draining)");
    scene.server.expect("Err(Draining)");
    let name = scene.directory.join("name");
    assert!(!name.exists(), "a name that nobody serves");
    assert_eq!(waiting.join().unwrap(), scene.server.pid());
    let mut successor = scene.successor(socket);
    ask(&mut successor, "take over", "taken over 2");
    ask(&mut successor, "serve", "serving");
    scene.server.expect("handed over 2");
    assert_eq!(answered_at_last(&door, "after"), successor.pid());
}

#[test]
fn a_session_ends_with_the_hand_over_even_while_a_call_goes_on_in_it() {
    let _watchdog =
        Watchdog::new("a_session_ends_with_the_hand_over_even_while_a_call_goes_on_in_it");
    let mut scene = Scene::new("hand_over");
    let door = scene.caller();
    let waiting = {
        let door = door.clone();
        std::thread::spawn(move || door.call(b"w", vec![]).unwrap_err())
    };
    while scene.executed("w") == 0 {
        std::thread::yield_now();
    }
    let socket = scene.connect_busy("drain 20", "unfinished 1");
    let mut successor = scene.successor(socket);
    scene.server.say("hand over");
    succeed(&mut successor);
    scene.server.expect("handed over 1");
    assert_eq!(answered_at_last(&door, "next"), successor.pid());
    let error = waiting.join().unwrap();
    assert_eq!(error.condition, CallCondition::ServerDied { taken: true });
}

#[test]
fn a_first_call_that_waits_for_a_thread_is_sent_to_the_successor() {
    let _watchdog = Watchdog::new("a_first_call_that_waits_for_a_thread_is_sent_to_the_successor");
    let mut scene = Scene::new("hand_over");
    ask(&mut scene.server, "ceiling 1", "so be it");
    let running = {
        let late = scene.open();
        std::thread::spawn(move || answer(&late, "w"))
    };
    while scene.executed("w") == 0 {
        std::thread::yield_now();
    }
    let late = raw::connect(&scene.path);
    let call = Packet::new(kind::CALL).u64(1).u32(0).payload(b"queued");
    raw::send(&late, &call.bytes(), &[]).unwrap();
    let heard = raw::receive(&late).unwrap();
    assert_eq!(Fields::of(&heard.bytes, kind::QUEUED).u64(), 1);
    let socket = scene.connect_busy("drain 20", "unfinished 1");
    let mut successor = scene.successor(socket);
    scene.server.say("hand over");
    succeed(&mut successor);
    scene.server.expect("handed over 1");
    let heard = raw::receive(&late).unwrap();
    let mut reply = Fields::of(&heard.bytes, kind::REPLY);
    assert_eq!((reply.u64(), reply.u32()), (1, DRAINING));
    // The same connection leads to the successor now.
    let late = Door::from_descriptor(late).unwrap();
    assert_eq!(answer(&late, "queued"), successor.pid());
    // A first call that runs needs no session: its answer comes.
    ask(&mut scene.server, "release", "released");
    assert_eq!(running.join().unwrap(), scene.server.pid());
    assert_eq!(scene.executed("queued"), 1);
}

#[test]
fn a_door_whose_references_go_one_after_the_other_is_not_unreferenced_before_the_last() {
    let _watchdog = Watchdog::new(
        "a_door_whose_references_go_one_after_the_other_is_not_unreferenced_before_the_last",
    );
    let mut scene = Scene::new("hand_over");
    ask(&mut scene.server, "create-secret", "created");
    let door = scene.caller();
    let ask_for_one = || door.call(b"s", vec![]).unwrap().descriptors.pop().unwrap();
    let kept = ask_for_one();
    let dropped: Vec<_> = (0..60).map(|_| ask_for_one()).collect();
    let socket = scene.stick();
    // Their ends are there to be seen as soon as the successor looks.
    drop(dropped);
    let mut successor = scene.successor(socket);
    ask(&mut successor, "take over", "taken over 2");
    ask(&mut successor, "serve", "serving");
    scene.server.expect("handed over 2");
    let kept = Door::from_descriptor(kept).unwrap();
    assert_eq!(answer(&kept, "kept"), successor.pid());
    // By now the leader of the successor has seen the end of all others.
    while kept.info().unwrap().figures.unwrap().references > 1 {
        std::thread::yield_now();
    }
    assert_eq!(answer(&kept, "kept"), successor.pid());
    ask(&mut successor, "notices", "notices 0");
    drop(kept);
    ask(&mut successor, "await-notice", "notices 1");
}
