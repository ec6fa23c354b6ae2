//! Descriptors that are too many, too few, of the wrong kind, or slow to close.

use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use harness::raw::{self, Fields, Outcome, Packet, Session, kind};
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use crate::served::Served;

/// Failure codes on the wire.
const REFUSES_DESCRIPTORS: u32 = 3;
const TOO_MANY: u32 = 4;
const LOST: u32 = 6;

fn null() -> OwnedFd {
    std::fs::File::open("/dev/null").unwrap().into()
}

/// A first call with so many copies of a descriptor; the code of its reply.
fn first_call(connection: &OwnedFd, said: u32, sent: usize) -> u32 {
    let null = null();
    let call = Packet::new(kind::CALL).u64(1).u32(said).payload(b"?");
    let fds = vec![null.as_fd(); sent];
    raw::queue(connection, &call.bytes(), &fds).unwrap();
    reply_code(connection)
}

fn reply_code(connection: &OwnedFd) -> u32 {
    loop {
        let heard = raw::receive(connection).unwrap();
        if heard.bytes[6] == 82 {
            let mut fields = Fields::of(&heard.bytes, kind::REPLY);
            let _generation = fields.u64();
            return fields.u32();
        }
    }
}

/// The descriptor socket of channel 0.
fn channel_socket(session: &Session) -> OwnedFd {
    session.say(&Packet::new(kind::WANT_SOCKET).u64(9).u32(0));
    let heard = session.hear();
    let _socket = Fields::of(&heard.bytes, kind::SOCKET);
    heard.fds.into_iter().next().unwrap()
}

