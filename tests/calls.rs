//! Calls between processes: data both ways, nesting, many callers.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::sync::{Arc, Barrier};

use doors::Door;
use harness::calls::{data, start, until_idle, warm};
use harness::{Census, Directory, Peer, Watchdog};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

/// Windows: an area, and the largest of them; bytes of a first call that travels as a packet.
const AREA: usize = 16 * 1024;
const LARGEST_AREA: usize = 4 * 1024 * 1024;
const PACKET: usize = 128 * 1024;

fn server(directory: &Directory) -> (Peer, Door) {
    let (peer, path) = start(PEER, directory, "door", "");
    (peer, Door::open(path).unwrap())
}

/// The bytes that the server makes when asked for so many.
fn pattern(count: usize) -> Vec<u8> {
    (0..count)
        .map(|at| at.wrapping_mul(31).wrapping_add(at >> 8).to_le_bytes()[0])
        .collect()
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
    let (peer, path) = start(PEER, &directory, "door", "");
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
    let (peer, path) = start(PEER, &directory, "door", "");
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
    let (_peer, path) = start(PEER, &directory, "door", "");
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
    let mut request = b"bytes 0 ".to_vec();
    request.resize(10 << 20, b'x');
    assert_eq!(door.call(&request, vec![]).unwrap().data, b"");
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
    let (mut one, a) = start(PEER, &directory, "a", "");
    let (_two, b) = start(PEER, &directory, "b", "");
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
    let (peer, path) = start(PEER, &directory, "door", "");
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
fn descriptors_mappings_and_threads_of_a_client_are_given_back() {
    let _watchdog = Watchdog::new("a_client_leaves_nothing");
    let directory = Directory::new("census");
    let (peer, path) = start(PEER, &directory, "door", "");
    drop(warm(&path));
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

#[test]
fn the_channels_of_private_doors_that_are_gone_are_used_again() {
    let _watchdog = Watchdog::new("the_channels_of_private_doors");
    let directory = Directory::new("private-channels");
    let (_server, path) = start(PEER, &directory, "door", "");
    let mut client = Peer::start(PEER, "calls-private-doors", &[path.to_str().unwrap()]);
    // The first has four channels.
    client.expect("1 pairs");
    assert!(client.finish().success());
}
