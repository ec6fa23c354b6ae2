//! Areas for large data: they grow, and are given back.

use std::fs;
use std::sync::{Barrier, Mutex, MutexGuard, PoisonError};

use doors::Door;
use harness::calls::{data, start, warm};
use harness::{Census, Directory, Watchdog};

const PEER: &str = env!("CARGO_BIN_EXE_peer");
const MIB: usize = 1024 * 1024;

/// What this very process has mapped is counted: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes of a process that are its alone.
fn private_bytes(pid: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    let kib: usize = number.and_then(|number| number.parse().ok()).unwrap_or(0);
    kib.saturating_mul(1024)
}

#[test]
fn an_area_that_rests_is_given_back_by_both_sides_and_grows_again() {
    let _alone = alone();
    let _watchdog = Watchdog::new("an_area_that_rests_is_given_back");
    let directory = Directory::new("areas");
    let (peer, path) = start(PEER, &directory, "door", "");
    let door = warm(&path);
    let (theirs, ours) = (Census::of(peer.pid()), Census::of_self());
    for _ in 0..2 {
        // Each is more than the area of the call before it.
        for size in [20_000, 100_000, 300_000, MIB + 1] {
            let data = data(size);
            assert!(door.call(&data, vec![]).unwrap().data == data, "{size}");
        }
        // Between the call and the look it may have been given back.
        let has_grown = (0..100).any(|_| {
            door.call(&data(MIB), vec![]).unwrap();
            Census::of(peer.pid()).mappings > theirs.mappings
        });
        assert!(has_grown);
        Census::settle(peer.pid(), "the server has the area", |census| {
            census.holds_no_more_than(&theirs, theirs.mappings)
        });
        Census::settle(std::process::id(), "the client has the area", |census| {
            census.mappings <= ours.mappings
        });
    }
}

#[test]
fn areas_of_many_callers_are_given_back() {
    let _alone = alone();
    let _watchdog = Watchdog::new("areas_of_many_callers");
    let directory = Directory::new("many_areas");
    let (peer, path) = start(PEER, &directory, "door", "");
    let door = warm(&path);
    let all_call = |size: usize| {
        let begin = Barrier::new(12);
        std::thread::scope(|scope| {
            for _ in 0..12 {
                scope.spawn(|| {
                    let data = data(size);
                    begin.wait();
                    for _ in 0..20 {
                        assert!(door.call(&data, vec![]).unwrap().data == data);
                    }
                });
            }
        });
    };
    // The channels that so many callers need stay.
    all_call(100);
    let (theirs, ours) = (Census::of(peer.pid()), Census::of_self());
    all_call(400_000);
    // Meanwhile some are used, and some give theirs back.
    all_call(70_000);
    Census::settle(peer.pid(), "the server has the areas", |census| {
        census.mappings <= theirs.mappings
    });
    Census::settle(std::process::id(), "the client has the areas", |census| {
        census.mappings <= ours.mappings
    });
    all_call(100);
}

#[test]
fn an_area_that_its_thread_has_left_early_is_given_back() {
    let _alone = alone();
    let _watchdog = Watchdog::new("an_area_that_its_thread_has_left_early");
    let directory = Directory::new("left");
    // One thread for all.
    let (mut peer, path) = start(PEER, &directory, "door", "single");
    let door = warm(&path);
    let (theirs, ours) = (Census::of(peer.pid()), Census::of_self());
    for held in [false, true] {
        let mut asked = if held {
            b"hold ".to_vec()
        } else {
            b"e".to_vec()
        };
        asked.resize(MIB, b'x');
        let call = std::thread::scope(|scope| {
            let call = scope.spawn(|| door.call(&asked, vec![]).unwrap());
            if held {
                peer.expect("held");
                peer.ask("answer", "answered 1");
            }
            call.join().unwrap()
        });
        assert!(call.data.ends_with(&asked));
        // Somebody else needs the thread.
        assert_eq!(
            Door::open(&path).unwrap().call(b"e", vec![]).unwrap().data,
            b"e"
        );
        Census::settle(peer.pid(), "the server has the area", |census| {
            census.mappings <= theirs.mappings
        });
        Census::settle(std::process::id(), "the client has the area", |census| {
            census.mappings <= ours.mappings
        });
    }
}

#[test]
fn private_memory_of_large_arguments_stays_for_the_next_call_and_no_longer() {
    let _alone = alone();
    let _watchdog = Watchdog::new("private_memory_of_large_arguments");
    let directory = Directory::new("private");
    let (peer, path) = start(PEER, &directory, "door", "");
    let door = warm(&path);
    let before = private_bytes(peer.pid());
    let data = data(48 * MIB);
    for _ in 0..3 {
        assert!(door.call(&data, vec![]).unwrap().data == data);
    }
    Census::settle(peer.pid(), "the server keeps the memory", |_| {
        private_bytes(peer.pid()) < before + 8 * MIB
    });
}
