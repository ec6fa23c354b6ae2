//! Descriptors whose last close does not return, and more of them than anybody closes at a time.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use harness::raw::{self, Fields, Guest, Host, Packet, Session, Slow, kind};
use harness::{Census, Peer};
use nix::sys::signal::Signal;

use crate::served::{Customer, Served};
use crate::tables::limit_descriptors;

const PEER: &str = env!("CARGO_BIN_EXE_peer");

fn hello() -> Vec<u8> {
    Packet::new(kind::HELLO).u32(1).bytes()
}

fn clogger(served: &Served) -> Peer {
    let mut clogger = Peer::start(PEER, "clog", &[served.path.to_str().unwrap()]);
    clogger.expect("ready");
    clogger
}

/// So many petitions of the clogger lie in the queue, with the only copies of what they bring, before one is read.
fn petitions(served: &Served, clogger: &mut Peer, count: usize) {
    served.peer.stop();
    clogger.say(&format!("petitions {count}"));
    clogger.expect("sent");
    served.peer.signal(Signal::SIGCONT);
}

/// Sends something that is slow to close; what holds it up.
fn send_slow(to: impl AsFd, bytes: &[u8]) -> OwnedFd {
    let Slow { socket, other } = Slow::new();
    raw::send(to, bytes, &[socket.as_fd()]).unwrap();
    other
}

/// How many sockets a server holds. One that is in its last close has left the table, one that waits for it has not.
fn sockets(census: &Census) -> usize {
    census.descriptors.get("socket:[]").copied().unwrap_or(0)
}

#[test]
fn case_22_more_slow_closes_than_closers_leave_what_others_send_closed() {
    let served = Served::new("case_22_many");
    let mut clogger = clogger(&served);
    petitions(&served, &mut clogger, 40);
    let connection = served.connect();
    let null = std::fs::File::open("/dev/null").unwrap();
    for _ in 0..200 {
        raw::queue(&connection, &hello(), &[null.as_fd()]).unwrap();
    }
    let mut session = Session::open(&connection);
    assert_eq!(session.call(b"e"), b"e");
    // The refused ones are closed while the clogger's closes go on.
    let nulls = |census: &Census| census.descriptors.get("/dev/null").copied();
    Census::settle(served.peer.pid(), "refused descriptors stay", |now| {
        nulls(now) <= nulls(&served.before)
    });
    drop((session, connection));
    clogger.kill();
    served.is_sound();
}

#[test]
fn case_22_a_session_ends_at_once_though_every_closer_is_busy() {
    let served = Served::new("case_22_end");
    let mut clogger = clogger(&served);
    petitions(&served, &mut clogger, 40);
    let connection = served.connect();
    let session = Session::open(&connection);
    // While the server stops, all of it lies in the queue: the first packet ends the session, the second is never read.
    served.peer.stop();
    raw::send(&session.socket, b"garbage", &[]).unwrap();
    let other = send_slow(&session.socket, b"more");
    served.peer.signal(Signal::SIGCONT);
    raw::is_over(&session.socket);
    served.still_serves();
    drop((session, connection, other));
    clogger.kill();
    served.is_sound();
}

#[test]
fn case_22_who_sends_too_many_slow_descriptors_loses_its_connection_and_nobody_else() {
    let served = Served::new("case_22_over");
    let mut clogger = clogger(&served);
    for _ in 0..2 {
        petitions(&served, &mut clogger, 150);
        clogger.say("over");
        clogger.expect("over");
    }
    // Never more than the bound of each connection, and one packet.
    let most = sockets(&served.before) + 2 * (64 + 1) + 8;
    assert!(sockets(&Census::of(served.peer.pid())) <= most);
    let connection = served.connect();
    let mut session = Session::open(&connection);
    assert_eq!(session.call(b"e"), b"e");
    served.still_serves();
    drop((session, connection));
    clogger.kill();
    served.is_sound();
}

#[test]
fn case_22_a_shared_token_that_brings_slow_descriptors_serves_again_when_they_are_closed() {
    let served = Served::new("case_22_token");
    let connection = served.connect();
    let token = raw::remint(&connection);
    served.peer.stop();
    let others: Vec<_> = (0..70).map(|_| send_slow(&token, &hello())).collect();
    served.peer.signal(Signal::SIGCONT);
    // Another holder's petition waits behind them, and others go on.
    let (ours, theirs) = raw::pair();
    raw::queue(&token, &hello(), &[theirs.as_fd()]).unwrap();
    drop(theirs);
    let mut session = Session::open(&connection);
    assert_eq!(session.call(b"e"), b"e");
    drop(others);
    let heard = raw::receive(&ours).expect("windows");
    let _windows = Fields::of(&heard.bytes, kind::WINDOWS);
    drop((session, ours, token, connection));
    served.is_sound();
}

#[test]
fn case_22_a_connection_that_is_refused_with_slow_descriptors_in_it_holds_up_nobody() {
    let served = Served::new("case_22_refused");
    let known = served.connect();
    let _told = ask(&known, &Packet::new(kind::INFO));
    let held = Census::of(served.peer.pid()).descriptors();
    // Half of it is the share of one user: it has less than that already.
    let before = limit_descriptors(served.peer.pid(), u64::try_from(held + 300).unwrap());
    let mut full: Vec<OwnedFd> = (0..held + 300).map(|_| served.connect()).collect();
    let last = full.split_off(full.len() - 1);
    raw::is_over(&last[0]);
    served.peer.stop();
    let refused = served.connect();
    let other = send_slow(&refused, &hello());
    served.peer.signal(Signal::SIGCONT);
    raw::is_over(&refused);
    let answer = ask(&known, &Packet::new(kind::INFO));
    let _told = Fields::of(&answer.bytes, kind::DESCRIBED);
    limit_descriptors(served.peer.pid(), before);
    drop((full, refused, known, other));
    served.is_sound();
}

