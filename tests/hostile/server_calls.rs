//! A hostile server in a session: replies that lie.
#![expect(clippy::disallowed_types, reason = "a flag between threads of a test")]

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use harness::raw::{self, Guest, Host, Packet, kind};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::served::Customer;

pub(crate) const PROTOCOL: &str = "error may-have-executed the server broke the protocol";

/// The customer opens and its first call is refused there, so that the next says HELLO.
pub(crate) fn opened(customer: &mut Customer) -> OwnedFd {
    let host = Host::new(&customer.path);
    customer.open();
    let connection = host.accept();
    customer.peer.say("call 1");
    let _call = raw::receive(&connection).unwrap();
    let reply = Packet::new(kind::REPLY).u64(1).u32(7).u32(0).u64(0);
    raw::send(&connection, &reply.bytes(), &[]).unwrap();
    customer.hears("error not-executed");
    connection
}

/// Ends a session by a packet that nobody may send; when this returns the client uses it no more.
pub(crate) fn end(guest: &Guest) {
    guest.say(&Packet::new(kind::RING));
    raw::is_over(&guest.socket);
}

#[test]
fn case_41_44_replies_that_lie_are_protocol_errors_and_end_the_session() {
    let mut customer = Customer::new("case_41_client");
    let connection = opened(&mut customer);
    // answer, generation, total, part, descriptors, code
    let lies: &[(u32, u64, u64, u32, u32, u32)] = &[
        (0, 1, 0, 0, 0, 0),
        (5, 1, 0, 0, 0, 0),
        (u32::MAX, 1, 0, 0, 0, 0),
        // Of another call.
        (1, 0, 0, 0, 0, 0),
        (1, 2, 0, 0, 0, 0),
        (1, u64::MAX, 0, 0, 0, 0),
        (1, 1 + (1 << 32), 0, 0, 0, 0),
        // Larger than the area, than announced, than everything.
        (1, 1, 16_385, 16_385, 0, 0),
        (1, 1, 1, 2, 0, 0),
        (1, 1, 2, 1, 0, 0),
        (1, 1, u64::MAX, 1, 0, 0),
        (1, 1, u64::MAX, u32::MAX, 0, 0),
        (2, 1, 1, 2, 0, 0),
        (2, 1, u64::MAX, u32::MAX, 0, 0),
        // More arguments than there are.
        (3, 1, 0, 0, 0, 0),
        // A failure without a reason.
        (4, 1, 0, 0, 0, 0),
        (4, 1, 0, 0, 0, 13),
        (4, 1, 0, 0, 0, u32::MAX),
        // More descriptors than any reply may bring.
        (1, 1, 0, 0, 1025, 0),
        (1, 1, 0, 0, u32::MAX, 0),
    ];
    for lie in lies {
        customer.peer.say("call 3");
        let guest = Guest::welcome(&connection);
        let turn = guest.next_turn(0, 0).unwrap();
        guest.answer(turn, *lie);
        let heard = customer.peer.hear();
        assert_eq!(heard, PROTOCOL, "{lie:?}");
        // The client lets go of the session at once.
        raw::is_over(&guest.socket);
    }
    customer.is_sound();
}

#[test]
fn case_41_results_without_end_or_without_bytes_are_errors() {
    let mut customer = Customer::new("case_41b_client");
    let connection = opened(&mut customer);
    for total in [5 << 30, u64::MAX] {
        customer.peer.say("call 3");
        let guest = Guest::welcome(&connection);
        let turn = guest.next_turn(0, 0).unwrap();
        guest.answer(turn, (2, 1, total, 1, 0, 0));
        customer.hears("error executed");
        end(&guest);
    }
    customer.peer.say("call 3");
    let guest = Guest::welcome(&connection);
    let turn = guest.next_turn(0, 0).unwrap();
    guest.answer(turn, (2, 1, 100, 0, 0, 0));
    customer.hears(PROTOCOL);
    raw::is_over(&guest.socket);
    drop(guest);
    // Parts that grow their own total.
    customer.peer.say("call 3");
    let guest = Guest::welcome(&connection);
    let mut turn = guest.next_turn(0, 0).unwrap();
    guest.answer(turn, (2, 1, 10, 5, 0, 0));
    turn = guest.next_turn(0, turn).unwrap();
    guest.answer(turn, (2, 1, 20, 5, 0, 0));
    customer.hears(PROTOCOL);
    raw::is_over(&guest.socket);
    drop(guest);
    customer.is_sound();
}

