//! Calls that are given up when their deadline passes.
#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a test that cannot go on ends"
)]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use doors::{CallCondition, CallError, CallState, Door};
use harness::calls::{books, data, start, until_idle, warm};
use harness::{Census, Directory, Watchdog};
use nix::sys::signal::Signal;

const PEER: &str = env!("CARGO_BIN_EXE_peer");

fn soon(millis: u64) -> Instant {
    Instant::now() + Duration::from_millis(millis)
}

#[test]
fn a_deadline_passes_before_the_server_takes_the_call() {
    let _watchdog = Watchdog::new("a_deadline_passes_before_the_server_takes_the_call");
    let directory = Directory::new("untaken");
    let (mut peer, path) = start(PEER, &directory, "door", "single");
    let door = warm(&path);
    let busy = door.clone();
    let first = std::thread::spawn(move || busy.call(b"gate", vec![]).unwrap());
    peer.expect("begun");
    // The only thread is in the procedure: nobody takes this one.
    let error = door.call_until(b"gate", vec![], soon(60)).unwrap_err();
    assert_eq!(error.condition, CallCondition::TimedOut { taken: false });
    assert_eq!(error.call_state(), CallState::NotExecuted);
    assert_eq!(error.errno(), libc::EAGAIN);
    // The same for a first call that is a packet.
    let fresh = Door::open(&path).unwrap();
    let error = fresh.call_until(b"gate", vec![], soon(60)).unwrap_err();
    assert_eq!(error.condition, CallCondition::TimedOut { taken: false });
    peer.say("open");
    assert_eq!(first.join().unwrap().data, b"through");
    // Neither of the two runs later: the next thing that is said to begin is this.
    peer.say("shut");
    peer.expect("shut");
    let late = door.clone();
    let third = std::thread::spawn(move || late.call(b"gate", vec![]).unwrap());
    peer.expect("begun");
    peer.say("open");
    assert_eq!(third.join().unwrap().data, b"through");
    assert_eq!(fresh.call(b"e after", vec![]).unwrap().data, b"e after");
    let calls = door.info().unwrap().figures.unwrap().calls;
    assert_eq!(calls, 5, "two to warm up, two gates, one after");
}

#[test]
fn a_deadline_passes_while_the_procedure_runs() {
    let _watchdog = Watchdog::new("a_deadline_passes_while_the_procedure_runs");
    let directory = Directory::new("taken");
    let (mut peer, path) = start(PEER, &directory, "door", "");
    for door in [warm(&path), Door::open(&path).unwrap()] {
        let error = door.call_until(b"watch", vec![], soon(100)).unwrap_err();
        assert_eq!(error.condition, CallCondition::TimedOut { taken: true });
        assert_eq!(error.call_state(), CallState::MayHaveExecuted);
        assert_eq!(error.errno(), libc::EINTR);
        peer.expect("begun");
        let mut said = [peer.hear(), peer.hear()];
        said.sort();
        assert_eq!(said, ["called back", "cancelled"]);
        // The late answer meets nobody.
        for round in 0..100 {
            let data = format!("e{round}");
            assert_eq!(
                door.call(data.as_bytes(), vec![]).unwrap().data,
                data.as_bytes()
            );
        }
    }
    Census::settle(peer.pid(), "no call stays active", |_| {
        warm(&path).info().unwrap().figures.unwrap().active == 0
    });
}

