//! A hostile server on the session socket: packets that nobody asked for.
#![expect(clippy::disallowed_types, reason = "a flag between threads of a test")]

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

use harness::raw::{self, Guest, Packet, kind};

use crate::served::Customer;
use crate::server_calls::opened;

#[test]
fn case_18_packets_on_the_session_that_nobody_asked_for_end_it() {
    let mut customer = Customer::new("case_18_client");
    let connection = opened(&mut customer);
    let null = std::fs::File::open("/dev/null").unwrap();
    let unasked: Vec<(Vec<u8>, usize)> = vec![
        (b"".to_vec(), 0),
        (b"".to_vec(), 3),
        (b"garbage".to_vec(), 0),
        (vec![0; 600], 0),
        (Packet::new(kind::SOCKET).u64(0).u32(4).bytes(), 1),
        (Packet::new(kind::SOCKET).u64(0).u32(u32::MAX).bytes(), 1),
        (Packet::new(kind::SOCKET).u64(0).u32(0).bytes(), 0),
        (Packet::new(kind::SOCKET).u64(0).u32(0).bytes(), 1),
        (Packet::new(kind::SOCKET).u64(0).u32(0).bytes(), 200),
        (Packet::new(kind::READY).u64(0).u32(0).bytes(), 0),
        (Packet::new(kind::READY).u64(0).u32(9).bytes(), 0),
        (Packet::new(kind::REFUSED).u64(0).u32(99).bytes(), 0),
        (Packet::new(kind::HELLO).u32(1).bytes(), 0),
        (Packet::new(kind::RING).bytes(), 0),
        (Packet::new(kind::TAKEN).u64(1).bytes(), 0),
        (Packet::new(kind::TOKEN).u64(1).bytes(), 1),
    ];
    for (bytes, fds) in unasked {
        customer.peer.say("call 3");
        let guest = Guest::welcome(&connection);
        let _turn = guest.next_turn(0, 0).unwrap();
        raw::send(&guest.socket, &bytes, &vec![null.as_fd(); fds]).unwrap();
        let heard = customer.peer.hear();
        assert!(
            heard.starts_with("error not-executed the server died"),
            "{heard} after {bytes:?} with {fds}"
        );
        raw::is_over(&guest.socket);
    }
    customer.is_sound();
}

#[test]
fn a_server_that_talks_without_end_does_not_hide_the_death_of_another() {
    let mut customer = Customer::new("talker_client");
    let connection = opened(&mut customer);
    customer.peer.say("call 3");
    let guest = Guest::welcome(&connection);
    let turn = guest.next_turn(0, 0).unwrap();
    guest.answer(turn, (1, 1, 0, 0, 0, 0));
    customer.hears("reply 0 0");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (one, _other) = raw::pair();
            let socket = Packet::new(kind::SOCKET).u64(0).u32(0).bytes();
            while !stop.load(Ordering::Relaxed) {
                let _full = raw::send(&guest.socket, &socket, &[one.as_fd()]);
            }
        });
        // Another server, which dies in a call.
        let path = customer.path.with_extension("mortal");
        let path = path.to_str().unwrap().to_owned();
        let mut mortal = harness::Peer::start(env!("CARGO_BIN_EXE_peer"), "serve", &[&path]);
        mortal.expect("ready");
        customer.peer.say(&format!("open {path}"));
        customer.peer.expect("open");
        for _ in 0..2 {
            customer.peer.say("call 1");
            customer.peer.expect("reply 1 0");
        }
        customer.peer.say("exit");
        customer.hears("error may-have-executed the server died");
        stop.store(true, Ordering::Relaxed);
    });
    drop((guest, connection));
    customer.is_sound();
}
