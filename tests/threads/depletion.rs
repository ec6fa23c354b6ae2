//! When the creation callback is called, and what becomes of its answer.

use std::collections::BTreeSet;

use harness::{Census, Watchdog};

use crate::server::{Server, assert_waits, call, calling, text};

#[test]
fn sequential_calls_on_a_fresh_process_end_up_with_two_threads() {
    let _watchdog = Watchdog::new("sequential calls");
    let mut server = Server::start("two", &["creator=start"]);
    let mut seen = Vec::new();
    for _ in 0..200 {
        seen.push(call(&server.door, "t"));
    }
    // The second may be on its way when the calls are over: the process has it before the pool counts it.
    server.settle_threads(2);
    // The main thread, the leader and its deputy are the others.
    Census::settle(server.peer.pid(), "two threads", |census| {
        census.threads == 5
    });
    let created = server.created();
    assert_eq!(created.len(), 2, "{created:?}");
    // The first thread is made on the thread that creates the door, the main thread here.
    assert_eq!(
        created[0],
        (server.peer.pid().to_string(), false, 0),
        "{created:?}"
    );
    // The second by the server thread that took the first call.
    assert_eq!((created[1].0.as_str(), created[1].1), (&*seen[0], true));
    // Last parked, first used: mostly the same thread.
    let last = seen.last().unwrap();
    let same = seen.iter().filter(|tid| *tid == last).count();
    assert!(same >= 150, "{same} of {} on one thread", seen.len());
}

#[test]
fn parallel_callers_get_at_most_one_thread_more_than_they_are() {
    let _watchdog = Watchdog::new("parallel callers");
    for callers in [3, 8, 20] {
        let mut server = Server::start("parallel", &["creator=start"]);
        let calls: Vec<_> = (0..callers).map(|_| calling(&server.door, "w")).collect();
        server.wait_entered(callers);
        let threads = server.threads();
        server.open_gate(callers);
        let tids: BTreeSet<String> = calls.into_iter().map(|c| text(c.join().unwrap())).collect();
        assert_eq!(tids.len(), callers, "each call had a thread of its own");
        assert!(
            (callers..=callers + 1).contains(&threads),
            "{threads} threads for {callers} callers"
        );
        // The threads are used again: none is made.
        for _ in 0..100 {
            call(&server.door, "t");
        }
        assert!(server.threads() <= callers + 1);
    }
}

#[test]
fn depletion_is_told_on_the_server_thread_before_its_procedure() {
    let _watchdog = Watchdog::new("depletion thread");
    let mut server = Server::start("depletion", &["creator=one"]);
    // One thread, and a callback that declines: each call depletes the pool anew.
    let mut seen = Vec::new();
    for _ in 0..10 {
        seen.push(call(&server.door, "t"));
    }
    let created = server.created();
    assert_eq!(created.len(), 11, "{created:?}");
    for ((tid, depletion, pool), expected) in created[1..].iter().zip(&seen) {
        assert_eq!((tid, *depletion, *pool), (expected, true, 0));
    }
    assert_eq!(server.threads(), 1);
}

#[test]
fn callers_wait_when_the_callback_declines() {
    let _watchdog = Watchdog::new("declines");
    let mut server = Server::start("declines", &["creator=one"]);
    let first = calling(&server.door, "w");
    server.wait_entered(1);
    assert_waits(&server.door);
    // A second waiting caller is served by the one thread when it is free again.
    let second = calling(&server.door, "w");
    server.open_gate(2);
    let (first, second) = (text(first.join().unwrap()), text(second.join().unwrap()));
    assert_eq!(first, second);
    assert_eq!(server.threads(), 1);
}

#[test]
fn a_place_that_the_callback_puts_aside_can_be_taken_later() {
    let _watchdog = Watchdog::new("kept");
    let mut server = Server::start("kept", &["creator=keep"]);
    assert_waits(&server.door);
    assert_eq!(server.ask("serve-kept"), "1");
    call(&server.door, "t");
}

#[test]
fn a_callback_that_panics_declines() {
    let _watchdog = Watchdog::new("callback panics");
    let mut server = Server::start("callback", &["creator=panic"]);
    for _ in 0..20 {
        call(&server.door, "t");
    }
    assert_eq!(server.threads(), 1);
}

#[test]
fn a_callback_that_panics_with_a_value_that_panics_declines() {
    let _watchdog = Watchdog::new("callback panics twice");
    let mut server = Server::start("twice", &["creator=mine"]);
    for _ in 0..20 {
        call(&server.door, "t");
    }
    assert_eq!(server.threads(), 1);
}

#[test]
fn a_callback_that_forks_has_the_call_executed_once() {
    let _watchdog = Watchdog::new("callback forks");
    let mut server = Server::start("forks", &["creator=fork"]);
    // By the connection, then by a session.
    for _ in 0..3 {
        call(&server.door, "k");
        assert_eq!(server.ask("child"), "S", "the child has run the procedure");
    }
    assert_eq!(server.threads(), 1);
}