#[test]
fn a_door_without_cancellation_tells_its_procedure_nothing() {
    let _watchdog = Watchdog::new("a_door_without_cancellation_tells_its_procedure_nothing");
    let directory = Directory::new("no-cancel");
    let (mut peer, path) = start(PEER, &directory, "door", "no-cancel");
    for door in [warm(&path), Door::open(&path).unwrap()] {
        peer.say("shut");
        peer.expect("shut");
        let error = door
            .call_until(b"watch-and-wait", vec![], soon(100))
            .unwrap_err();
        assert_eq!(error.condition, CallCondition::TimedOut { taken: true });
        peer.expect("begun");
        // The server hears of the giving up before it hears this: both go through its leader in order.
        door.info().unwrap();
        peer.say("open");
        peer.expect("cancelled: false");
        // Nor when the call has left its thread.
        let error = door.call_until(b"hold", vec![], soon(100)).unwrap_err();
        assert_eq!(error.condition, CallCondition::TimedOut { taken: true });
        peer.expect("held");
        door.info().unwrap();
        peer.say("cancelled");
        peer.expect("0");
        peer.say("answer");
        peer.expect("answered 1");
    }
    assert_eq!(
        Door::open(&path).unwrap().call(b"e", vec![]).unwrap().data,
        b"e"
    );
}

#[test]
fn calls_given_up_never_mix_with_later_ones() {
    let _watchdog = Watchdog::new("calls_given_up_never_mix_with_later_ones");
    let directory = Directory::new("abandon");
    let (peer, path) = start(PEER, &directory, "door", "");
    let door = warm(&path);
    let mut given_up = 0;
    for round in 0..400_usize {
        let size = [10, 20_000, 300_000][round % 3];
        let mut data = data(size);
        data[1..9].copy_from_slice(&round.to_le_bytes());
        let until = Instant::now() + Duration::from_micros(u64::try_from(round).unwrap());
        match door.call_until(&data, vec![], until) {
            Ok(reply) => assert!(reply.data == data, "round {round}"),
            Err(error) => {
                assert!(
                    matches!(error.condition, CallCondition::TimedOut { .. }),
                    "{error}"
                );
                given_up += 1;
            }
        }
        let data = round.to_le_bytes();
        let data = [b"e", &data[..]].concat();
        assert_eq!(
            door.call(&data, vec![]).unwrap().data,
            data,
            "round {round}"
        );
    }
    assert!(given_up > 0, "no deadline passed");
    Census::settle(peer.pid(), "no call stays active", |_| {
        door.info().unwrap().figures.unwrap().active == 0
    });
}

/// What the callers were told, by the numbers of their calls: answered, and not executed.
type Told = (BTreeSet<usize>, BTreeSet<usize>);

/// Calls at about the time when the only thread of the server takes them, through a session and as first calls.
fn hurried(session: &Door, path: &Path, numbers: std::ops::Range<usize>) -> Told {
    let (mut ran, mut never) = (BTreeSet::new(), BTreeSet::new());
    for number in numbers {
        let first = number % 8 == 7;
        let door = if first {
            Door::open(path).unwrap()
        } else {
            session.clone()
        };
        let micros = u64::try_from(number % if first { 800 } else { 400 }).unwrap();
        let until = Instant::now() + Duration::from_micros(micros);
        let called = door.call_until(format!("mark {number}").as_bytes(), vec![], until);
        match called.as_ref().map_err(CallError::call_state) {
            Ok(_) => ran.insert(number),
            Err(CallState::NotExecuted) => never.insert(number),
            Err(CallState::MayHaveExecuted) => false,
            Err(CallState::Executed) => unreachable!("{called:?}"),
        };
    }
    (ran, never)
}

#[test]
fn case_116_a_call_that_is_said_not_to_have_run_never_ran() {
    let _watchdog = Watchdog::new("case_116_a_call_that_is_said_not_to_have_run");
    let directory = Directory::new("marked");
    let (mut peer, path) = start(PEER, &directory, "door", "single");
    // Each call that is given up keeps its channel until the server is done with it: a session has at most 256 of them, in
    // seven pairs.
    let books = books(&peer, &path).and_mappings(12);
    let session = warm(&path);
    let callers: Vec<_> = (0..8)
        .map(|caller| {
            let (session, path) = (session.clone(), path.clone());
            let numbers = caller * 1000..caller * 1000 + 500;
            std::thread::spawn(move || hurried(&session, &path, numbers))
        })
        .collect();
    let (mut ran, mut never) = (BTreeSet::from([9999]), BTreeSet::new());
    for caller in callers {
        let told = caller.join().unwrap();
        ran.extend(told.0);
        never.extend(told.1);
    }
    // One that has all the time it wants: the session is in order after all that.
    session.call(b"mark 9999", vec![]).unwrap();
    until_idle(&mut peer);
    let said = peer.query("marked");
    let marked: Vec<usize> = said.split(' ').map(|word| word.parse().unwrap()).collect();
    let all: BTreeSet<usize> = marked.iter().copied().collect();
    assert_eq!(all.len(), marked.len(), "a call ran twice");
    assert!(ran.is_subset(&all), "a call was answered and did not run");
    let both: Vec<_> = never.intersection(&all).collect();
    assert!(both.is_empty(), "said not to have run, and ran: {both:?}");
    assert!(!never.is_empty(), "no deadline passed in time");
    drop(session);
    books.balance();
}

