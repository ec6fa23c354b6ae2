//! More of everything than anybody needs.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;

use harness::files::raise_limit;
use harness::raw::{self, Fields, Packet, Session, kind};
use harness::{Census, Peer, skipped};

use crate::served::Served;

/// Resident memory of a process in KiB.
fn resident(peer: &Peer) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", peer.pid())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A petition's first answer.
fn ask(token: impl AsFd, packet: &Packet) -> raw::Heard {
    let (ours, theirs) = raw::pair();
    raw::queue(token, &packet.bytes(), &[theirs.as_fd()]).unwrap();
    drop(theirs);
    raw::receive(&ours).expect("an answer")
}

#[test]
fn case_01_a_thousand_silent_connections_go_and_a_few_silent_ones_stay() {
    raise_limit();
    let served = Served::new("case_01");
    let flood: Vec<OwnedFd> = (0..1000).map(|_| served.connect()).collect();
    served.still_serves();
    // One that has spoken sense is no half-open one, however long it is silent after that.
    let known = served.connect();
    let _told = Fields::of(
        &ask(&known, &Packet::new(kind::INFO)).bytes,
        kind::DESCRIBED,
    );
    let most = served.before.descriptors() + 64 + 1;
    Census::settle(served.peer.pid(), "half-open connections", |now| {
        now.descriptors() <= most
    });
    // The oldest went first; the newest are still there and work.
    raw::is_over(&flood[0]);
    for connection in [flood.last().unwrap(), &known] {
        let mut session = Session::open(connection);
        assert_eq!(session.call(b"e"), b"e");
    }
    drop((flood, known));
    served.is_sound();
}

#[test]
fn case_01_a_session_whose_windows_are_never_acknowledged_goes() {
    let served = Served::new("case_01b");
    let connection = served.connect();
    let half: Vec<Session> = (0..5).map(|_| Session::begin(&connection)).collect();
    let whole = Session::open(&connection);
    for session in &half {
        raw::is_over(&session.socket);
    }
    let mut whole = whole;
    assert_eq!(whole.call(b"e"), b"e");
    drop((half, whole, connection));
    served.is_sound();
}

#[test]
fn case_01_a_user_has_a_limited_number_of_unfinished_handshakes() {
    raise_limit();
    let served = Served::new("case_01c");
    let connection = served.connect();
    let mut half = Vec::new();
    let hello = Packet::new(kind::HELLO).u32(1);
    loop {
        let (ours, theirs) = raw::pair();
        raw::queue(&connection, &hello.bytes(), &[theirs.as_fd()]).unwrap();
        drop(theirs);
        let heard = raw::receive(&ours).unwrap();
        half.push(ours);
        if heard.bytes[6] == 21 {
            let mut fields = Fields::of(&heard.bytes, kind::REFUSED);
            assert_eq!((fields.u64(), fields.u32()), (0, 8));
            break;
        }
        assert!(half.len() < 1000, "no end of sessions");
    }
    // Who has a session already is served.
    served.still_serves();
    drop((half, connection));
    served.is_sound();
}

#[test]
fn sessions_that_come_and_go_on_one_token_leave_no_memory() {
    let served = Served::new("hello_flood");
    let connection = served.connect();
    for _ in 0..1000 {
        drop(Session::begin(&connection));
    }
    // What a session leaves grows with every batch; what the allocator keeps for its arenas does not.
    let flat = (0..4).any(|_| {
        let before = resident(&served.peer);
        for _ in 0..4000 {
            drop(Session::begin(&connection));
        }
        resident(&served.peer) < before + 1024
    });
    assert!(flat, "each of four batches left more than 1 MiB");
    drop(connection);
    served.is_sound();
}

#[test]
fn a_door_registered_again_by_the_same_token_is_the_same_registration() {
    let served = Served::new("register_flood");
    let connection = served.connect();
    let mut session = Session::open(&connection);
    let packet = Packet::new(kind::REGISTER).u128(session.ledger.id);
    for _ in 0..2000 {
        let heard = ask(&connection, &packet);
        let mut fields = Fields::of(&heard.bytes, kind::REGISTERED);
        assert_eq!(
            (fields.u128(), fields.u64()),
            (session.ledger.id, session.ledger.registration)
        );
    }
    assert_eq!(session.call(b"e"), b"e");
    drop((session, connection));
    served.is_sound();
}

#[test]
fn case_20_tokens_that_nobody_collects_are_limited_and_come_back() {
    raise_limit();
    let served = Served::new("case_20");
    let pid = served.peer.pid();
    crate::tables::limit_descriptors(pid, 400);
    let connection = served.connect();
    let mut private = Vec::new();
    let mut refused = 0;
    for _ in 0..600 {
        let (ours, theirs) = raw::pair();
        let packet = Packet::new(kind::REMINT).bytes();
        raw::queue(&connection, &packet, &[theirs.as_fd()]).unwrap();
        private.push(ours);
    }
    // The answers lie unread, with the tokens in them; whoever has a session is served.
    served.still_serves();
    for ours in &private {
        let heard = raw::receive(ours);
        refused += u32::from(heard.is_none_or(|heard| heard.fds.is_empty()));
    }
    assert!(refused >= 100, "only {refused} refused");
    drop((private, connection));
    served.is_sound();
}

