//! A hostile server at a first call on the fresh connection.
#![expect(clippy::disallowed_types, reason = "a flag between threads of a test")]

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use harness::raw::{self, Host, Packet, kind};
use harness::{Directory, Peer, Watchdog};
use nix::fcntl::SealFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::served::Customer;

const PROTOCOL: &str = "error may-have-executed the server broke the protocol";

fn reply(code: u32, descriptors: u32, bytes: u64) -> Packet {
    Packet::new(kind::REPLY)
        .u64(1)
        .u32(code)
        .u32(descriptors)
        .u64(bytes)
}

/// The customer opens, calls, and the server has the packet.
fn called(customer: &mut Customer, host: &Host, line: &str) -> OwnedFd {
    customer.open();
    let connection = host.accept();
    customer.peer.say(line);
    let _call = raw::receive(&connection).unwrap();
    connection
}

/// Memory that nobody can change any more.
fn frozen(len: usize) -> OwnedFd {
    let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE;
    raw::memfd(len, seals)
}

#[test]
fn case_41_first_replies_that_lie_are_protocol_errors() {
    let mut customer = Customer::new("case_41_first");
    let host = Host::new(&customer.path);
    let null = || -> OwnedFd { std::fs::File::open("/dev/null").unwrap().into() };
    let unfrozen = raw::memfd(300_000, SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW);
    let lies: Vec<(Vec<u8>, Vec<OwnedFd>)> = vec![
        (b"".to_vec(), vec![]),
        (b"".to_vec(), vec![null()]),
        (b"garbage".to_vec(), vec![]),
        (reply(99, 0, 0).bytes(), vec![]),
        // Descriptors that did not come before.
        (reply(0, 1, 0).bytes(), vec![]),
        (reply(0, 1, 0).bytes(), vec![null()]),
        (reply(0, u32::MAX, 0).bytes(), vec![]),
        // Data that are not there, or not what they should be.
        (reply(0, 0, 10).bytes(), vec![]),
        (reply(0, 0, 0).payload(b"long").bytes(), vec![]),
        (reply(0, 0, 2).payload(b"long").bytes(), vec![]),
        (reply(0, 0, 300_000).bytes(), vec![null()]),
        (reply(0, 0, 300_000).bytes(), vec![frozen(300_000), null()]),
        (reply(0, 0, 300_000).bytes(), vec![frozen(299_999)]),
        (reply(0, 0, 300_000).bytes(), vec![frozen(300_001)]),
        (reply(0, 0, 300_000).bytes(), vec![unfrozen]),
        (
            reply(0, 0, 300_000).bytes(),
            vec![raw::memfd(300_000, SealFlag::F_SEAL_WRITE)],
        ),
        (reply(0, 0, 300_000).bytes(), vec![raw::pair().0]),
        // Of another call.
        (Packet::new(kind::TAKEN).u64(2).bytes(), vec![]),
        (
            Packet::new(kind::REPLY).u64(0).u32(0).u32(0).u64(0).bytes(),
            vec![],
        ),
        // With descriptors that belong to nothing.
        (Packet::new(kind::QUEUED).u64(1).bytes(), vec![null()]),
        (Packet::new(kind::TAKEN).u64(1).bytes(), vec![null()]),
        (reply(7, 0, 0).bytes(), vec![null()]),
        // Packets of another place.
        (Packet::new(kind::READY).u64(0).u32(0).bytes(), vec![]),
        (Packet::new(kind::TOKEN).u64(0).bytes(), vec![null()]),
        (
            Packet::new(kind::DESCRIPTORS).u64(1).u32(1).u32(1).bytes(),
            vec![null()],
        ),
    ];
    for (bytes, fds) in lies {
        let connection = called(&mut customer, &host, "call 1");
        let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        raw::send(&connection, &bytes, &fds).unwrap();
        let heard = customer.peer.hear();
        // An empty packet without credentials is the end of the stream for those who cannot tell.
        assert_eq!(heard, PROTOCOL, "{bytes:?} with {}", fds.len());
    }
    customer.is_sound();
}