#[test]
fn a_large_call_given_up_between_its_parts_does_not_stay_active() {
    let _watchdog = Watchdog::new("a_large_call_given_up_between_its_parts");
    let directory = Directory::new("parts");
    let (peer, path) = start(PEER, &directory, "door", "");
    let door = warm(&path);
    let data = data(48 << 20);
    let mut given_up = 0;
    for millis in 1..8 {
        given_up += i32::from(door.call_until(&data, vec![], soon(millis)).is_err());
    }
    assert!(
        given_up > 0,
        "48 MiB need more than some milliseconds both ways"
    );
    // Nobody calls any more, so nothing but the giving up itself ends them.
    Census::settle(peer.pid(), "no call stays active", |_| {
        door.info().unwrap().figures.unwrap().active == 0
    });
    assert_eq!(door.call(b"e", vec![]).unwrap().data, b"e");
}

#[test]
fn more_calls_given_up_than_channels_hold_up_nobody_for_ever() {
    let _watchdog = Watchdog::new("more_calls_given_up_than_channels");
    let directory = Directory::new("retired");
    let (mut peer, path) = start(PEER, &directory, "door", "");
    let door = warm(&path);
    // Each is held by the server, so its channel stays out of use.
    let mut given_up = 0;
    while given_up < 256 {
        let error = door.call_until(b"hold", vec![], soon(5)).unwrap_err();
        match error.condition {
            CallCondition::TimedOut { taken } => given_up += i32::from(taken),
            other => panic!("{other}"),
        }
    }
    let error = door.call_until(b"e", vec![], soon(20)).unwrap_err();
    assert_eq!(error.condition, CallCondition::TimedOut { taken: false });
    let waiting = std::thread::spawn(move || door.call(b"e then", vec![]).unwrap());
    let mut held = 0;
    while held < 256 {
        if peer.hear() == "held" {
            held += 1;
        }
    }
    peer.say("answer");
    peer.expect("answered 256");
    assert_eq!(waiting.join().unwrap().data, b"e then");
}

#[test]
fn a_deadline_bounds_a_call_on_a_stopped_server() {
    let _watchdog = Watchdog::new("a_deadline_bounds_a_call_on_a_stopped_server");
    let directory = Directory::new("stopped");
    let (peer, path) = start(PEER, &directory, "door", "");
    let door = warm(&path);
    let unused = Door::open(&path).unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    peer.stop();
    // No session with the server for this door yet, none of the windows that it needs, no socket for descriptors.
    let large = data(200_000);
    for (door, data, fds) in [
        (&unused, &large[..], vec![]),
        (&door, &large[..], vec![]),
        (&door, &b"e"[..], vec![doors::DoorDesc::from(file)]),
        (&door, &b"e"[..], vec![]),
    ] {
        let error = door.call_until(data, fds, soon(50)).unwrap_err();
        assert_eq!(error.condition, CallCondition::TimedOut { taken: false });
    }
    peer.signal(Signal::SIGCONT);
    assert_eq!(door.call(b"e", vec![]).unwrap().data, b"e");
    assert!(unused.call(&large, vec![]).unwrap().data == large);
}