#[test]
fn case_41_a_part_that_is_not_inside_the_area_is_a_protocol_error() {
    let mut customer = Customer::new("case_41c_client");
    let connection = opened(&mut customer);
    for part_at in [16 * 1024 - 99, 16 * 1024, u32::MAX] {
        customer.peer.say("call 3");
        let guest = Guest::welcome(&connection);
        let turn = guest.next_turn(0, 0).unwrap();
        guest.say_part_at(part_at);
        guest.answer(turn, (1, 1, 100, 100, 0, 0));
        let heard = customer.peer.hear();
        assert_eq!(heard, PROTOCOL, "{part_at}");
        raw::is_over(&guest.socket);
    }
    customer.is_sound();
}

#[test]
fn case_44_areas_that_are_asked_back_and_are_none_change_nothing() {
    let mut customer = Customer::new("case_44_spare_client");
    let connection = opened(&mut customer);
    customer.peer.say("call 3");
    let guest = Guest::welcome(&connection);
    let turn = guest.next_turn(0, 0).unwrap();
    for pair in [0, 1, 77, u32::MAX] {
        guest.say(&Packet::new(kind::SPARE).u32(0).u32(pair));
        guest.say(&Packet::new(kind::SPARE).u32(3).u32(pair));
    }
    guest.answer(turn, (1, 1, 0, 0, 0, 0));
    customer.hears("reply 0 0");
    // Of a channel that does not exist.
    guest.say(&Packet::new(kind::SPARE).u32(4).u32(0));
    raw::is_over(&guest.socket);
    drop((guest, connection));
    customer.is_sound();
}

#[test]
fn case_44_a_turn_word_of_the_server_that_jumps_ends_the_session() {
    let mut customer = Customer::new("case_44_client");
    let connection = opened(&mut customer);
    for turn in [2, 77, u32::MAX] {
        customer.peer.say("call 3");
        let guest = Guest::welcome(&connection);
        let _turn = guest.next_turn(0, 0).unwrap();
        let reply = guest.reply.as_ref().unwrap();
        reply.store(0, turn);
        reply.wake(0);
        customer.hears(PROTOCOL);
        raw::is_over(&guest.socket);
    }
    customer.is_sound();
}

#[test]
fn case_45_a_turn_word_of_the_server_that_flips_at_full_speed_is_an_error_or_a_reply() {
    let mut customer = Customer::new("case_45_client");
    let connection = opened(&mut customer);
    customer.peer.say("call 3");
    let guest = Guest::welcome(&connection);
    let _turn = guest.next_turn(0, 0).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let reply = guest.reply.as_ref().unwrap();
            while !stop.load(Ordering::Relaxed) {
                for turn in [0, 5, 0, 9] {
                    reply.store(0, turn);
                }
                reply.wake(0);
            }
        });
        customer.hears("error");
        stop.store(true, Ordering::Relaxed);
    });
    drop(guest);
    customer.is_sound();
}

#[test]
fn case_52_53_an_answer_twice_or_late_is_no_answer_to_a_later_call() {
    let mut customer = Customer::new("case_52_client");
    let connection = opened(&mut customer);
    customer.peer.say("until 100 3");
    let guest = Guest::welcome(&connection);
    let turn = guest.next_turn(0, 0).unwrap();
    guest.reply.as_ref().unwrap().store_long(128, 1);
    customer.hears("error may-have-executed the deadline passed");
    // The next call uses another channel: this one is not answered yet.
    customer.peer.say("call 3");
    let other = guest.next_turn(1, 0).unwrap();
    assert_eq!(other, 1);
    guest.answer(turn, (1, 1, 0, 0, 0, 0));
    guest.answer(turn, (1, 1, 5, 5, 0, 0));
    let reply = guest.reply.as_ref().unwrap();
    reply.store(256 + 4, 1);
    reply.store_long(256 + 8, 1);
    reply.store(256, 1);
    reply.wake(256);
    customer.hears("reply 0 0");
    drop((guest, connection));
    customer.is_sound();
}

#[test]
fn case_55_a_deadline_holds_against_a_server_that_says_nothing() {
    let mut customer = Customer::new("case_55_client");
    let connection = opened(&mut customer);
    customer.peer.say("until 100 3");
    let guest = Guest::welcome(&connection);
    let _turn = guest.next_turn(0, 0).unwrap();
    customer.hears("error not-executed the deadline passed");
    drop((guest, connection));
    customer.is_sound();
}

