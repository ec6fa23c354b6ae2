//! Floor and ceiling.

use std::collections::BTreeSet;

use doors::Door;
use harness::Watchdog;

use crate::server::{Server, assert_waits, call, calling, soon, text};

#[test]
fn at_the_ceiling_a_third_call_waits_for_the_first_two() {
    let _watchdog = Watchdog::new("ceiling");
    let mut server = Server::start("ceiling", &["ceiling=2"]);
    let calls: Vec<_> = (0..3).map(|_| calling(&server.door, "w")).collect();
    server.wait_entered(2);
    // The third cannot have come in, nor can a fourth.
    assert_waits(&server.door);
    assert_eq!(server.ask("count"), "2");
    assert_eq!(server.threads(), 2);
    server.open_gate(1);
    server.wait_entered(3);
    server.open_gate(2);
    let tids: BTreeSet<String> = calls.into_iter().map(|c| text(c.join().unwrap())).collect();
    assert_eq!(tids.len(), 2);
}

#[test]
fn a_call_that_finds_no_free_thread_takes_one_from_an_idle_channel() {
    let _watchdog = Watchdog::new("eviction");
    let mut server = Server::start("eviction", &["ceiling=2", "floor=2"]);
    // One thread is busy for the whole test; the other must serve all the other channels.
    let busy = calling(&server.door, "w");
    server.wait_entered(1);
    let doors: Vec<Door> = (0..4).map(|_| Door::open(server.path()).unwrap()).collect();
    let callers: Vec<_> = doors
        .into_iter()
        .map(|door| {
            std::thread::spawn(move || {
                for _ in 0..200 {
                    door.call_until(b"t", vec![], soon(20_000)).unwrap();
                }
            })
        })
        .collect();
    for caller in callers {
        caller.join().unwrap();
    }
    assert_eq!(server.threads(), 2);
    server.open_gate(1);
    text(busy.join().unwrap());
}

#[test]
fn a_busy_channel_does_not_starve_the_others() {
    let _watchdog = Watchdog::new("starve");
    let server = Server::start("starve", &["ceiling=1"]);
    // Two callers back to back on one thread: both get on.
    let callers: Vec<_> = (0..2)
        .map(|_| {
            let door = server.door.clone();
            std::thread::spawn(move || {
                for _ in 0..3000 {
                    door.call_until(b"t", vec![], soon(20_000)).unwrap();
                }
            })
        })
        .collect();
    for caller in callers {
        caller.join().unwrap();
    }
}

#[test]
fn a_procedure_may_call_its_own_door() {
    let _watchdog = Watchdog::new("recursion");
    let mut server = Server::start("recursion", &[]);
    assert_eq!(call(&server.door, "n50"), "bottom");
    assert!(server.threads() <= 52);
}

#[test]
fn recursion_beyond_the_ceiling_ends_at_its_deadline() {
    let _watchdog = Watchdog::new("recursion ceiling");
    let mut server = Server::start("recursion", &["ceiling=3"]);
    // Levels 5, 4 and 3 have the three threads; the call to level 2 waits in vain, for as long as it may. The others
    // may wait for ever, and need not: they end with it.
    assert_eq!(call(&server.door, "n5.3"), "TimedOut { taken: false } at 3");
    assert_eq!(call(&server.door, "n2"), "bottom");
    assert_eq!(server.threads(), 3);
}

#[test]
fn a_pool_whose_threads_have_all_retired_is_filled_when_a_call_waits() {
    let _watchdog = Watchdog::new("retired");
    let words: [&[&str]; 3] = [
        &["private", "floor=0"],
        &["floor=0"],
        &["floor=0", "creator=start"],
    ];
    let mut servers = words.map(|words| Server::start("retired", words));
    // One of them had no call before.
    for server in &servers[..2] {
        call(&server.door, "t");
        call(&server.door, "t");
    }
    for server in &mut servers {
        server.settle_threads(0);
        call(&server.door, "t");
        assert!(server.threads() > 0);
    }
    // Its callback was asked again, for want of threads.
    let created = servers[2].created();
    assert!(!created[0].1 && created[1].1, "{created:?}");
}

#[test]
fn a_floor_that_is_lowered_reaches_threads_that_are_parked() {
    let _watchdog = Watchdog::new("floor lowered");
    let mut server = Server::start("lowered", &["floor=4"]);
    let calls: Vec<_> = (0..8).map(|_| calling(&server.door, "w")).collect();
    server.wait_entered(8);
    server.open_gate(8);
    for call in calls {
        text(call.join().unwrap());
    }
    // Those that are left are the floor's, and sleep for good.
    server.settle_threads(4);
    assert_eq!(server.ask("limits 1 8"), "set");
    server.settle_threads(1);
    call(&server.door, "t");
}

#[test]
fn a_ceiling_that_is_raised_lets_a_waiting_call_in() {
    let _watchdog = Watchdog::new("ceiling raised");
    let mut server = Server::start("raised", &["ceiling=1"]);
    let first = calling(&server.door, "w");
    server.wait_entered(1);
    let second = calling(&server.door, "w");
    assert_waits(&server.door);
    assert_eq!(server.ask("limits 1 2"), "set");
    // Nobody has left.
    server.wait_entered(2);
    server.open_gate(2);
    text(first.join().unwrap());
    text(second.join().unwrap());
}
