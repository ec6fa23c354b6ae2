//! A hostile server on the session socket: packets that nobody asked for.
#![expect(clippy::disallowed_types, reason = "a flag between threads of a test")]

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

use harness::raw::{self, Fields, Guest, Packet, kind};

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
fn case_31_windows_that_nobody_asked_for_are_not_mapped() {
    let mut customer = Customer::new("case_31_client");
    let connection = opened(&mut customer);
    for wanted in [0, 1, 99] {
        customer.peer.say("call 3");
        let mut guest = Guest::welcome(&connection);
        let _turn = guest.next_turn(0, 0).unwrap();
        let offer = {
            let (call, reply) = (guest.call.take(), guest.reply.take());
            let mut offer = guest.honest(1, 0, 4 << 20);
            (guest.call, guest.reply) = (call, reply);
            offer.wanted = wanted;
            offer
        };
        guest.offer(&offer);
        customer.hears("error not-executed the server died");
        raw::is_over(&guest.socket);
    }
    customer.is_sound();
}

#[test]
fn case_40_a_larger_area_is_taken_only_as_it_was_asked_for() {
    let mut customer = Customer::new("case_40_client");
    let connection = opened(&mut customer);
    // (first, channels, area) instead of (0, 0, 64 KiB).
    for (first, channels, area) in [
        (1, 0, 65_536),
        (0, 0, 32_768),
        (0, 0, 4 << 20),
        (4, 4, 65_536),
        (4, 252, 65_536),
    ] {
        customer.peer.say("call 60000");
        let mut guest = Guest::welcome(&connection);
        let grow = loop {
            let heard = guest.hear().unwrap();
            if heard.bytes[6] == 34 {
                break heard;
            }
        };
        let mut fields = Fields::of(&grow.bytes, kind::GROW);
        let wanted = fields.u64();
        assert_eq!((fields.u32(), fields.u64()), (0, 65_536));
        let mut offer = guest.honest(1, channels, area);
        (offer.wanted, offer.first) = (wanted, first);
        guest.offer(&offer);
        guest.say(&Packet::new(kind::READY).u64(wanted).u32(1));
        customer.hears("error not-executed");
        raw::is_over(&guest.socket);
    }
    // No larger area at all: the call goes in parts.
    customer.peer.say("call 60000");
    let guest = Guest::welcome(&connection);
    loop {
        let heard = guest.hear().unwrap();
        if heard.bytes[6] == 34 {
            let wanted = Fields::of(&heard.bytes, kind::GROW).u64();
            guest.say(&Packet::new(kind::REFUSED).u64(wanted).u32(8));
            break;
        }
    }
    let mut turn = 0;
    for _ in 0..3 {
        turn = guest.next_turn(0, turn).unwrap();
        guest.answer(turn, (3, 1, 0, 0, 0, 0));
    }
    turn = guest.next_turn(0, turn).unwrap();
    guest.answer(turn, (1, 1, 0, 0, 0, 0));
    customer.hears("reply 0 0");
    drop((guest, connection));
    customer.is_sound();
}

/// Resident memory of the customer in KiB.
fn resident(customer: &Customer) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", customer.peer.pid())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn refusals_of_what_was_never_asked_for_leave_no_memory() {
    let mut customer = Customer::new("refusals_client");
    let connection = opened(&mut customer);
    customer.peer.say("call 3");
    let guest = Guest::welcome(&connection);
    let turn = guest.next_turn(0, 0).unwrap();
    let before = resident(&customer);
    for wanted in 1000..101_000 {
        let refused = Packet::new(kind::REFUSED).u64(wanted).u32(8).bytes();
        if raw::queue(&guest.socket, &refused, &[]).is_none() {
            break;
        }
    }
    let after = resident(&customer);
    assert!(after < before + 2048, "{before} KiB became {after} KiB");
    guest.answer(turn, (1, 1, 0, 0, 0, 0));
    let _reply_or_error = customer.peer.hear();
    drop((guest, connection));
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
