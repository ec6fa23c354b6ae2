//! Channels without a call.

use std::time::Duration;

use harness::{Census, Peer, Watchdog};

use crate::server::{PEER, Server, call};

/// Voluntary switches of all threads of a process: who sleeps for ever makes none.
fn switches(pid: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    tasks
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("status")).ok())
        .filter_map(|status| {
            let line = status
                .lines()
                .find(|line| line.starts_with("voluntary_ctxt_switches"))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        })
        .sum()
}

#[test]
fn quiet_channels_hold_no_thread_and_an_idle_server_never_wakes_up() {
    let _watchdog = Watchdog::new("quiet");
    let mut server = Server::start("quiet", &["floor=1"]);
    call(&server.door, "t");
    let before = Census::of(server.peer.pid());
    // A thread that joined by itself stays, whatever the floor is: it may be the main thread.
    let mut joined = Server::start("joined", &["floor=0", "creator=decline"]);
    assert_eq!(joined.ask("join"), "joins");
    let path = server.path();
    let path = path.to_str().unwrap();
    // Two clients with a hundred threads each, all in a call at the same time.
    let mut crowds: Vec<Peer> = (0..2)
        .map(|_| Peer::start(PEER, "threads-crowd", &[path, "100", "w"]))
        .collect();
    server.wait_entered(200);
    assert!((200..=203).contains(&server.threads()));
    server.open_gate(200);
    for crowd in &mut crowds {
        let tids = crowd.hear();
        assert_eq!(tids.split(' ').count(), 100);
    }
    // All but the floor's thread end; the sessions and their channels stay.
    let pid = server.peer.pid();
    Census::settle(pid, "the pool at its floor", |census| {
        census.threads <= before.threads
    });
    // Among those before may have been the one that the first call had made.
    server.settle_threads(1);
    // Time is the subject: a second in which nothing wakes up.
    let idle = (0..20).any(|_| {
        let from = switches(pid);
        std::thread::sleep(Duration::from_secs(1));
        switches(pid) == from
    });
    assert!(idle, "an idle server wakes up");
    assert_eq!(call(&joined.door, "t"), joined.peer.pid().to_string());
    // Calls after the quiet time work, on the old channels.
    for crowd in &mut crowds {
        crowd.say("again");
        assert!(crowd.hear().starts_with("ok "));
        assert!(crowd.finish().success());
    }
}

#[test]
fn calls_around_the_moment_of_falling_quiet_are_never_lost() {
    let _watchdog = Watchdog::new("hammer");
    let server = Server::start("hammer", &[]);
    call(&server.door, "t");
    let before = Census::of(server.peer.pid());
    let path = server.path();
    let path = path.to_str().unwrap();
    let mut hammers: Vec<Peer> = (0..2)
        .map(|_| Peer::start(PEER, "threads-hammer", &[path, "40", "80", "50000"]))
        .collect();
    for hammer in &mut hammers {
        hammer.expect("all answered");
        assert!(hammer.finish().success());
    }
    Census::settle(server.peer.pid(), "sessions gone", |census| {
        census.descriptors() <= before.descriptors() && census.mappings <= before.mappings
    });
}