#[test]
fn case_41_descriptors_that_were_announced_and_never_come_are_a_lost_reply() {
    let mut customer = Customer::new("case_41c_client");
    let connection = opened(&mut customer);
    customer.peer.say("call 3");
    let guest = Guest::welcome(&connection);
    let turn = guest.next_turn(0, 0).unwrap();
    // Sockets, one after the other, without a descriptor in them: the time of the protocol is over once.
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        guest.answer(turn, (1, 1, 0, 0, 3, 0));
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let (one, _other) = raw::pair();
                let socket = Packet::new(kind::SOCKET).u64(0).u32(0).bytes();
                let _full = raw::send(&guest.socket, &socket, &[one.as_fd()]);
            }
        });
        customer.hears("error executed the answer of the server procedure could not");
        stop.store(true, Ordering::Relaxed);
    });
    drop((guest, connection));
    customer.is_sound();
}

#[test]
fn case_57_a_reply_whose_descriptors_were_sent_before_the_server_died_is_whole() {
    let mut customer = Customer::new("case_57_client");
    let connection = opened(&mut customer);
    customer.peer.say("call 3");
    let guest = Guest::welcome(&connection);
    // The ring, which nobody ever reads: the session socket is reset.
    let mut polled = [PollFd::new(guest.socket.as_fd(), PollFlags::POLLIN)];
    assert!(poll(&mut polled, PollTimeout::from(20_000_u16)).unwrap() > 0);
    customer.stop();
    let (ours, theirs) = raw::pair();
    let socket = Packet::new(kind::SOCKET).u64(0).u32(0).bytes();
    raw::send(&guest.socket, &socket, &[theirs.as_fd()]).unwrap();
    let null = std::fs::File::open("/dev/null").unwrap();
    let packet = Packet::new(kind::DESCRIPTORS).u64(1).u32(0).u32(1);
    raw::send(&ours, &packet.bytes(), &[null.as_fd()]).unwrap();
    guest.answer(1, (1, 1, 0, 0, 1, 0));
    drop((guest, ours));
    customer.go_on();
    customer.hears("reply 0 1");
    drop((connection, theirs));
    customer.is_sound();
}

#[test]
fn case_14_15_18_descriptors_of_a_reply_that_lie_are_a_lost_reply() {
    let mut customer = Customer::new("case_15_client");
    let connection = opened(&mut customer);
    let null = std::fs::File::open("/dev/null").unwrap();
    // (index, count, sent) for a reply that announces two.
    for (index, count, sent) in [
        (0, 2, 3),
        (1, 2, 2),
        (0, 3, 2),
        (0, 2, 253),
        (u32::MAX, 2, 1),
    ] {
        customer.peer.say("call 3");
        let guest = Guest::welcome(&connection);
        let turn = guest.next_turn(0, 0).unwrap();
        let (ours, theirs) = raw::pair();
        let socket = Packet::new(kind::SOCKET).u64(0).u32(0).bytes();
        raw::send(&guest.socket, &socket, &[theirs.as_fd()]).unwrap();
        let packet = Packet::new(kind::DESCRIPTORS).u64(1).u32(index).u32(count);
        raw::send(&ours, &packet.bytes(), &vec![null.as_fd(); sent]).unwrap();
        guest.answer(turn, (1, 1, 0, 0, 2, 0));
        customer.hears("error executed the answer of the server procedure could not");
        // The session itself is sound, until here.
        end(&guest);
    }
    customer.is_sound();
}

#[test]
fn case_12_a_server_that_closes_its_ends_does_not_kill_its_client() {
    // The Rust runtime ignores SIGPIPE; it would kill this client, as it would a C program.
    let mut customer = Customer::with("case_12_client", "mortal-customer");
    let connection = opened(&mut customer);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                // How often a call begins anew is the client's business.
                let Ok(Some(hello)) = raw::try_receive(&connection) else {
                    std::thread::yield_now();
                    continue;
                };
                let mut guest = Guest::of(hello);
                let offer = guest.honest(0, 4, 16 * 1024);
                guest.offer(&offer);
                guest.registered();
                if guest.hear().is_some() {
                    guest.say(&Packet::new(kind::READY).u64(0).u32(0));
                }
            }
        });
        // A call that needs a socket for descriptors, one that needs a larger area, one that only rings.
        for line in ["send 2", "call 60000", "call 3"].repeat(10) {
            customer.peer.say(line);
            customer.hears("error");
        }
        stop.store(true, Ordering::Relaxed);
    });
    drop(connection);
    for line in ["call 3", "send 2"] {
        customer.peer.say(line);
        customer.hears("error");
    }
    customer.is_sound();
}
