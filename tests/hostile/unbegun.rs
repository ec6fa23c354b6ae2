//! First calls that wait for a thread.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use harness::calls::start;
use harness::files::raise_limit;
use harness::raw::{self, Fields, Packet, kind};
use harness::{Books, Directory, Watchdog};

use crate::descriptors::null;
use crate::tables::limit_descriptors;

const PEER: &str = env!("CARGO_BIN_EXE_peer");
/// A failure code on the wire.
const NO_ROOM: u32 = 8;

/// What the server says first of a first call.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Waits,
    Failed(u32),
}

/// A first call that brings so many descriptors and this; what the server says of it.
fn call(path: &Path, descriptors: u32, data: &[u8]) -> (OwnedFd, Said) {
    let connection = raw::connect(path);
    let null = null();
    let call = Packet::new(kind::CALL).u64(1).u32(descriptors);
    let fds = vec![null.as_fd(); usize::try_from(descriptors).unwrap()];
    // There may be no room for the connection itself.
    let sent = raw::queue(&connection, &call.payload(data).bytes(), &fds);
    let heard = sent.and_then(|()| raw::receive(&connection));
    let Some(raw::Heard { bytes: heard, .. }) = heard else {
        return (connection, Said::Failed(NO_ROOM));
    };
    let said = if heard[6] == 82 {
        let mut fields = Fields::of(&heard, kind::REPLY);
        let _generation = fields.u64();
        Said::Failed(fields.u32())
    } else {
        Said::Waits
    };
    (connection, said)
}

/// A call that waits, once what came with those that were refused is closed.
fn waits(path: &Path, descriptors: u32) -> OwnedFd {
    loop {
        let (connection, said) = call(path, descriptors, b"e");
        if said == Said::Waits {
            return connection;
        }
        assert_eq!(said, Said::Failed(NO_ROOM));
    }
}

#[test]
fn case_77_who_makes_first_calls_that_wait_pays_for_what_they_bring() {
    raise_limit();
    let _watchdog = Watchdog::new("case_77_unbegun");
    let directory = Directory::new("unbegun");
    let (mut peer, path) = start(PEER, &directory, "door", "single");
    let books = Books::of(&peer);
    let (keeper, said) = call(&path, 0, b"gate");
    peer.expect("begun");
    assert_eq!(said, Said::Waits);
    // One user may have half of it.
    let before = limit_descriptors(peer.pid(), 1000);
    let waiting: Vec<_> = (0..4).map(|_| call(&path, 200, b"e")).collect();
    let said: Vec<_> = waiting.iter().map(|(_, said)| said).collect();
    let refused = Said::Failed(NO_ROOM);
    assert_eq!(said, [&Said::Waits, &Said::Waits, &refused, &refused]);
    // Calls that bring little wait as ever, and there is room again when those with much are given up.
    let small = waits(&path, 10);
    drop(waiting);
    let late = waits(&path, 200);
    limit_descriptors(peer.pid(), before);
    peer.say("open");
    for connection in [keeper, small, late] {
        while raw::receive(&connection).unwrap().bytes[6] != 82 {}
    }
    books.balance();
}
