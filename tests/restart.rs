//! Replacing a server while it is called.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test that cannot go on ends"
)]

use std::collections::BTreeSet;
use std::sync::mpsc::channel;

use doors::{CallCondition, CallError, CallState, Door};
use harness::waiting::{calling, until_asleep_in_a_call};
use harness::{Census, Directory, Peer, Watchdog};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

/// Calls until it is answered; the number of times it was refused as not executed, and the server's pid.
fn call(door: &Door, number: u64) -> (u64, u32) {
    let mut refused = 0;
    loop {
        match door.call(&number.to_le_bytes(), vec![]) {
            Ok(reply) => {
                let (pid, data) = reply.data.split_first_chunk().unwrap();
                assert_eq!(data, number.to_le_bytes(), "the answer of another call");
                return (refused, u32::from_le_bytes(*pid));
            }
            Err(error) if error.call_state() == CallState::NotExecuted => refused += 1,
            Err(error) => panic!("call {number} may be lost: {error:?}"),
        }
    }
}

#[test]
fn no_call_is_lost_and_names_and_descriptors_live_on() {
    let _watchdog = Watchdog::new("restart");
    let directory = Directory::new("restart");
    let path = directory.join("door");
    let mut server = Peer::start(PEER, "predecessor", &[path.to_str().unwrap()]);
    server.expect("ready");

    let by_name = Door::open(&path).unwrap();
    let token = Door::from_descriptor(by_name.descriptor().unwrap()).unwrap();
    let id = by_name.info().unwrap().id;
    let (_, first_pid) = call(&token, 0);

    let (halfway, wait) = channel();
    let callers: Vec<_> = (0..4_u64)
        .map(|caller| {
            let (door, halfway) = (token.clone(), halfway.clone());
            std::thread::spawn(move || {
                let mut pids = BTreeSet::new();
                let mut number = caller << 32;
                // Until a second process has answered, and a while longer.
                let mut after = 0;
                while after < 2_000 {
                    number += 1;
                    pids.insert(call(&door, number).1);
                    if number & 0xFFFF_FFFF == 1_000 {
                        halfway.send(()).unwrap();
                    }
                    if pids.len() > 1 {
                        after += 1;
                    }
                }
                pids
            })
        })
        .collect();
    for _ in 0..4 {
        wait.recv().unwrap();
    }
    server.say("hand over");
    server.expect("taken over");
    for caller in callers {
        let pids = caller.join().unwrap();
        assert_eq!(pids.len(), 2, "answered by {pids:?}");
        assert!(pids.contains(&first_pid));
    }

    // The name, a connection through it, and a descriptor that was handed out before are the same door still.
    let (_, second_pid) = call(&Door::open(&path).unwrap(), 1);
    assert_ne!(second_pid, first_pid);
    assert_eq!(call(&by_name, 2).1, second_pid);
    assert_eq!(by_name.info().unwrap().id, id);
    assert_eq!(token.info().unwrap().target, i32::try_from(second_pid).ok());
    assert_eq!(call(&by_name.reopen().unwrap(), 3).1, second_pid);
    assert!(
        token.reopen().is_err(),
        "a descriptor has no name to open again"
    );
    drop((token, by_name));
}

#[test]
fn a_server_that_drains_refuses_calls_until_it_takes_them_again() {
    let _watchdog = Watchdog::new("drain");
    let directory = Directory::new("drain");
    let path = directory.join("door");
    let mut server = Peer::start(PEER, "drainer", &[path.to_str().unwrap()]);
    server.expect("ready");
    let door = Door::open(&path).unwrap();
    // A session, so that the refusals below are those of calls; then one that has none yet.
    door.call(b"", vec![]).unwrap();
    door.call(b"", vec![]).unwrap();
    let before = Census::of(server.pid());
    let waiting = {
        let door = door.clone();
        std::thread::spawn(move || door.call(b"wait", vec![]).unwrap())
    };
    server.expect("begun");
    server.say("drain");
    server.expect("1 unfinished");
    let refused = |door: &Door| door.call(b"", vec![]).unwrap_err();
    let late = Door::from_descriptor(connect(&path)).unwrap();
    for error in [
        refused(&door),
        refused(&Door::open(&path).unwrap()),
        refused(&late),
    ] {
        assert_eq!(error.condition, CallCondition::Draining);
        assert_eq!(error.call_state(), CallState::NotExecuted);
    }
    server.say("release");
    assert_eq!(&waiting.join().unwrap().data[4..], b"wait");
    server.say("resume");
    server.expect("resumed");
    door.call(b"", vec![]).unwrap();
    late.call(b"", vec![]).unwrap();
    drop(late);
    Census::settle(server.pid(), "only the one session", |now| {
        now.mappings == before.mappings && now.descriptors() <= before.descriptors()
    });
}

#[test]
fn calls_that_wait_where_there_is_no_thread_are_refused_by_a_drain() {
    let _watchdog = Watchdog::new("bare drain");
    let directory = Directory::new("bare-drain");
    let path = directory.join("door");
    let mut server = Peer::start(PEER, "drainer", &[path.to_str().unwrap()]);
    server.expect("ready");
    let bare = directory.join("door.bare");
    // One whose call travels on the connection, one with a session.
    let doors = || {
        let passed = Door::from_descriptor(connect(&bare)).unwrap();
        [Door::open(&bare).unwrap(), passed]
    };
    let before = doors();
    let calls = before.map(|door| calling(move || (door.call(b"", vec![]), door)));
    until_asleep_in_a_call(std::process::id());
    server.say("drain");
    server.expect("0 unfinished");
    let draining = |error: &CallError| {
        assert_eq!(error.condition, CallCondition::Draining);
        assert_eq!(error.call_state(), CallState::NotExecuted);
    };
    let waited = calls.map(|call| call.join().unwrap());
    for (outcome, door) in waited {
        draining(&outcome.unwrap_err());
        // So is one that comes now.
        draining(&door.call(b"", vec![]).unwrap_err());
    }
    server.say("resume");
    server.expect("resumed");
    Door::open(&path).unwrap().call(b"", vec![]).unwrap();
}

/// A connection that no `Door` has opened: its first use is a session.
fn connect(path: &std::path::Path) -> std::os::fd::OwnedFd {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
    let flags = SockFlag::SOCK_CLOEXEC;
    let fd = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).unwrap();
    let address = UnixAddr::new(path).unwrap();
    connect(std::os::fd::AsRawFd::as_raw_fd(&fd), &address).unwrap();
    fd
}