/// Sends a packet of descriptors of a generation.
fn bring(
    socket: &OwnedFd,
    generation: u64,
    index: u32,
    count: u32,
    fds: &[BorrowedFd<'_>],
) -> Option<()> {
    let packet = Packet::new(kind::DESCRIPTORS)
        .u64(generation)
        .u32(index)
        .u32(count);
    raw::queue(socket, &packet.bytes(), fds)
}

#[test]
fn case_13_a_door_that_refuses_descriptors_closes_them_and_says_so() {
    let served = Served::with("case_13", "limited", ".four");
    let path = served.directory.join("door.none");
    let connection = raw::connect(&path);
    assert_eq!(first_call(&connection, 1, 1), REFUSES_DESCRIPTORS);
    let mut session = Session::open(&connection);
    let socket = channel_socket(&session);
    let null = null();
    bring(&socket, 1, 0, 1, &[null.as_fd()]).unwrap();
    let mut head = session.head(0);
    head.descriptors = 1;
    assert_eq!(
        session.turn(&head),
        Outcome::Answer(4, REFUSES_DESCRIPTORS, 0)
    );
    assert_eq!(session.call(b""), b"0 0");
    drop((session, socket, connection));
    served.is_sound();
}

#[test]
fn case_14_the_most_descriptors_for_a_door_that_takes_four_are_all_closed() {
    let served = Served::with("case_14", "limited", ".four");
    let path = served.directory.join("door.four");
    let connection = raw::connect(&path);
    for _ in 0..5 {
        assert_eq!(first_call(&connection, 253, 253), TOO_MANY);
    }
    let mut session = Session::open(&connection);
    let socket = channel_socket(&session);
    let null = null();
    bring(&socket, 1, 0, 253, &vec![null.as_fd(); 253]).unwrap();
    let mut head = session.head(0);
    head.descriptors = 253;
    // With the limit.
    assert_eq!(session.turn(&head), Outcome::Answer(4, TOO_MANY, 4));
    // Those of the refused call are not taken for those of the next.
    let generation = session.turn + 1;
    bring(&socket, generation, 0, 2, &[null.as_fd(); 2]).unwrap();
    let mut head = session.head(0);
    head.descriptors = 2;
    assert_eq!(session.turn(&head), Outcome::Answer(1, 0, 3));
    assert_eq!(session.reply.read(session.area_at(0), 3), b"0 2");
    drop((session, socket, connection));
    served.is_sound();
}

#[test]
fn case_15_a_descriptor_too_many_or_too_few_is_noticed() {
    let served = Served::new("case_15");
    let connection = served.connect();
    for (said, sent) in [(1, 2), (2, 1), (0, 1), (1, 0), (u32::MAX, 0), (254, 253)] {
        assert_eq!(
            first_call(&connection, said, sent),
            LOST,
            "{said} for {sent}"
        );
    }
    let (one, other) = (raw::pair(), raw::pair());
    let hello = Packet::new(kind::HELLO).u32(1).bytes();
    raw::queue(&connection, &hello, &[one.1.as_fd(), other.1.as_fd()]).unwrap();
    drop((one.1, other.1));
    raw::is_over(&one.0);
    raw::is_over(&other.0);
    let session = Session::open(&connection);
    let null = null();
    let ring = Packet::new(kind::RING).bytes();
    raw::send(&session.socket, &ring, &[null.as_fd()]).unwrap();
    raw::is_over(&session.socket);
    drop((session, connection));
    served.is_sound();
}

/// Sets how many descriptors a process may have.
#[expect(unsafe_code, reason = "prlimit has no wrapper")]
pub(crate) fn limit_descriptors(pid: u32, soft: u64) -> u64 {
    let pid = i32::try_from(pid).unwrap();
    let mut old = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: a null pointer for the new limit and a live structure for the old one.
    let got = unsafe { libc::prlimit(pid, libc::RLIMIT_NOFILE, std::ptr::null(), &raw mut old) };
    assert_eq!(got, 0);
    let new = libc::rlimit {
        rlim_cur: soft,
        rlim_max: old.rlim_max,
    };
    // SAFETY: a live structure for the new limit and a null pointer for the old one.
    let set = unsafe {
        libc::prlimit(
            pid,
            libc::RLIMIT_NOFILE,
            &raw const new,
            std::ptr::null_mut(),
        )
    };
    assert_eq!(set, 0);
    old.rlim_cur
}

#[test]
fn case_16_a_call_whose_descriptors_do_not_fit_the_servers_table_does_not_run() {
    let served = Served::new("case_16");
    let connection = served.connect();
    let mut session = Session::open(&connection);
    let socket = channel_socket(&session);
    let open = u64::try_from(harness::Census::of(served.peer.pid()).descriptors()).unwrap();
    let before = limit_descriptors(served.peer.pid(), open + 4);
    assert_eq!(first_call(&connection, 20, 20), LOST);
    let null = null();
    bring(&socket, 1, 0, 20, &[null.as_fd(); 20]).unwrap();
    session.call.write(session.area_at(0), b"e");
    let mut head = session.head(1);
    head.descriptors = 20;
    assert_eq!(session.turn(&head), Outcome::Answer(4, LOST, 0));
    // Calls without descriptors go on all the while.
    assert_eq!(session.call(b"e"), b"e");
    served.still_serves();
    limit_descriptors(served.peer.pid(), before);
    assert_eq!(first_call(&connection, 20, 20), 0);
    drop((session, socket, connection));
    served.is_sound();
}

#[test]
fn case_72_a_full_table_costs_new_connections_only() {
    let served = Served::new("case_72");
    let open = u64::try_from(harness::Census::of(served.peer.pid()).descriptors()).unwrap();
    let before = limit_descriptors(served.peer.pid(), open + 3);
    let flood: Vec<_> = (0..50).map(|_| served.connect()).collect();
    // All but a few are closed again.
    let hello = Packet::new(kind::HELLO).u32(1).bytes();
    for connection in flood.iter().skip(3) {
        let (ours, theirs) = raw::pair();
        let _closed = raw::send(connection, &hello, &[theirs.as_fd()]);
        drop(theirs);
        raw::is_over(&ours);
    }
    served.still_serves();
    limit_descriptors(served.peer.pid(), before);
    drop(flood);
    served.is_sound();
}

#[test]
fn case_18_descriptor_packets_that_contradict_each_other_lose_the_call() {
    let served = Served::new("case_18");
    let connection = served.connect();
    let mut session = Session::open(&connection);
    let null = null();
    let two = [null.as_fd(); 2];
    // (index, count) of packets with two descriptors each, for a call that announces four.
    let lies: &[&[(u32, u32)]] = &[
        &[(1, 4)],
        &[(0, 4), (1, 4)],
        &[(0, 4), (3, 4)],
        &[(0, 4), (u32::MAX, 4)],
        &[(0, 3)],
        &[(0, u32::MAX)],
        &[(0, 4)],
        &[],
    ];
    for packets in lies {
        // A fresh socket for each: what is left in the old one goes with it.
        let socket = channel_socket(&session);
        let generation = session.turn + 1;
        for (index, count) in *packets {
            bring(&socket, generation, *index, *count, &two).unwrap();
        }
        let mut head = session.head(0);
        head.descriptors = 4;
        assert_eq!(
            session.turn(&head),
            Outcome::Answer(4, LOST, 0),
            "{packets:?}"
        );
    }
    for garbage in [&b""[..], b"x", &[0; 200], &Packet::new(kind::RING).bytes()] {
        let socket = channel_socket(&session);
        raw::queue(&socket, garbage, &two).unwrap();
        let mut head = session.head(0);
        head.descriptors = 2;
        assert_eq!(session.turn(&head), Outcome::Answer(4, LOST, 0));
    }
    // More than any call may bring.
    let mut head = session.head(0);
    head.descriptors = 1025;
    assert_eq!(session.turn(&head), Outcome::Answer(4, TOO_MANY, 1024));
    assert_eq!(session.call(b"e"), b"e");
    drop((session, connection));
    served.is_sound();
}

#[test]
fn case_18_descriptors_of_other_calls_keep_no_server_thread() {
    let served = Served::new("case_18b");
    let connection = served.connect();
    let mut session = Session::open(&connection);
    let socket = channel_socket(&session);
    let copy = socket.try_clone().unwrap();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let flood = std::thread::spawn(move || {
        let packet = Packet::new(kind::DESCRIPTORS).u64(77).u32(0).u32(1).bytes();
        while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            if raw::send(&copy, &packet, &[]) == Err(nix::errno::Errno::EPIPE) {
                break;
            }
        }
    });
    // While the flood goes on the call ends all the same.
    let mut head = session.head(0);
    head.descriptors = 1;
    assert_eq!(session.turn(&head), Outcome::Answer(4, LOST, 0));
    drop(stop);
    flood.join().unwrap();
    drop((session, socket, connection));
    served.is_sound();
}

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
        nix::sys::eventfd::EventFd::new().unwrap().into(),
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
    let served = Served::new("case_24");
    let connection = served.connect();
    let session = Session::open(&connection);
    let socket = channel_socket(&session);
    let null = null();
    bring(&socket, 1, 0, 3, &[null.as_fd(); 3]).unwrap();
    session.call.write(session.area_at(0), b"s300");
    let mut head = session.head(4);
    head.descriptors = 3;
    session.publish(0, &head, 1);
    let procedure_runs = || session.reply.load_long(128) == 1;
    while !procedure_runs() {
        std::thread::yield_now();
    }
    let (all, inheritable) = descriptors_of(served.peer.pid());
    assert!(all > 8, "only {all} descriptors");
    // What our own parent left open for everybody is not the server's doing.
    let (_, ours) = descriptors_of(std::process::id());
    let left: Vec<_> = inheritable
        .iter()
        .filter(|number| **number > 2 && !ours.contains(number))
        .collect();
    assert!(left.is_empty(), "inheritable: {left:?}");
    assert_eq!(session.wait(0, 1), Outcome::Answer(1, 0, 5));
    assert!(socket.as_raw_fd() > 2);
    drop((session, socket, connection));
    served.is_sound();
}

#[test]
fn case_26_descriptors_that_nobody_collects_go_with_their_session() {
    let served = Served::new("case_26");
    for _ in 0..20 {
        let connection = served.connect();
        let session = Session::open(&connection);
        let socket = channel_socket(&session);
        let null = null();
        // Few, for all processes of a user share the number of descriptors that may be in flight.
        for generation in 0..3 {
            bring(&socket, generation, 0, 50, &[null.as_fd(); 50]).unwrap();
        }
    }
    served.is_sound();
}
