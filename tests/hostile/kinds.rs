//! Descriptors of the wrong kind: our own, slow to close, of something else.

use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};

use harness::raw::{self, Outcome, Packet, Session, kind};
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use crate::descriptors::{bring, channel_socket, null};
use crate::served::Served;

#[test]
fn case_21_a_session_that_holds_its_own_ends_dies_with_its_client() {
    let served = Served::new("case_21");
    let path = served.path.to_str().unwrap();
    let mut knotted = harness::Peer::start(env!("CARGO_BIN_EXE_peer"), "knot", &[path]);
    knotted.expect("knotted");
    served.still_serves();
    knotted.kill();
    served.is_sound();
}

#[test]
fn case_21_our_own_end_of_a_token_is_no_private_end() {
    let served = Served::new("case_21b");
    let connection = served.connect();
    let token = raw::remint(&connection);
    for kind in [kind::HELLO, kind::REMINT, kind::INFO] {
        let packet = if kind == kind::HELLO {
            Packet::new(kind).u32(1)
        } else {
            Packet::new(kind)
        };
        for own in [&connection, &token] {
            raw::queue(&token, &packet.bytes(), &[own.as_fd()]).unwrap();
            raw::queue(&connection, &packet.bytes(), &[own.as_fd()]).unwrap();
        }
    }
    let mut session = Session::open(&token);
    assert_eq!(session.call(b"e"), b"e");
    drop((session, token, connection));
    served.is_sound();
}

/// A socket whose last close waits for half a minute: it lingers over bytes that nobody takes.
fn slow_to_close() -> (OwnedFd, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (other, _) = listener.accept().unwrap();
    one.set_nonblocking(true).unwrap();
    while std::io::Write::write(&mut &one, &[0; 16384]).is_ok() {}
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 30,
    };
    let owned = OwnedFd::from(one);
    nix::sys::socket::setsockopt(&owned, nix::sys::socket::sockopt::Linger, &linger).unwrap();
    // A close of a non-blocking socket lingers all the same.
    (owned, other)
}

#[test]
fn case_22_a_descriptor_that_is_slow_to_close_holds_up_nobody_else() {
    let served = Served::new("case_22");
    let connection = served.connect();
    let mut others = Vec::new();
    for _ in 0..3 {
        let (slow, other) = slow_to_close();
        // No petition takes a TCP socket for a private end: the server closes it.
        let hello = Packet::new(kind::HELLO).u32(1).bytes();
        raw::queue(&connection, &hello, &[slow.as_fd()]).unwrap();
        drop(slow);
        others.push(other);
    }
    // The leader is needed for each of these; a receive of ours fails long before the three half minutes are over.
    for _ in 0..3 {
        let mut session = Session::open(&connection);
        assert_eq!(session.call(b"e"), b"e");
    }
    drop(others);
    drop(connection);
    served.is_sound();
}

#[test]
fn case_23_private_ends_of_the_wrong_kind_are_refused_and_closed() {
    let served = Served::new("case_23");
    let connection = served.connect();
    let hello = Packet::new(kind::HELLO).u32(1).bytes();
    let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
    let kinds: Vec<OwnedFd> = vec![
        null(),
        nix::unistd::pipe2(OFlag::O_CLOEXEC).unwrap().0,
        nix::unistd::pipe2(OFlag::O_CLOEXEC).unwrap().1,
        std::fs::File::open("/").unwrap().into(),
        nix::fcntl::open("/dev/null", flags, Mode::empty()).unwrap(),
        harness::files::event(),
        raw::memfd(4096, nix::fcntl::SealFlag::empty()),
        std::os::unix::net::UnixStream::pair().unwrap().0.into(),
        std::os::unix::net::UnixDatagram::pair().unwrap().0.into(),
        TcpListener::bind("127.0.0.1:0").unwrap().into(),
        raw::listen(&served.directory.join("listener")),
    ];
    for wrong in &kinds {
        raw::queue(&connection, &hello, &[wrong.as_fd()]).unwrap();
    }
    let mut session = Session::open(&connection);
    assert_eq!(session.call(b"e"), b"e");
    drop((session, connection, kinds));
    served.is_sound();
}

/// How many descriptors a process has, and which of them a child would inherit over exec.
fn descriptors_of(pid: u32) -> (usize, Vec<u32>) {
    let mut all = 0;
    let mut inheritable = Vec::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/fdinfo"))
        .unwrap()
        .flatten()
    {
        // One that was closed meanwhile tells nothing.
        let Ok(text) = std::fs::read_to_string(entry.path()) else {
            continue;
        };
        all += 1;
        let flags = text.lines().find(|line| line.starts_with("flags:"));
        let flags = flags.unwrap().trim_start_matches("flags:").trim();
        if i32::from_str_radix(flags, 8).unwrap() & libc::O_CLOEXEC == 0 {
            inheritable.push(entry.file_name().to_str().unwrap().parse().unwrap());
        }
    }
    (all, inheritable)
}

#[test]
fn case_24_every_descriptor_of_the_server_is_close_on_exec() {
    let mut served = Served::with("case_24", "single", "");
    let connection = served.connect();
    let session = Session::open(&connection);
    let socket = channel_socket(&session);
    let null = null();
    bring(&socket, 1, 0, 3, &[null.as_fd(); 3]).unwrap();
    session.put(0, b"wait");
    let mut head = session.head(4);
    head.descriptors = 3;
    session.publish(0, &head, 1);
    // The procedure runs, and stays until it is told to go on.
    served.peer.expect("running");
    let (all, inheritable) = descriptors_of(served.peer.pid());
    assert!(all > 8, "only {all} descriptors");
    // What our own parent left open for everybody is not the server's doing.
    let (_, ours) = descriptors_of(std::process::id());
    let left: Vec<_> = inheritable
        .iter()
        .filter(|number| **number > 2 && !ours.contains(number))
        .collect();
    assert!(left.is_empty(), "inheritable: {left:?}");
    served.peer.say("go");
    assert_eq!(session.wait(0, 1), Outcome::Answer(1, 0, 3));
    assert_eq!(session.results(0, 3), b"4 3");
    drop((session, socket, connection));
    served.is_sound();
}