#[test]
fn case_31_a_first_reply_beyond_every_limit_is_too_large() {
    let mut customer = Customer::new("case_31_first");
    let host = Host::new(&customer.path);
    for bytes in [1 << 40, u64::MAX] {
        let connection = called(&mut customer, &host, "call 1");
        let memory = frozen(1 << 40);
        raw::send(&connection, &reply(0, 0, bytes).bytes(), &[memory.as_fd()]).unwrap();
        customer.hears("error executed");
    }
    customer.is_sound();
}

#[test]
fn case_14_descriptors_without_end_before_a_first_reply_are_an_error() {
    let mut customer = Customer::new("case_14_first");
    let host = Host::new(&customer.path);
    let connection = called(&mut customer, &host, "call 1");
    let null = std::fs::File::open("/dev/null").unwrap();
    for round in 0..6_u32 {
        let packet = Packet::new(kind::DESCRIPTORS)
            .u64(1)
            .u32(round * 253)
            .u32(6 * 253);
        let _gone = raw::queue(&connection, &packet.bytes(), &vec![null.as_fd(); 253]);
    }
    customer.hears(PROTOCOL);
    drop(connection);
    customer.is_sound();
}

#[test]
fn case_57_117_the_end_of_the_server_before_and_after_taken_is_told_apart() {
    let mut customer = Customer::new("case_117_first");
    let host = Host::new(&customer.path);
    let connection = called(&mut customer, &host, "call 1");
    let taken = Packet::new(kind::TAKEN).u64(1).bytes();
    raw::send(&connection, &taken, &[]).unwrap();
    drop(connection);
    customer.hears("error may-have-executed the server died");
    // Nobody has read the call: it certainly did not run.
    customer.open();
    let connection = host.accept();
    customer.peer.say("call 1");
    something_lies_unread(&connection);
    drop(connection);
    customer.hears("error not-executed");
    customer.is_sound();
}

/// Waits until something lies in the queue of the connection, which nobody reads.
fn something_lies_unread(connection: &OwnedFd) {
    let mut polled = [PollFd::new(connection.as_fd(), PollFlags::POLLIN)];
    assert!(poll(&mut polled, PollTimeout::from(20_000_u16)).unwrap() > 0);
}

#[test]
fn case_57_a_reset_proves_nothing_when_a_petition_of_another_thread_lay_unread() {
    let mut customer = Customer::new("case_57_first");
    let host = Host::new(&customer.path);
    let connection = called(&mut customer, &host, "aside 1");
    customer.peer.say("info");
    something_lies_unread(&connection);
    drop(connection);
    let heard = [customer.peer.hear(), customer.peer.hear()];
    let call = "error may-have-executed the server died";
    assert!(heard.iter().any(|line| line.starts_with(call)), "{heard:?}");
    customer.is_sound();
}

#[test]
fn case_57_a_reset_proves_nothing_when_a_petition_of_a_forked_child_lay_unread() {
    let _watchdog = Watchdog::new("case_57_child");
    let directory = Directory::new("case_57_child");
    let path = directory.join("bad");
    let host = Host::new(&path);
    let mut client = Peer::start(env!("CARGO_BIN_EXE_peer"), "life-client", &[]);
    let mut does = |command: &str, answer: &str| {
        client.say(command);
        client.expect(answer);
    };
    does(&format!("open bad {}", path.display()), "open");
    let connection = host.accept();
    does("start bad e 1", "started");
    let _call = raw::receive(&connection).unwrap();
    client.say("fork-call bad e");
    something_lies_unread(&connection);
    drop(connection);
    let child = client.hear();
    assert!(child.contains("NotExecuted"), "{child}");
    client.say("join 1");
    client.expect("error ServerDied { taken: true } MayHaveExecuted");
}

#[test]
fn case_57_a_reset_does_not_hide_the_reply_that_was_sent_before() {
    let mut customer = Customer::new("case_57b_first");
    let host = Host::new(&customer.path);
    let connection = called(&mut customer, &host, "aside 1");
    customer.peer.say("info");
    something_lies_unread(&connection);
    customer.stop();
    let packet = reply(0, 0, 4).payload(b"done");
    raw::send(&connection, &packet.bytes(), &[]).unwrap();
    drop(connection);
    customer.go_on();
    let heard = [customer.peer.hear(), customer.peer.hear()];
    assert!(heard.iter().any(|line| line == "reply 4 0"), "{heard:?}");
    customer.is_sound();
}

