//! Calls between processes: data both ways, nesting, many callers, deadlines, outcomes.
#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a test that cannot go on ends"
)]

use std::path::PathBuf;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use doors::{CallCondition, CallState, Door};
use harness::{Census, Directory, Peer, Watchdog};
use nix::sys::signal::Signal;

const PEER: &str = env!("CARGO_BIN_EXE_peer");

/// Windows: an area, and the largest of them; bytes of a first call that travels as a packet.
const AREA: usize = 16 * 1024;
const LARGEST_AREA: usize = 4 * 1024 * 1024;
const PACKET: usize = 128 * 1024;

fn start(directory: &Directory, name: &str, words: &str) -> (Peer, PathBuf) {
    let path = directory.join(name);
    let mut peer = Peer::start(PEER, "calls-serve", &[path.to_str().unwrap(), words]);
    peer.expect("ready");
    (peer, path)
}

fn server(directory: &Directory) -> (Peer, Door) {
    let (peer, path) = start(directory, "door", "");
    (peer, Door::open(path).unwrap())
}

/// A door whose next call goes through a session.
fn warm(path: &PathBuf) -> Door {
    let door = Door::open(path).unwrap();
    door.call(b"", vec![]).unwrap();
    door.call(b"", vec![]).unwrap();
    door
}

/// Data that the server gives back, different at every place.
fn data(size: usize) -> Vec<u8> {
    let mut data: Vec<u8> = (0..size)
        .map(|at| (at ^ (at >> 8) ^ (at >> 16)).to_le_bytes()[0])
        .collect();
    if let Some(first) = data.first_mut() {
        *first = b'e';
    }
    data
}

/// The bytes that the server makes when asked for so many.
fn pattern(count: usize) -> Vec<u8> {
    (0..count)
        .map(|at| at.wrapping_mul(31).wrapping_add(at >> 8).to_le_bytes()[0])
        .collect()
}

/// Stops a process, and waits until all of its threads have stopped.
fn stop(peer: &Peer) {
    peer.signal(Signal::SIGSTOP);
    let stopped = |task: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap();
        stat.rsplit_once(") ").unwrap().1.starts_with('T')
    };
    let tasks = format!("/proc/{}/task", peer.pid());
    while !std::fs::read_dir(&tasks)
        .unwrap()
        .all(|task| stopped(task.unwrap()))
    {
        std::thread::yield_now();
    }
}

fn soon(millis: u64) -> Instant {
    Instant::now() + Duration::from_millis(millis)
}

/// Waits until no call is active. A caller goes on a moment before its call has ended for the accounting.
fn until_idle(peer: &mut Peer) {
    loop {
        peer.say("active");
        if peer.hear() == "0" {
            return;
        }
    }
}

#[test]
fn a_null_call_returns() {
    let _watchdog = Watchdog::new("a_null_call_returns");
    let directory = Directory::new("null");
    let (_peer, door) = server(&directory);
    for _ in 0..1000 {
        let reply = door.call(&[], vec![]).unwrap();
        assert!(reply.data.is_empty() && reply.descriptors.is_empty());
    }
}

#[test]
fn data_come_back_at_every_boundary_over_a_session() {
    let _watchdog = Watchdog::new("data_come_back_at_every_boundary_over_a_session");
    let directory = Directory::new("sizes");
    let (peer, path) = start(&directory, "door", "");
    let door = warm(&path);
    let mut sizes = vec![1, 2, 7, 8, 4095, 4096, 4097, 100_000];
    for edge in [AREA, 2 * AREA, PACKET, LARGEST_AREA, 2 * LARGEST_AREA] {
        sizes.extend([edge - 1, edge, edge + 1]);
    }
    sizes.extend([64 << 20, 70 << 20, 3]);
    for size in sizes {
        let data = data(size);
        let reply = door.call(&data, vec![]).unwrap();
        assert!(
            reply.data == data,
            "{size} bytes came back as {}",
            reply.data.len()
        );
    }
    // The caller goes on a moment before the call is taken off the books.
    Census::settle(peer.pid(), "no call stays active", |_| {
        door.info().unwrap().figures.unwrap().active == 0
    });
}

#[test]
fn a_first_call_travels_at_every_boundary_of_a_packet() {
    let _watchdog = Watchdog::new("a_first_call_travels_at_every_boundary_of_a_packet");
    let directory = Directory::new("packets");
    let (peer, path) = start(&directory, "door", "");
    let mut before = None;
    for size in [
        0,
        1,
        AREA,
        PACKET - 1,
        PACKET,
        PACKET + 1,
        5 << 20,
        70 << 20,
    ] {
        let data = data(size);
        // The Door is new: its first call is a packet if it fits one.
        let reply = Door::open(&path).unwrap().call(&data, vec![]).unwrap();
        assert!(
            reply.data == data,
            "{size} bytes came back as {}",
            reply.data.len()
        );
        if size == PACKET {
            let census = Census::of(peer.pid());
            assert_eq!(
                census.mappings, 0,
                "a first call that fits a packet needs no windows"
            );
            before = Some(census);
        }
    }
    assert!(Census::of(peer.pid()).mappings > before.unwrap().mappings);
}

