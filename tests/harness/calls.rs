//! The server of the tests of calls, and doors to it.

use std::path::{Path, PathBuf};

use doors::Door;

use crate::{Books, Directory, Peer};

/// A server at a name of a directory; the words say what kind of door it has.
#[must_use]
pub fn start(program: &str, directory: &Directory, name: &str, words: &str) -> (Peer, PathBuf) {
    let path = directory.join(name);
    let mut peer = Peer::start(program, "calls-serve", &[path.to_str().unwrap(), words]);
    peer.expect("ready");
    (peer, path)
}

/// A door whose next call goes through a session.
#[must_use]
pub fn warm(path: &Path) -> Door {
    let door = Door::open(path).unwrap();
    // The first call travels on the connection.
    door.call(b"", vec![]).unwrap();
    door.call(b"", vec![]).unwrap();
    door
}

/// One door whose next call is a packet, one whose next goes through a session.
#[must_use]
pub fn both(path: &Path) -> [Door; 2] {
    [Door::open(path).unwrap(), warm(path)]
}

/// One door that was opened, whose next call is a packet, and one of which only the descriptor is known: every call of
/// that one goes through a session.
#[must_use]
pub fn opened_and_received(path: &Path) -> [Door; 2] {
    let door = Door::open(path).unwrap();
    [
        Door::open(path).unwrap(),
        Door::from_descriptor(door.descriptor().unwrap()).unwrap(),
    ]
}

/// What the server holds once this process has a session with it, which outlives the doors that use it.
#[must_use]
pub fn books(peer: &Peer, path: &Path) -> Books {
    drop(warm(path));
    Books::of(peer)
}

/// Waits until so many calls are active. A caller goes on a moment before its call has ended for the accounting.
pub fn until_active(peer: &mut Peer, calls: usize) {
    while peer.query("active") != calls.to_string() {
        std::thread::yield_now();
    }
}

/// Waits until no call is active.
pub fn until_idle(peer: &mut Peer) {
    until_active(peer, 0);
}

/// Data that the server gives back, different at every place.
#[must_use]
pub fn data(size: usize) -> Vec<u8> {
    let mut data: Vec<u8> = (0..size)
        .map(|at| (at ^ (at >> 8) ^ (at >> 16)).to_le_bytes()[0])
        .collect();
    if let Some(first) = data.first_mut() {
        *first = b'e';
    }
    data
}