#[test]
fn case_57_a_reset_proves_nothing_when_what_lay_unread_is_that_the_call_was_given_up() {
    let mut customer = Customer::new("case_57c_first");
    let host = Host::new(&customer.path);
    let connection = called(&mut customer, &host, "until 100 1");
    something_lies_unread(&connection);
    drop(connection);
    customer.hears("error may-have-executed the deadline passed");
    customer.is_sound();
}

#[test]
fn a_first_call_whose_wait_fails_may_have_executed() {
    let mut customer = Customer::new("wait_fails_first");
    let host = Host::new(&customer.path);
    let connection = called(&mut customer, &host, "aside 1");
    // poll(2) refuses more descriptors than RLIMIT_NOFILE.
    customer.peer.say("files 0");
    customer.peer.expect("limited");
    let queued = Packet::new(kind::QUEUED).u64(1).bytes();
    raw::send(&connection, &queued, &[]).unwrap();
    customer.hears("error may-have-executed cannot wait for the server");
    customer.peer.say("plenty");
    customer.peer.expect("unlimited");
    drop(connection);
    customer.is_sound();
}

#[test]
fn case_40_a_large_first_reply_needs_its_own_room_and_no_more() {
    let mut customer = Customer::new("case_40_first");
    let host = Host::new(&customer.path);
    let len: usize = 200 << 20;
    let connection = called(&mut customer, &host, "aside 1");
    // Room for the results once, and for the 128 MiB that malloc(3) reserves for a thread. A client that needs it twice
    // would be aborted by its allocator.
    customer.peer.say(&format!("room {}", len + (180 << 20)));
    customer.peer.expect("limited");
    let bytes = u64::try_from(len).unwrap();
    let packet = reply(0, 0, bytes).bytes();
    raw::send(&connection, &packet, &[frozen(len).as_fd()]).unwrap();
    customer.hears(&format!("reply {len} 0"));
    // Not even once.
    let connection = called(&mut customer, &host, "call 1");
    raw::send(&connection, &packet, &[frozen(len * 2).as_fd()]).unwrap();
    customer.hears("error may-have-executed");
    let connection = called(&mut customer, &host, "call 1");
    let packet = reply(0, 0, bytes * 2).bytes();
    raw::send(&connection, &packet, &[frozen(len * 2).as_fd()]).unwrap();
    customer.hears("error executed");
    customer.peer.say("plenty");
    customer.peer.expect("unlimited");
    customer.is_sound();
}

#[test]
fn case_117_a_server_that_takes_no_first_call_is_not_waited_for_for_ever() {
    let mut customer = Customer::new("case_117b_first");
    let host = Host::new(&customer.path);
    let connection = called(&mut customer, &host, "call 1");
    customer.hears("error may-have-executed the server did not answer");
    drop(connection);
    customer.is_sound();
}

#[test]
fn case_55_a_deadline_holds_against_a_server_that_only_says_wait() {
    let mut customer = Customer::new("case_55_first");
    let host = Host::new(&customer.path);
    let connection = called(&mut customer, &host, "until 200 1");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let queued = Packet::new(kind::QUEUED).u64(1).bytes();
            while !stop.load(Ordering::Relaxed) {
                let _full = raw::send(&connection, &queued, &[]);
            }
        });
        customer.hears("error may-have-executed the deadline passed");
        stop.store(true, Ordering::Relaxed);
    });
    drop(connection);
    customer.is_sound();
}

#[test]
fn case_06_a_refusal_of_information_or_garbage_instead_is_an_error() {
    let mut customer = Customer::new("case_06_first");
    let host = Host::new(&customer.path);
    customer.open();
    let connection = host.accept();
    let short = Packet::new(kind::DESCRIBED).u64(1);
    let odd = (0..11).fold(Packet::new(kind::DESCRIBED), |packet, _| packet.u64(1));
    for packet in [
        Packet::new(kind::REFUSED).u64(0).u32(5),
        Packet::new(kind::REFUSED).u64(0).u32(500),
        Packet::new(kind::TOKEN).u64(1),
        short,
        odd.payload(b"x"),
    ] {
        customer.peer.say("info");
        let heard = raw::receive(&connection).unwrap();
        raw::send(&heard.fds[0], &packet.bytes(), &[]).unwrap();
        customer.hears("error");
    }
    drop(connection);
    customer.is_sound();
}
