//! A hostile server that is asked for windows: it offers others, none, or unasked ones.

use std::os::fd::OwnedFd;

use harness::raw::{self, Fields, Guest, Packet, kind};

use crate::served::Customer;
use crate::server_calls::{PROTOCOL, end, opened};

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
    let words = guest.call.as_ref().unwrap();
    // The two that get no channels of their own wait for one of the four, perhaps one after the other for the same.
    let mut turns = [0_u32; 4];
    while turns.iter().sum::<u32>() < 6 {
        for (channel, turn) in turns.iter_mut().enumerate() {
            if words.load(channel * 256) == *turn + 1 {
                *turn += 1;
                answer_empty(&guest, channel, *turn);
            }
        }
    }
    for _ in 0..6 {
        customer.hears("reply 0 0");
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
