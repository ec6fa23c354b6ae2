//! Packets that are not what they should be, on a token and on a session socket.

use std::os::fd::AsFd;

use harness::raw::{self, Packet, Session, kind};

use crate::served::Served;

fn hello() -> Vec<u8> {
    Packet::new(kind::HELLO).u32(1).bytes()
}

/// Packets with one thing wrong each.
fn wrong() -> Vec<Vec<u8>> {
    let good = hello();
    let mut all: Vec<Vec<u8>> = (0..good.len()).map(|len| good[..len].to_vec()).collect();
    let changes: &[(usize, u8)] = &[
        (0, b'D'),
        (4, 1),
        (4, 255),
        (6, 0),
        (6, 200),
        (7, 255),
        (8, 0),
        (8, 15),
        (8, 255),
        (11, 255),
        (12, 1),
        (15, 255),
    ];
    for (at, value) in changes {
        let mut bytes = good.clone();
        bytes[*at] = *value;
        all.push(bytes);
    }
    let mut longer = good.clone();
    longer.extend_from_slice(&[0; 7]);
    all.push(longer);
    let mut appended = Packet::new(kind::HELLO).u32(1).u64(0).bytes();
    all.push(appended.clone());
    appended[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    all.push(appended);
    all.push(vec![0; 400]);
    all.push(vec![255; 400]);
    // Every type with no fields, and with far too many.
    for number in 0..100 {
        all.push(Packet::new(number).payload(b"?").bytes());
        let many = (0..40).fold(Packet::new(number), Packet::u64);
        all.push(many.bytes());
    }
    all
}

#[test]
fn case_03_to_07_wrong_packets_on_a_connection_are_refused_and_it_stays_usable() {
    let served = Served::new("case_03");
    let connection = served.connect();
    for bytes in wrong() {
        let (ours, theirs) = raw::pair();
        assert!(raw::queue(&connection, &bytes, &[theirs.as_fd()]).is_some());
        drop(theirs);
        // Nobody answers, and the private end is closed.
        raw::is_over(&ours);
        assert!(raw::queue(&connection, &bytes, &[]).is_some());
    }
    let mut session = Session::open(&connection);
    assert_eq!(session.call(b"eabc"), b"eabc");
    drop(session);
    drop(connection);
    served.is_sound();
}

#[test]
fn case_03_to_07_a_wrong_packet_on_a_session_ends_that_session_alone() {
    let served = Served::new("case_04");
    let connection = served.connect();
    let mut other = Session::open(&connection);
    for bytes in wrong().into_iter().filter(|bytes| !bytes.is_empty()) {
        // What is no violation by itself: a ring, and requests that are refused.
        let session = Session::open(&connection);
        raw::send(&session.socket, &bytes, &[]).unwrap();
        raw::is_over(&session.socket);
    }
    assert_eq!(other.call(b"e1"), b"e1");
    drop(other);
    drop(connection);
    served.is_sound();
}

#[test]
fn case_02_a_handshake_in_single_bytes_is_no_handshake() {
    let served = Served::new("case_02");
    let connection = served.connect();
    for byte in hello() {
        assert!(raw::queue(&connection, &[byte], &[]).is_some());
    }
    drop(Session::open(&connection));
    drop(connection);
    served.is_sound();
}

#[test]
fn case_08_an_empty_packet_is_not_the_end_and_its_descriptor_is_closed() {
    let served = Served::new("case_08");
    let connection = served.connect();
    for _ in 0..50 {
        let (ours, theirs) = raw::pair();
        raw::queue(&connection, b"", &[]).unwrap();
        raw::queue(&connection, b"", &[theirs.as_fd()]).unwrap();
        drop(theirs);
        raw::is_over(&ours);
    }
    let mut session = Session::open(&connection);
    assert_eq!(session.call(b"e"), b"e");
    raw::send(&session.socket, b"", &[]).unwrap();
    raw::is_over(&session.socket);
    drop((session, connection));
    served.is_sound();
}

#[test]
fn case_09_a_packet_longer_than_any_is_refused_whole() {
    let served = Served::new("case_09");
    let connection = served.connect();
    let mut long = hello();
    long.resize(140 * 1024, 0);
    let (ours, theirs) = raw::pair();
    raw::queue(&connection, &long, &[theirs.as_fd()]).unwrap();
    drop(theirs);
    raw::is_over(&ours);
    let call = Packet::new(kind::CALL).u64(1).u32(0);
    raw::queue(
        &connection,
        &call.payload(&vec![b'e'; 140 * 1024]).bytes(),
        &[],
    )
    .unwrap();
    let session = Session::open(&connection);
    let mut ring = Packet::new(kind::RING).bytes();
    ring.resize(600, 0);
    raw::send(&session.socket, &ring, &[]).unwrap();
    raw::is_over(&session.socket);
    drop((session, connection));
    served.is_sound();
}

#[test]
fn case_10_packets_out_of_order_end_their_session() {
    let served = Served::new("case_10");
    let connection = served.connect();
    let out_of_order: Vec<Packet> = vec![
        Packet::new(kind::HELLO).u32(1),
        Packet::new(kind::REGISTER).u128(1),
        Packet::new(kind::INFO),
        Packet::new(kind::REMINT),
        Packet::new(kind::CALL).u64(1).u32(0).payload(b"e"),
        Packet::new(kind::GIVE_UP).u64(1),
        Packet::new(kind::READY).u64(0).u32(0),
        Packet::new(kind::REFUSED).u64(0).u32(1),
        Packet::new(kind::SOCKET).u64(0).u32(0),
        Packet::new(kind::DESCRIPTORS).u64(1).u32(0).u32(0),
        Packet::new(kind::TAKEN).u64(1),
        Packet::new(kind::REPLY).u64(1).u32(0).u32(0).u64(0),
        // Acknowledged twice, and one that was never offered.
        Packet::new(kind::MAPPED).u32(0),
        Packet::new(kind::MAPPED).u32(77),
        // Channels that do not exist, areas that nobody may have.
        Packet::new(kind::CANCEL).u32(4).u64(1),
        Packet::new(kind::CANCEL).u32(u32::MAX).u64(1),
        Packet::new(kind::WANT_SOCKET).u64(1).u32(4),
        Packet::new(kind::GROW).u64(1).u32(4).u64(1 << 20),
    ];
    for packet in out_of_order {
        let session = Session::open(&connection);
        session.say(&packet);
        raw::is_over(&session.socket);
    }
    drop(connection);
    served.is_sound();
}

#[test]
fn case_10_areas_outside_the_limits_are_refused() {
    let served = Served::new("case_10b");
    let connection = served.connect();
    let mut session = Session::open(&connection);
    for area in [1, 4095, 4097, 8 << 20, u64::MAX] {
        session.say(&Packet::new(kind::GROW).u64(5).u32(0).u64(area));
        let heard = session.hear();
        let mut fields = raw::Fields::of(&heard.bytes, kind::REFUSED);
        assert_eq!((fields.u64(), fields.u32()), (5, 11), "area of {area}");
    }
    assert_eq!(session.call(b"eab"), b"eab");
    drop((session, connection));
    served.is_sound();
}

#[test]
fn case_11_a_handshake_that_is_split_anywhere_is_no_handshake() {
    let served = Served::new("case_11");
    let connection = served.connect();
    let whole = hello();
    for at in 1..whole.len() {
        for (first, second) in [(0, 1), (1, 0)] {
            let (ours, theirs) = raw::pair();
            let end = [theirs.as_fd()];
            raw::queue(&connection, &whole[..at], &end[..first]).unwrap();
            raw::queue(&connection, &whole[at..], &end[..second]).unwrap();
            drop(theirs);
            raw::is_over(&ours);
        }
        // A packet is sent whole or not at all, and the next one is not read together with what came before it.
        let mut session = Session::open(&connection);
        assert_eq!(session.call(b"e"), b"e", "after {at} bytes and the rest");
    }
    drop(connection);
    served.is_sound();
}

#[test]
fn case_12_answers_to_those_who_do_not_listen_kill_nobody() {
    // The Rust runtime ignores SIGPIPE; it would kill this server, as it would a C program.
    let served = Served::with("case_12", "mortal-serve", "");
    let connection = served.connect();
    let petitions = [
        Packet::new(kind::HELLO).u32(1),
        Packet::new(kind::REGISTER).u128(1),
        Packet::new(kind::INFO),
        Packet::new(kind::REMINT),
    ];
    for packet in petitions.iter().cycle().take(100) {
        let (ours, theirs) = raw::pair();
        raw::queue(&connection, &packet.bytes(), &[theirs.as_fd()]).unwrap();
        drop(ours);
    }
    let call = Packet::new(kind::CALL).u64(1).u32(0).payload(b"n100000");
    raw::queue(&connection, &call.bytes(), &[]).unwrap();
    drop(connection);
    served.is_sound();
}

#[test]
fn case_53_a_second_first_call_while_one_runs_is_refused() {
    let mut served = Served::with("case_53", "single", "");
    let connection = served.connect();
    let call = |generation: u64, text: &[u8]| {
        let packet = Packet::new(kind::CALL).u64(generation).u32(0);
        raw::queue(&connection, &packet.payload(text).bytes(), &[]).unwrap();
    };
    call(1, b"wait");
    served.peer.expect("running");
    call(2, b"e");
    raw::queue(
        &connection,
        &Packet::new(kind::GIVE_UP).u64(99).bytes(),
        &[],
    )
    .unwrap();
    let reply = || {
        loop {
            let heard = raw::receive(&connection).unwrap();
            if heard.bytes[6] == 82 {
                let mut fields = raw::Fields::of(&heard.bytes, kind::REPLY);
                return (fields.u64(), fields.u32());
            }
        }
    };
    // Refused while the first still runs.
    assert_eq!(reply(), (2, 11));
    served.peer.say("go");
    assert_eq!(reply(), (1, 0));
    call(3, b"xyz");
    assert_eq!(reply(), (3, 0));
    drop(connection);
    served.is_sound();
}

#[test]
fn a_first_call_is_told_of_its_waiting_a_few_times_only() {
    let served = Served::new("untold");
    let connection = served.connect();
    // Long enough for many notices: how they space themselves out is the subject.
    let call = Packet::new(kind::CALL).u64(1).u32(0).payload(b"s400");
    raw::queue(&connection, &call.bytes(), &[]).unwrap();
    let mut notices = 0;
    loop {
        let heard = raw::receive(&connection).unwrap();
        if heard.bytes[6] == 82 {
            break;
        }
        notices += 1;
    }
    assert!((1..10).contains(&notices), "{notices} notices");
    drop(connection);
    served.is_sound();
}
