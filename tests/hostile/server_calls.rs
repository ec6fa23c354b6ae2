//! A hostile server in a session: replies and packets that lie.
#![expect(clippy::disallowed_types, reason = "a flag between threads of a test")]

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use harness::raw::{self, Fields, Guest, Host, Packet, kind};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::served::Customer;

const PROTOCOL: &str = "error may-have-executed the server broke the protocol";

/// The customer opens and its first call is refused there, so that the next says HELLO.
fn opened(customer: &mut Customer) -> OwnedFd {
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
fn end(guest: &Guest) {
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
    let guest = in_parts(&mut customer, &connection, "call 60000");
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

/// A call that is larger than an area and gets no larger one: its first part is published.
fn in_parts(customer: &mut Customer, connection: &OwnedFd, line: &str) -> Guest {
    customer.peer.say(line);
    let guest = Guest::welcome(connection);
    loop {
        let heard = guest.hear().unwrap();
        if heard.bytes[6] == 34 {
            let wanted = Fields::of(&heard.bytes, kind::GROW).u64();
            guest.say(&Packet::new(kind::REFUSED).u64(wanted).u32(8));
            return guest;
        }
    }
}

#[test]
fn a_call_whose_arguments_were_not_all_sent_was_not_executed() {
    let mut customer = Customer::new("parts_client");
    let connection = opened(&mut customer);
    let taken = |guest: &Guest| guest.reply.as_ref().unwrap().store_long(128, 1);
    // The server dies between two parts, the deadline passes there, and the server breaks the protocol there.
    let guest = in_parts(&mut customer, &connection, "call 60000");
    let turn = guest.next_turn(0, 0).unwrap();
    taken(&guest);
    guest.answer(turn, (3, 1, 0, 0, 0, 0));
    let _second = guest.next_turn(0, turn).unwrap();
    drop(guest);
    customer.hears("error not-executed the server died");
    let guest = in_parts(&mut customer, &connection, "until 200 60000");
    let _first = guest.next_turn(0, 0).unwrap();
    taken(&guest);
    customer.hears("error not-executed the deadline passed");
    end(&guest);
    let guest = in_parts(&mut customer, &connection, "call 60000");
    let turn = guest.next_turn(0, 0).unwrap();
    taken(&guest);
    guest.answer(turn, (9, 1, 0, 0, 0, 0));
    customer.hears("error not-executed the server broke the protocol");
    // Results of a part of the arguments.
    for answer in [1, 2] {
        let guest = in_parts(&mut customer, &connection, "call 60000");
        let turn = guest.next_turn(0, 0).unwrap();
        taken(&guest);
        guest.answer(turn, (answer, 1, 1, 1, 0, 0));
        customer.hears(PROTOCOL);
    }
    // The last part is published.
    let guest = in_parts(&mut customer, &connection, "call 20000");
    let turn = guest.next_turn(0, 0).unwrap();
    taken(&guest);
    guest.answer(turn, (3, 1, 0, 0, 0, 0));
    let _second = guest.next_turn(0, turn).unwrap();
    drop(guest);
    customer.hears("error may-have-executed the server died");
    customer.is_sound();
}

/// The number of the next request for more channels.
fn asks_for_channels(guest: &Guest) -> u64 {
    loop {
        let heard = guest.hear().unwrap();
        if heard.bytes[6] == 34 {
            let mut fields = Fields::of(&heard.bytes, kind::GROW);
            let wanted = fields.u64();
            assert_eq!((fields.u32(), fields.u64()), (0, 0));
            return wanted;
        }
    }
}

/// Returns from a turn of a channel, with nothing.
fn answer_empty(guest: &Guest, channel: usize, turn: u32) {
    let (reply, at) = (guest.reply.as_ref().unwrap(), channel * 256);
    reply.store(at + 4, 1);
    reply.store_long(at + 8, u64::from(turn));
    reply.store(at, turn);
    reply.wake(at);
}

#[test]
fn case_38_channels_that_cannot_be_mapped_cost_the_request_and_not_the_session() {
    let mut customer = Customer::new("case_38_client");
    let connection = opened(&mut customer);
    customer.peer.say("aside 1");
    let mut guest = Guest::welcome(&connection);
    for _ in 0..5 {
        customer.peer.say("aside 1");
    }
    // Four have the channels, two ask for more at the same time.
    let wanted = [asks_for_channels(&guest), asks_for_channels(&guest)];
    customer.peer.say(&format!("room {}", 4 << 20));
    customer.peer.expect("limited");
    let (call, reply) = (guest.call.take(), guest.reply.take());
    for (pair, area) in [(1_u32, 1 << 20), (2, 16 * 1024)] {
        let mut offer = guest.honest(pair, 4, area);
        offer.first = pair * 4;
        offer.wanted = wanted[usize::try_from(pair).unwrap() - 1];
        guest.offer(&offer);
    }
    (guest.call, guest.reply) = (call, reply);
    for turn in [1, 2] {
        let calls = if turn == 1 { 4 } else { 2 };
        let words = guest.call.as_ref().unwrap();
        let mut answered = std::collections::BTreeSet::new();
        while answered.len() < calls {
            for channel in 0..4 {
                if words.load(channel * 256) == turn && answered.insert(channel) {
                    answer_empty(&guest, channel, turn);
                }
            }
        }
        for _ in 0..calls {
            customer.hears("reply 0 0");
        }
    }
    customer.peer.say("plenty");
    customer.peer.expect("unlimited");
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
fn case_47_requests_that_are_never_answered_do_not_pile_up() {
    let mut customer = Customer::new("case_47_client");
    let connection = opened(&mut customer);
    customer.peer.say("call 3");
    let guest = Guest::welcome(&connection);
    let first = guest.next_turn(0, 0).unwrap();
    guest.answer(first, (1, 1, 0, 0, 0, 0));
    customer.hears("reply 0 0");
    let words = guest.call.as_ref().unwrap();
    // Each wants a larger area, in vain; after so many a call goes in parts, as if it had been refused one.
    let published = (0..1100).any(|_| {
        customer.peer.say("until 1 60000");
        customer.hears("error not-executed the deadline passed");
        while raw::try_receive(&guest.socket).is_ok() {}
        words.load(0) != first
    });
    assert!(published);
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
