//! No thread can be started.

use harness::{Peer, Watchdog};

use crate::server::{PEER, Server, assert_waits, call, calling, somebody, text};

#[test]
fn a_lack_of_threads_degrades_and_heals() {
    let _watchdog = Watchdog::new("nproc");
    let mut server = Server::start_as(51234, "nproc", &[]);
    assert_eq!(server.ask("nproc 1"), "limited");
    // The one thread that there is serves all; no new one can be made.
    for _ in 0..50 {
        call(&server.door, "t");
    }
    assert_eq!(server.threads(), 1);
    let first = calling(&server.door, "w");
    server.wait_entered(1);
    assert_waits(&server.door);
    assert_eq!(server.ask("nproc 4096"), "limited");
    server.open_gate(1);
    text(first.join().unwrap());
    let calls: Vec<_> = (0..2).map(|_| calling(&server.door, "w")).collect();
    server.wait_entered(3);
    server.open_gate(2);
    for call in calls {
        text(call.join().unwrap());
    }
}

#[test]
fn without_a_thread_for_the_library_a_side_says_so_and_tries_again() {
    let _watchdog = Watchdog::new("starved");
    let server = Server::start_as(51235, "starved", &["starved"]);
    let uid = somebody(51236);
    let words: Vec<&str> = uid.as_deref().into_iter().collect();
    let mut client = Peer::start(PEER, "threads-client", &words);
    client.expect("ready");
    let mut ask = |line: &str| {
        client.say(line);
        client.hear()
    };
    assert_eq!(ask("nproc 1"), "limited");
    assert_eq!(ask(&format!("open {}", server.path().display())), "opened");
    // The first call needs no thread; a session needs the watcher.
    assert!(ask("call 0 t").starts_with("ok "));
    for _ in 0..2 {
        let answer = ask("call 0 t");
        assert!(answer.starts_with("error System"), "{answer}");
    }
    assert_eq!(ask("nproc 4096"), "limited");
    assert!(ask("call 0 t").starts_with("ok "));
    // The watcher that was made late does its work.
    let answer = ask("call 0 x");
    assert_eq!(answer, "error ServerDied { taken: true }");
}

#[test]
fn a_call_that_waits_for_want_of_threads_is_served_when_there_are_some_again() {
    let _watchdog = Watchdog::new("heals");
    let mut server = Server::start_as(51237, "heals", &[]);
    assert_eq!(server.ask("nproc 1"), "limited");
    let first = calling(&server.door, "w");
    server.wait_entered(1);
    let second = calling(&server.door, "w");
    assert_waits(&server.door);
    assert_eq!(server.ask("nproc 4096"), "limited");
    // No further call comes, and the one thread stays busy.
    server.wait_entered(2);
    server.open_gate(2);
    text(first.join().unwrap());
    text(second.join().unwrap());
}

#[test]
fn a_pool_that_its_last_thread_left_in_want_of_threads_is_filled_afterwards() {
    let _watchdog = Watchdog::new("heals bare");
    let mut server = Server::start_as(51238, "bare", &["private"]);
    assert_eq!(server.ask("nproc 1"), "limited");
    call(&server.door, "u");
    server.settle_threads(0);
    let waiting = calling(&server.door, "t");
    assert_waits(&server.door);
    assert_eq!(server.ask("nproc 4096"), "limited");
    text(waiting.join().unwrap());
    call(&server.door, "t");
}
