//! Calls between two processes: data and descriptors both ways.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use doors::Door;
use harness::{Directory, Peer, Watchdog};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

fn server(directory: &Directory) -> (Peer, Door) {
    let path = directory.join("door");
    let mut peer = Peer::start(PEER, "serve", &[path.to_str().unwrap()]);
    peer.expect("ready");
    (peer, Door::open(&path).unwrap())
}

#[test]
fn a_null_call_returns() {
    let _watchdog = Watchdog::new("a_null_call_returns");
    let directory = Directory::new("null");
    let (_peer, door) = server(&directory);
    for _ in 0..1000 {
        let reply = door.call(&[], vec![]).unwrap();
        assert!(reply.data.is_empty());
    }
}

#[test]
fn data_come_back_at_every_size() {
    let _watchdog = Watchdog::new("data_come_back_at_every_size");
    let directory = Directory::new("sizes");
    let (_peer, door) = server(&directory);
    for size in [
        1,
        7,
        8,
        4096,
        16_383,
        16_384,
        16_385,
        100_000,
        1 << 20,
        (4 << 20) + 1,
        64 << 20,
    ] {
        let mut data: Vec<u8> = (0..size).map(|at: usize| at.to_le_bytes()[0]).collect();
        data[0] = b'e';
        let reply = door.call(&data, vec![]).unwrap();
        assert!(
            reply.data == data,
            "{size} bytes came back as {}",
            reply.data.len()
        );
    }
}