#[test]
fn results_are_independent_of_the_size_of_the_arguments() {
    let _watchdog = Watchdog::new("results_are_independent_of_the_size_of_the_arguments");
    let directory = Directory::new("results");
    let (_peer, path) = start(&directory, "door", "");
    let door = warm(&path);
    for count in [
        0,
        1,
        AREA - 1,
        AREA,
        AREA + 1,
        PACKET + 1,
        LARGEST_AREA + 1,
        70 << 20,
        5,
        0,
    ] {
        let (asked, wanted) = (format!("bytes {count}"), pattern(count));
        for (how, door) in [
            ("session", door.clone()),
            ("packet", Door::open(&path).unwrap()),
        ] {
            let reply = door.call(asked.as_bytes(), vec![]).unwrap();
            assert!(
                reply.data == wanted,
                "{count} bytes, {how}: {}",
                reply.data.len()
            );
        }
    }
    // Large arguments, no results.
    let mut request = b"sleep 0 ".to_vec();
    request.resize(10 << 20, b'x');
    assert_eq!(door.call(&request, vec![]).unwrap().data, b"0");
}

#[test]
fn a_buffer_is_appended_to_and_used_again() {
    let _watchdog = Watchdog::new("a_buffer_is_appended_to_and_used_again");
    let directory = Directory::new("into");
    let (_peer, door) = server(&directory);
    let mut buffer = b"kept".to_vec();
    for _ in 0..2 {
        door.call_into(b"e1", vec![], None, &mut buffer).unwrap();
    }
    assert_eq!(buffer, b"kepte1e1");
    for size in [100_000, 10, 5 << 20, 0] {
        buffer.clear();
        let data = data(size);
        let fds = door.call_into(&data, vec![], None, &mut buffer).unwrap();
        assert!(buffer == data && fds.is_empty(), "{size}");
    }
}

#[test]
fn two_processes_call_each_other_fifty_deep() {
    let _watchdog = Watchdog::new("two_processes_call_each_other_fifty_deep");
    let directory = Directory::new("nest");
    let (mut one, a) = start(&directory, "a", "");
    let (_two, b) = start(&directory, "b", "");
    let door = Door::open(&a).unwrap();
    let words = |depth| format!("nest {depth} {} {}", a.display(), b.display());
    let reply = door.call(words(2).as_bytes(), vec![]).unwrap();
    assert_eq!(reply.data, b"2");
    for _ in 0..3 {
        let reply = door.call(words(50).as_bytes(), vec![]).unwrap();
        assert_eq!(reply.data, b"50");
    }
    until_idle(&mut one);
}

#[test]
fn a_process_calls_its_own_door_fifty_deep() {
    let _watchdog = Watchdog::new("a_process_calls_its_own_door_fifty_deep");
    let directory = Directory::new("self");
    let (_peer, door) = server(&directory);
    for depth in [1, 50, 3, 50] {
        let reply = door
            .call(format!("self {depth}").as_bytes(), vec![])
            .unwrap();
        assert_eq!(reply.data, depth.to_string().as_bytes());
    }
}

#[test]
fn sixteen_threads_get_their_own_answers() {
    let _watchdog = Watchdog::new("sixteen_threads_get_their_own_answers");
    let directory = Directory::new("threads");
    let (peer, path) = start(&directory, "door", "");
    let door = Door::open(&path).unwrap();
    let together = Arc::new(Barrier::new(16));
    let callers: Vec<_> = (0..16_usize)
        .map(|caller| {
            let (door, together) = (door.clone(), Arc::clone(&together));
            std::thread::spawn(move || {
                together.wait();
                for round in 0..300_usize {
                    let size = 16 + (caller * 7919 + round * 104_729) % 40_000;
                    let mut data = data(size);
                    data[1..9].copy_from_slice(&caller.to_le_bytes());
                    data[9..].fill(round.to_le_bytes()[0]);
                    let reply = door.call(&data, vec![]).unwrap();
                    assert!(reply.data == data, "caller {caller}, round {round}");
                }
            })
        })
        .collect();
    for caller in callers {
        caller.join().unwrap();
    }
    assert_eq!(door.info().unwrap().figures.unwrap().calls, 16 * 300);
    drop(door);
    Census::settle(peer.pid(), "the server keeps its threads", |census| {
        census.threads < 40
    });
}

