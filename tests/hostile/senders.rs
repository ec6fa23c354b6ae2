//! Packets of one process in the name of another.

use std::os::fd::{AsFd, OwnedFd};

use harness::raw::{self, Packet, Session, kind};

use crate::served::{Relay, Served};

#[test]
fn case_111_a_relayed_hello_is_refused() {
    let served = Served::new("case_111");
    let relay = Relay::new(&served.directory);
    let connection = served.connect();
    let petitions = [
        Packet::new(kind::HELLO).u32(1),
        Packet::new(kind::REMINT),
        Packet::new(kind::INFO),
    ];
    for packet in petitions {
        // The pair is ours, the sender another.
        let (ours, theirs) = raw::pair();
        relay.send(connection.as_fd(), &packet.bytes(), &[theirs.as_fd()]);
        drop(theirs);
        raw::is_over(&ours);
    }
    let mut session = Session::open(&connection);
    assert_eq!(session.call(b"e"), b"e");
    drop((session, connection));
    served.is_sound();
}

#[test]
fn case_79_a_packet_of_another_process_ends_the_session() {
    let served = Served::new("case_79");
    let relay = Relay::new(&served.directory);
    let connection = served.connect();
    let session = Session::open(&connection);
    let ring = Packet::new(kind::RING).bytes();
    relay.send(session.socket.as_fd(), &ring, &[]);
    raw::is_over(&session.socket);
    drop((session, connection));
    served.is_sound();
}

#[test]
fn case_118_a_session_is_registered_in_by_its_own_process_only() {
    let served = Served::new("case_118");
    let connection = served.connect();
    let mut session = Session::open(&connection);
    let id = session.ledger.id;
    // Another process that knows the id: it makes its own pair, so it is a petitioner in its own right.
    let mut stranger = harness::Peer::start(
        env!("CARGO_BIN_EXE_peer"),
        "intruder",
        &[served.path.to_str().unwrap(), &id.to_string()],
    );
    stranger.expect("refused 10");
    assert_eq!(session.call(b"e118"), b"e118");
    // Ourselves, with an id that nobody has.
    let (ours, theirs) = raw::pair();
    let packet = Packet::new(kind::REGISTER).u128(id ^ 1);
    raw::queue(&connection, &packet.bytes(), &[theirs.as_fd()]).unwrap();
    let heard = raw::receive(&ours).unwrap();
    let mut fields = raw::Fields::of(&heard.bytes, kind::REFUSED);
    assert_eq!((fields.u64(), fields.u32()), (0, 10));
    drop((session, connection, stranger));
    served.is_sound();
}

/// The next packet that does not only say how far a first call has come: a busy machine may take a while for it.
pub(crate) fn answer(connection: &OwnedFd) -> raw::Heard {
    let under_way = [kind::QUEUED, kind::TAKEN].map(u16::to_le_bytes);
    loop {
        let heard = raw::receive(connection).unwrap();
        if !under_way.contains(&[heard.bytes[6], heard.bytes[7]]) {
            return heard;
        }
    }
}

#[test]
fn case_118_a_call_on_the_connection_of_another_process_does_not_run_nor_disturb() {
    let served = Served::new("case_118b");
    let relay = Relay::new(&served.directory);
    let connection = served.connect();
    let calls = Packet::new(kind::CALL).u64(1).u32(0);
    let text = b"eforeign";
    relay.send(
        connection.as_fd(),
        &calls.clone().payload(text).bytes(),
        &[],
    );
    relay.send(
        connection.as_fd(),
        &Packet::new(kind::GIVE_UP).u64(1).bytes(),
        &[],
    );
    raw::queue(&connection, &calls.payload(b"eours").bytes(), &[]).unwrap();
    // The first answer that comes is the one to our own call.
    let heard = answer(&connection);
    let mut fields = raw::Fields::of(&heard.bytes, kind::REPLY);
    assert_eq!((fields.u64(), fields.u32()), (1, 0));
    assert!(heard.bytes.ends_with(b"eours"));
    drop(connection);
    served.is_sound();
}

#[test]
fn case_118_another_process_cannot_give_up_a_first_call() {
    let served = Served::new("case_118c");
    let relay = Relay::new(&served.directory);
    let connection = served.connect();
    for round in 1..30 {
        // Stopped, the server finds the call and the foreign word side by side.
        served.peer.signal(nix::sys::signal::Signal::SIGSTOP);
        let call = Packet::new(kind::CALL).u64(round).u32(0).payload(b"e");
        raw::queue(&connection, &call.bytes(), &[]).unwrap();
        let give_up = Packet::new(kind::GIVE_UP).u64(round).bytes();
        relay.send(connection.as_fd(), &give_up, &[]);
        served.peer.signal(nix::sys::signal::Signal::SIGCONT);
        let heard = answer(&connection);
        let mut fields = raw::Fields::of(&heard.bytes, kind::REPLY);
        assert_eq!((fields.u64(), fields.u32()), (round, 0));
    }
    drop(connection);
    served.is_sound();
}

#[test]
fn case_107_shutdown_on_a_token_ends_no_reference_and_disturbs_no_other() {
    let served = Served::new("case_107");
    let connection = served.connect();
    let tokens: Vec<_> = (0..20).map(|_| raw::remint(&connection)).collect();
    for token in tokens.iter().step_by(2) {
        let both = nix::sys::socket::Shutdown::Both;
        nix::sys::socket::shutdown(std::os::fd::AsRawFd::as_raw_fd(token), both).unwrap();
    }
    served.still_serves();
    for token in tokens.iter().skip(1).step_by(2) {
        let mut session = Session::open(token);
        assert_eq!(session.call(b"e"), b"e");
    }
    drop((tokens, connection));
    served.is_sound();
}