fn ask(token: &OwnedFd, packet: &Packet) -> raw::Heard {
    let (ours, theirs) = raw::pair();
    raw::queue(token, &packet.bytes(), &[theirs.as_fd()]).unwrap();
    drop(theirs);
    raw::receive(&ours).expect("an answer")
}

#[test]
fn case_16_22_slow_descriptors_that_do_not_fit_the_table_hold_up_nobody() {
    let served = Served::new("case_16_22");
    let connection = served.connect();
    let mut session = Session::open(&connection);
    let other = Session::open(&connection);
    let held = Census::of(served.peer.pid()).descriptors();
    let before = limit_descriptors(served.peer.pid(), u64::try_from(held).unwrap());
    // The kernel closes by itself, in recvmsg(2), what it cannot install.
    served.peer.stop();
    let stopped = Instant::now();
    let mut others = Vec::new();
    for _ in 0..2 {
        others.push(send_slow(&connection, &hello()));
        others.push(send_slow(&other.socket, &hello()));
    }
    // What was seen of the table before is forgotten after a millisecond.
    while stopped.elapsed() < Duration::from_millis(2) {
        std::thread::yield_now();
    }
    served.peer.signal(Signal::SIGCONT);
    // A ring that the leader has to hear.
    assert_eq!(session.call(b""), b"");
    raw::is_over(&other.socket);
    limit_descriptors(served.peer.pid(), before);
    drop((session, other, connection, others));
    served.is_sound();
}

/// The customer's first call, received.
fn first_call(customer: &mut Customer) -> OwnedFd {
    let host = Host::new(&customer.path);
    customer.open();
    let connection = host.accept();
    customer.peer.say("call 1");
    let _call = raw::receive(&connection).unwrap();
    connection
}

#[test]
fn case_22_slow_descriptors_of_a_reply_that_lies_do_not_hold_the_caller() {
    let mut customer = Customer::new("case_22_first");
    let connection = first_call(&mut customer);
    let brought = Packet::new(kind::DESCRIPTORS).u64(1).u32(0).u32(1);
    customer.peer.stop();
    let other = send_slow(&connection, &brought.bytes());
    customer.peer.signal(Signal::SIGCONT);
    let reply = Packet::new(kind::REPLY).u64(1).u32(0).u32(2).u64(0);
    raw::send(&connection, &reply.bytes(), &[]).unwrap();
    customer.hears("error");
    drop((connection, other));
    customer.is_sound();
}

#[test]
fn case_22_a_first_call_does_not_take_slow_descriptors_without_end() {
    let mut customer = Customer::new("case_22_first_many");
    let connection = first_call(&mut customer);
    // One attempt after the other to send the first of two.
    let brought = Packet::new(kind::DESCRIPTORS).u64(1).u32(0).u32(2);
    customer.peer.stop();
    let others: Vec<_> = (0..100)
        .map(|_| send_slow(&connection, &brought.bytes()))
        .collect();
    customer.peer.signal(Signal::SIGCONT);
    customer.hears("error may-have-executed the server broke the protocol");
    drop((connection, others));
    customer.is_sound();
}

#[test]
fn case_22_slow_descriptors_of_an_answer_that_brings_none_do_not_hold_who_asked() {
    let mut customer = Customer::new("case_22_answer");
    let host = Host::new(&customer.path);
    customer.open();
    let connection = host.accept();
    customer.peer.say("info");
    let asked = raw::receive(&connection).unwrap();
    customer.peer.stop();
    let other = send_slow(&asked.fds[0], &Packet::new(kind::RING).bytes());
    customer.peer.signal(Signal::SIGCONT);
    customer.hears("error");
    drop((asked, connection, other));
    customer.is_sound();
}

#[test]
fn case_22_a_server_whose_descriptors_are_slow_to_close_loses_its_session() {
    let mut customer = Customer::new("case_22_server");
    let connection = first_call(&mut customer);
    let reply = Packet::new(kind::REPLY).u64(1).u32(7).u32(0).u64(0);
    raw::send(&connection, &reply.bytes(), &[]).unwrap();
    customer.hears("error not-executed");
    customer.peer.say("call 3");
    let guest = Guest::welcome(&connection);
    let _turn = guest.next_turn(0, 0).unwrap();
    customer.peer.stop();
    // Sockets for channel 0, one in place of the other, each with something slow in it.
    let mut others = Vec::new();
    for _ in 0..100 {
        let (ours, theirs) = raw::pair();
        let other = send_slow(&ours, b"slow");
        let socket = Packet::new(kind::SOCKET).u64(0).u32(0).bytes();
        raw::send(&guest.socket, &socket, &[theirs.as_fd()]).unwrap();
        others.push(other);
    }
    customer.peer.signal(Signal::SIGCONT);
    customer.hears("error not-executed the server died");
    raw::is_over(&guest.socket);
    drop((guest, connection, others));
    customer.is_sound();
}
