//! A client of another version, or of none, at a real server.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on ends"
)]

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use doors::Door;
use harness::{Books, Directory, Peer, Watchdog};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, connect, recvmsg,
    sendmsg, socket, socketpair,
};

const PEER: &str = env!("CARGO_BIN_EXE_peer");
const REFUSED: [u8; 2] = [21, 0];
const VIOLATION: [u8; 4] = [11, 0, 0, 0];
const VERSION: [u8; 4] = [12, 0, 0, 0];

fn packet_pair() -> (OwnedFd, OwnedFd) {
    let flags = SockFlag::SOCK_CLOEXEC;
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags).unwrap()
}

/// Sends a petition on a connection of its own; returns what comes at the private end (blocking).
fn petition(path: &Path, packet: &[u8]) -> Vec<u8> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let connection = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).unwrap();
    connect(connection.as_raw_fd(), &UnixAddr::new(path).unwrap()).unwrap();
    let (ours, theirs) = packet_pair();
    let rights = [theirs.as_raw_fd()];
    let control = [ControlMessage::ScmRights(&rights)];
    let data = [IoSlice::new(packet)];
    let none = MsgFlags::empty();
    sendmsg::<()>(connection.as_raw_fd(), &data, &control, none, None).unwrap();
    drop(theirs);
    let mut buffer = [0; 512];
    let mut into = [IoSliceMut::new(&mut buffer)];
    let got = recvmsg::<()>(ours.as_raw_fd(), &mut into, None, none).unwrap();
    let len = got.bytes;
    buffer[..len].to_vec()
}

fn header(major: u8, minor: u8, number: u8, fields: &[u8]) -> Vec<u8> {
    let len = u8::try_from(fields.len()).unwrap().saturating_add(16);
    let mut packet = b"door".to_vec();
    packet.extend_from_slice(&[major, minor, number, 0, len, 0, 0, 0, 0, 0, 0, 0]);
    packet.extend_from_slice(fields);
    packet
}

/// A server, and what it holds: whoever only sends petitions adds nothing to that.
fn server(directory: &Directory) -> (Books, Peer, std::path::PathBuf) {
    let path = directory.join("door");
    let mut peer = Peer::start(PEER, "serve", &[path.to_str().unwrap()]);
    peer.expect("ready");
    // The pool's first thread may be on its way; the second comes with the first call.
    (Books::of(&peer).and_threads(2), peer, path)
}

#[test]
fn a_petition_of_another_major_version_is_told_so() {
    let _watchdog = Watchdog::new("a_petition_of_another_major_version_is_told_so");
    let directory = Directory::new("major");
    let (books, _peer, path) = server(&directory);
    // The header is all that the versions share.
    let answer = petition(&path, &header(7, 0, 1, &[0xff; 40]));
    assert_eq!(answer[..5], *b"door\0", "under the server's own version");
    assert_eq!(answer[6..8], REFUSED);
    assert_eq!(answer[24..28], VERSION);
    assert_eq!(
        Door::open(&path).unwrap().call(&[], vec![]).unwrap().data,
        b""
    );
    books.balance();
}

#[test]
fn a_petition_of_a_later_minor_version_that_is_not_known_is_told_so() {
    let _watchdog = Watchdog::new("a_petition_of_a_later_minor_version_that_is_not_known");
    let directory = Directory::new("type");
    let (books, _peer, path) = server(&directory);
    let answer = petition(&path, &header(0, 9, 77, &[1, 2, 3]));
    assert_eq!(answer[6..8], REFUSED);
    assert_eq!(answer[24..28], VIOLATION);
    books.balance();
}

#[test]
fn a_known_petition_of_a_later_minor_version_is_answered() {
    let _watchdog = Watchdog::new("a_known_petition_of_a_later_minor_version_is_answered");
    let directory = Directory::new("minor");
    let (books, _peer, path) = server(&directory);
    // `Info` with fields of which we know nothing: `Described`.
    let answer = petition(&path, &header(0, 9, 3, &[1, 2, 3]));
    assert_eq!(answer[6..8], [19, 0]);
    books.balance();
}

#[test]
fn a_packet_that_is_no_petition_is_told_so() {
    let _watchdog = Watchdog::new("a_packet_that_is_no_petition_is_told_so");
    let directory = Directory::new("turn");
    let (books, _peer, path) = server(&directory);
    let answer = petition(&path, &header(0, 1, 33, &[]));
    assert_eq!(answer[6..8], REFUSED);
    assert_eq!(answer[24..28], VIOLATION);
    books.balance();
}
