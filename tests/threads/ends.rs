//! What threads and callers meet when a procedure or a door ends badly.

use doors::{CallCondition, Door};
use harness::{Census, Peer, Watchdog};

use crate::server::{PEER, Server, assert_waits, call, calling, text};

#[test]
fn callers_that_wait_for_a_thread_of_a_revoked_private_door_are_told() {
    let _watchdog = Watchdog::new("revoked private");
    let mut server = Server::start("revoked", &["private", "ceiling=1"]);
    // A session, and a channel that this thread will use again.
    call(&server.door, "t");
    call(&server.door, "t");
    let running = calling(&server.door, "w");
    server.wait_entered(1);
    let fresh = Door::open(server.path()).unwrap();
    let waiting = [calling(&server.door, "t"), calling(&fresh, "t")];
    // Both are in the queue of the pool when their like is.
    assert_waits(&server.door);
    assert_eq!(server.ask("revoke"), "revoked");
    for call in waiting {
        let error = call.join().unwrap().unwrap_err();
        assert_eq!(error.condition, CallCondition::NoDoor);
    }
    for _ in 0..200 {
        let error = server.door.call(b"t", vec![]).unwrap_err();
        assert_eq!(error.condition, CallCondition::NoDoor);
    }
    // What was taken finishes.
    server.open_gate(1);
    text(running.join().unwrap());
    let error = server.door.call(b"t", vec![]).unwrap_err();
    assert_eq!(error.condition, CallCondition::NoDoor);
    // The pool of the door ends; nobody holds a thread of it. The main thread, the leader and its deputy stay.
    Census::settle(server.peer.pid(), "its threads end", |census| {
        census.threads <= 3
    });
}

#[test]
fn a_panicking_procedure_costs_no_thread() {
    let _watchdog = Watchdog::new("panics");
    let mut server = Server::start("panics", &["ceiling=2"]);
    for _ in 0..50 {
        let error = server.door.call(b"p", vec![]).unwrap_err();
        assert_eq!(error.condition, CallCondition::Panicked);
    }
    // The second may be on its way when the calls are over.
    server.settle_threads(2);
    let calls: Vec<_> = (0..2).map(|_| calling(&server.door, "w")).collect();
    server.wait_entered(2);
    server.open_gate(2);
    for call in calls {
        text(call.join().unwrap());
    }
}

#[test]
fn a_procedure_that_exits_ends_the_calls_of_all_its_callers() {
    let _watchdog = Watchdog::new("exits");
    let mut server = Server::start("exits", &[]);
    let waiting = calling(&server.door, "w");
    server.wait_entered(1);
    let error = server.door.call(b"x", vec![]).unwrap_err();
    assert_eq!(error.condition, CallCondition::ServerDied { taken: true });
    let error = waiting.join().unwrap().unwrap_err();
    assert_eq!(error.condition, CallCondition::ServerDied { taken: true });
    let error = server.door.call(b"t", vec![]).unwrap_err();
    assert_eq!(error.condition, CallCondition::NoDoor);
}

#[test]
fn a_procedure_whose_end_panics_costs_no_thread() {
    let _watchdog = Watchdog::new("end panics");
    let mut server = Server::start("mine", &["ceiling=2"]);
    let path = server.directory.join("mine");
    call(&server.door, "t");
    let before = Census::of(server.peer.pid());
    for round in 1..=5 {
        assert_eq!(server.ask(&format!("mine {}", path.display())), "mined");
        let mut client = Peer::start(PEER, "threads-client", &[]);
        client.expect("ready");
        client.say(&format!("open {}", path.display()));
        client.expect("opened");
        // A session, then a call that outlives every reference to its door: its thread is the last to have it.
        client.say("call 0 t");
        assert!(client.hear().starts_with("ok "));
        client.say("call 0 w");
        server.wait_entered(round);
        client.kill();
        assert_eq!(server.ask("leave-mine"), "left");
        // Besides the socket of its session, which the call keeps.
        Census::settle(server.peer.pid(), "no reference is left", |census| {
            census.descriptors["socket:[]"] <= before.descriptors["socket:[]"] + 1
        });
        server.open_gate(1);
    }
    // Both threads serve, and know of each other.
    let calls: Vec<_> = (0..2).map(|_| calling(&server.door, "w")).collect();
    server.wait_entered(7);
    server.open_gate(2);
    for call in calls {
        text(call.join().unwrap());
    }
    assert_eq!(server.threads(), 2);
}