#[test]
fn a_deadline_passes_before_the_server_takes_the_call() {
    let _watchdog = Watchdog::new("a_deadline_passes_before_the_server_takes_the_call");
    let directory = Directory::new("untaken");
    let (mut peer, path) = start(&directory, "door", "single");
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
    let (mut peer, path) = start(&directory, "door", "");
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
    let (mut peer, path) = start(&directory, "door", "no-cancel");
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
    let (peer, path) = start(&directory, "door", "");
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

#[test]
fn a_large_call_given_up_between_its_parts_does_not_stay_active() {
    let _watchdog = Watchdog::new("a_large_call_given_up_between_its_parts");
    let directory = Directory::new("parts");
    let (peer, path) = start(&directory, "door", "");
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
    let (mut peer, path) = start(&directory, "door", "");
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
    let (peer, path) = start(&directory, "door", "");
    let door = warm(&path);
    let unused = Door::open(&path).unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    stop(&peer);
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

#[test]
fn a_server_that_dies_before_the_call_has_not_executed_it() {
    let _watchdog = Watchdog::new("a_server_that_dies_before_the_call");
    let directory = Directory::new("dead");
    let (mut peer, path) = start(&directory, "door", "");
    let (used, fresh, again) = (warm(&path), Door::open(&path).unwrap(), warm(&path));
    // A call that is in nobody's hands when the server is killed.
    stop(&peer);
    let waiting: Vec<_> = [again, Door::open(&path).unwrap()]
        .into_iter()
        .map(|door| std::thread::spawn(move || door.call(b"e", vec![]).unwrap_err()))
        .collect();
    std::thread::sleep(Duration::from_millis(50));
    peer.kill();
    for waiting in waiting {
        let error = waiting.join().unwrap();
        assert_eq!(error.call_state(), CallState::NotExecuted, "{error}");
        assert_eq!(error.errno(), libc::EBADF);
    }
    for door in [&used, &fresh] {
        for _ in 0..3 {
            let error = door.call(b"e", vec![]).unwrap_err();
            assert_eq!(error.call_state(), CallState::NotExecuted, "{error}");
            assert_eq!(error.errno(), libc::EBADF);
        }
    }
}

#[test]
fn a_server_that_dies_in_the_procedure_may_have_executed_the_call() {
    let _watchdog = Watchdog::new("a_server_that_dies_in_the_procedure");
    let directory = Directory::new("dying");
    for word in ["gate", "die", "reply-exit"] {
        for session in [true, false] {
            let (mut peer, path) = start(&directory, &format!("{word}-{session}"), "");
            let door = if session {
                warm(&path)
            } else {
                Door::open(&path).unwrap()
            };
            let call = std::thread::spawn(move || door.call(word.as_bytes(), vec![]).unwrap_err());
            if word == "gate" {
                peer.expect("begun");
                peer.kill();
            }
            let error = call.join().unwrap();
            assert_eq!(
                error.condition,
                CallCondition::ServerDied { taken: true },
                "{word}"
            );
            assert_eq!(error.call_state(), CallState::MayHaveExecuted);
            assert_eq!(error.errno(), libc::EINTR);
        }
    }
}

#[test]
fn a_panic_is_told_apart_from_a_death() {
    let _watchdog = Watchdog::new("a_panic_is_told_apart_from_a_death");
    let directory = Directory::new("panic");
    let (_peer, path) = start(&directory, "door", "");
    for door in [warm(&path), Door::open(&path).unwrap()] {
        let error = door.call(b"panic", vec![]).unwrap_err();
        assert_eq!(error.condition, CallCondition::Panicked);
        assert_eq!(error.call_state(), CallState::MayHaveExecuted);
        assert_eq!(door.call(b"e", vec![]).unwrap().data, b"e");
    }
}

#[test]
fn descriptors_mappings_and_threads_of_a_client_are_given_back() {
    let _watchdog = Watchdog::new("a_client_leaves_nothing");
    let directory = Directory::new("census");
    let (peer, path) = start(&directory, "door", "");
    warm(&path);
    let before = Census::settle(peer.pid(), "the server is at rest", |census| {
        census.threads < 8
    });
    for _ in 0..5 {
        let mut client = Peer::start(PEER, "calls-client", &[path.to_str().unwrap()]);
        client.expect("ready");
        for _ in 0..3 {
            client.say("bytes 3000000");
            client.expect("3000000 bytes");
        }
        assert!(Census::of(peer.pid()).mappings > before.mappings);
        client.kill();
    }
    Census::settle(
        peer.pid(),
        "what killed clients had is given back",
        |census| census.mappings == before.mappings && census.descriptors() <= before.descriptors(),
    );
}