#[test]
fn case_74_a_client_that_takes_none_of_its_packets_loses_its_session_only() {
    let served = Served::new("case_74");
    let connection = served.connect();
    for packet in [
        Packet::new(kind::WANT_SOCKET).u64(1).u32(0),
        Packet::new(kind::GROW).u64(1).u32(0).u64(1),
    ] {
        let session = Session::open(&connection);
        let mut sent = 0;
        while raw::queue(&session.socket, &packet.bytes(), &[]).is_some() {
            sent += 1;
            assert!(sent < 100_000, "the server goes on for ever");
        }
        served.still_serves();
    }
    drop(connection);
    served.is_sound();
}

#[test]
fn rings_without_end_leave_the_others_their_turn() {
    let served = Served::new("rings");
    let connection = served.connect();
    let session = Session::open(&connection);
    let socket = session.socket.try_clone().unwrap();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let flood = std::thread::spawn(move || {
        let ring = Packet::new(kind::RING).bytes();
        while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            let _full = raw::send(&socket, &ring, &[]);
        }
    });
    for _ in 0..20 {
        let mut other = Session::open(&connection);
        assert_eq!(other.call(b"e"), b"e");
    }
    drop(stop);
    flood.join().unwrap();
    drop((session, connection));
    served.is_sound();
}

#[test]
fn calls_of_those_who_have_gone_hold_nothing_while_all_threads_are_busy() {
    let served = Served::with("gone_calls", "single", "");
    let mut served = served;
    let busy = served.connect();
    let call = Packet::new(kind::CALL).u64(1);
    let wait = call.clone().u32(0).payload(b"wait").bytes();
    raw::queue(&busy, &wait, &[]).unwrap();
    served.peer.expect("running");
    let with_one_busy = Census::of(served.peer.pid());
    let null = std::fs::File::open("/dev/null").unwrap();
    for _ in 0..20 {
        let connection = served.connect();
        // The first call of one that leaves, with descriptors.
        let bytes = call.clone().u32(50).payload(b"x").bytes();
        raw::queue(&connection, &bytes, &[null.as_fd(); 50]).unwrap();
        let token = raw::remint(&connection);
        // A session with a published call that leaves.
        let session = Session::open(&token);
        session.publish(0, &session.head(0), 1);
        // Its packet has been read when this is answered.
        session.say(&Packet::new(kind::WANT_SOCKET).u64(1).u32(0));
        let _socket = session.hear();
    }
    Census::settle(served.peer.pid(), "calls of those who left", |now| {
        now.holds_no_more_than(&with_one_busy, with_one_busy.mappings)
    });
    served.peer.say("go");
    while raw::receive(&busy).unwrap().bytes[6] != 82 {}
    drop(busy);
    served.is_sound();
}

/// Users of whom nobody else has a process: what is in flight is counted for each.
pub(crate) const OTHER_USERS: [u32; 2] = [54_321, 54_322];

/// A peer of another user, with the usual number of descriptors; `None` if this test cannot have one.
pub(crate) fn as_another_user(user: u32, operation: &str, arguments: &[&str]) -> Option<Peer> {
    const PEER: &str = env!("CARGO_BIN_EXE_peer");
    let mut probe = std::process::Command::new("test");
    let runs = probe.args(["-x", PEER]).uid(user).status();
    if !runs.is_ok_and(|status| status.success()) {
        return None;
    }
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", "ulimit -Sn 1024; exec \"$0\" \"$@\"", PEER, operation])
        .args(arguments)
        .uid(user);
    Some(Peer::start_command(command))
}

/// A server of another user, whose process may not leave more than 1,024 descriptors unread, and a customer of that user;
/// nothing if this test cannot have them.
pub(crate) fn served_by_another_user(
    user: u32,
    directory: &harness::Directory,
) -> Option<(Peer, Peer)> {
    let owner = Some(nix::unistd::Uid::from_raw(user));
    if nix::unistd::chown(directory.path(), owner, None).is_err() {
        skipped("needs root");
        return None;
    }
    let path = directory.join("door");
    let path = path.to_str().unwrap();
    let Some(mut server) = as_another_user(user, "serve", &[path]) else {
        skipped("needs a peer that other users may run");
        return None;
    };
    server.expect("ready");
    let mut customer = as_another_user(user, "customer", &[]).unwrap();
    customer.expect("ready");
    customer.say(&format!("open {path}"));
    customer.expect("open");
    Some((server, customer))
}

#[test]
fn case_20_too_many_descriptors_in_flight_refuse_a_call_and_nothing_else() {
    let _watchdog = harness::Watchdog::new("case_20");
    let [user, _] = OTHER_USERS;
    let directory = harness::Directory::new("case_20_user");
    let Some((_server, mut customer)) = served_by_another_user(user, &directory) else {
        return;
    };
    for _ in 0..2 {
        customer.say("send 2");
        customer.expect("reply 1 2");
    }
    let mut parker = as_another_user(user, "park", &["1100"]).unwrap();
    parker.expect("parked");
    customer.say("send 2");
    let heard = customer.hear();
    assert!(heard.starts_with("error not-executed"), "{heard}");
    customer.say("call 5");
    customer.expect("reply 5 0");
    parker.kill();
    customer.say("send 2");
    customer.expect("reply 1 2");
}
