//! Descriptors of calls that are too many, too few, or of other calls.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use harness::raw::{self, Fields, Outcome, Packet, Session, kind};

use crate::served::Served;

/// Failure codes on the wire.
const REFUSES_DESCRIPTORS: u32 = 3;
const TOO_MANY: u32 = 4;
pub(crate) const LOST: u32 = 6;

pub(crate) fn null() -> OwnedFd {
    std::fs::File::open("/dev/null").unwrap().into()
}

/// A first call with so many copies of a descriptor; the code of its reply.
pub(crate) fn first_call(connection: &OwnedFd, said: u32, sent: usize) -> u32 {
    let null = null();
    let call = Packet::new(kind::CALL).u64(1).u32(said).payload(b"?");
    let fds = vec![null.as_fd(); sent];
    raw::queue(connection, &call.bytes(), &fds).unwrap();
    reply_code(connection)
}

fn reply_code(connection: &OwnedFd) -> u32 {
    loop {
        let heard = raw::receive(connection).unwrap();
        if heard.bytes[6] == 82 {
            let mut fields = Fields::of(&heard.bytes, kind::REPLY);
            let _generation = fields.u64();
            return fields.u32();
        }
    }
}

/// The descriptor socket of channel 0.
pub(crate) fn channel_socket(session: &Session) -> OwnedFd {
    session.say(&Packet::new(kind::WANT_SOCKET).u64(9).u32(0));
    let heard = session.hear();
    let _socket = Fields::of(&heard.bytes, kind::SOCKET);
    heard.fds.into_iter().next().unwrap()
}

/// Sends a packet of descriptors of a generation.
pub(crate) fn bring(
    socket: &OwnedFd,
    generation: u64,
    index: u32,
    count: u32,
    fds: &[BorrowedFd<'_>],
) -> Option<()> {
    let packet = Packet::new(kind::DESCRIPTORS)
        .u64(generation)
        .u32(index)
        .u32(count);
    raw::queue(socket, &packet.bytes(), fds)
}

#[test]
fn case_13_a_door_that_refuses_descriptors_closes_them_and_says_so() {
    let served = Served::with("case_13", "limited", ".four");
    let path = served.directory.join("door.none");
    let connection = raw::connect(&path);
    assert_eq!(first_call(&connection, 1, 1), REFUSES_DESCRIPTORS);
    let mut session = Session::open(&connection);
    let socket = channel_socket(&session);
    let null = null();
    bring(&socket, 1, 0, 1, &[null.as_fd()]).unwrap();
    let mut head = session.head(0);
    head.descriptors = 1;
    assert_eq!(
        session.turn(&head),
        Outcome::Answer(4, REFUSES_DESCRIPTORS, 0)
    );
    assert_eq!(session.call(b""), b"0 0");
    drop((session, socket, connection));
    served.is_sound();
}

#[test]
fn case_14_the_most_descriptors_for_a_door_that_takes_four_are_all_closed() {
    let served = Served::with("case_14", "limited", ".four");
    let path = served.directory.join("door.four");
    let connection = raw::connect(&path);
    for _ in 0..5 {
        assert_eq!(first_call(&connection, 253, 253), TOO_MANY);
    }
    let mut session = Session::open(&connection);
    let socket = channel_socket(&session);
    let null = null();
    bring(&socket, 1, 0, 253, &vec![null.as_fd(); 253]).unwrap();
    let mut head = session.head(0);
    head.descriptors = 253;
    // With the limit.
    assert_eq!(session.turn(&head), Outcome::Answer(4, TOO_MANY, 4));
    // Those of the refused call are not taken for those of the next.
    let generation = session.turn + 1;
    bring(&socket, generation, 0, 2, &[null.as_fd(); 2]).unwrap();
    let mut head = session.head(0);
    head.descriptors = 2;
    assert_eq!(session.turn(&head), Outcome::Answer(1, 0, 3));
    assert_eq!(session.results(0, 3), b"0 2");
    drop((session, socket, connection));
    served.is_sound();
}

#[test]
fn case_15_a_descriptor_too_many_or_too_few_is_noticed() {
    let served = Served::new("case_15");
    let connection = served.connect();
    for (said, sent) in [(1, 2), (2, 1), (0, 1), (1, 0), (u32::MAX, 0), (254, 253)] {
        assert_eq!(
            first_call(&connection, said, sent),
            LOST,
            "{said} for {sent}"
        );
    }
    let (one, other) = (raw::pair(), raw::pair());
    let hello = Packet::new(kind::HELLO).u32(1).bytes();
    raw::queue(&connection, &hello, &[one.1.as_fd(), other.1.as_fd()]).unwrap();
    drop((one.1, other.1));
    raw::is_over(&one.0);
    raw::is_over(&other.0);
    let session = Session::open(&connection);
    let null = null();
    let ring = Packet::new(kind::RING).bytes();
    raw::send(&session.socket, &ring, &[null.as_fd()]).unwrap();
    raw::is_over(&session.socket);
    drop((session, connection));
    served.is_sound();
}

#[test]
fn case_18_descriptor_packets_that_contradict_each_other_lose_the_call() {
    let served = Served::new("case_18");
    let connection = served.connect();
    let mut session = Session::open(&connection);
    let null = null();
    let two = [null.as_fd(); 2];
    // (index, count) of packets with two descriptors each, for a call that announces four.
    let lies: &[&[(u32, u32)]] = &[
        &[(1, 4)],
        &[(0, 4), (1, 4)],
        &[(0, 4), (3, 4)],
        &[(0, 4), (u32::MAX, 4)],
        &[(0, 3)],
        &[(0, u32::MAX)],
        &[(0, 4)],
        &[],
    ];
    for packets in lies {
        // A fresh socket for each: what is left in the old one goes with it.
        let socket = channel_socket(&session);
        let generation = session.turn + 1;
        for (index, count) in *packets {
            bring(&socket, generation, *index, *count, &two).unwrap();
        }
        let mut head = session.head(0);
        head.descriptors = 4;
        assert_eq!(
            session.turn(&head),
            Outcome::Answer(4, LOST, 0),
            "{packets:?}"
        );
    }
    for garbage in [&b""[..], b"x", &[0; 200], &Packet::new(kind::RING).bytes()] {
        let socket = channel_socket(&session);
        raw::queue(&socket, garbage, &two).unwrap();
        let mut head = session.head(0);
        head.descriptors = 2;
        assert_eq!(session.turn(&head), Outcome::Answer(4, LOST, 0));
    }
    // More than any call may bring.
    let mut head = session.head(0);
    head.descriptors = 1025;
    assert_eq!(session.turn(&head), Outcome::Answer(4, TOO_MANY, 1024));
    assert_eq!(session.call(b"e"), b"e");
    drop((session, connection));
    served.is_sound();
}

#[test]
fn case_18_descriptors_of_other_calls_keep_no_server_thread() {
    let served = Served::new("case_18b");
    let connection = served.connect();
    let mut session = Session::open(&connection);
    let socket = channel_socket(&session);
    let copy = socket.try_clone().unwrap();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let flood = std::thread::spawn(move || {
        let packet = Packet::new(kind::DESCRIPTORS).u64(77).u32(0).u32(1).bytes();
        while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            if raw::send(&copy, &packet, &[]) == Err(nix::errno::Errno::EPIPE) {
                break;
            }
        }
    });
    // While the flood goes on the call ends all the same.
    let mut head = session.head(0);
    head.descriptors = 1;
    assert_eq!(session.turn(&head), Outcome::Answer(4, LOST, 0));
    drop(stop);
    flood.join().unwrap();
    drop((session, socket, connection));
    served.is_sound();
}

#[test]
fn case_26_descriptors_that_nobody_collects_go_with_their_session() {
    let served = Served::new("case_26");
    for _ in 0..20 {
        let connection = served.connect();
        let session = Session::open(&connection);
        let socket = channel_socket(&session);
        let null = null();
        // Few, for all processes of a user share the number of descriptors that may be in flight.
        for generation in 0..3 {
            bring(&socket, generation, 0, 50, &[null.as_fd(); 50]).unwrap();
        }
    }
    served.is_sound();
}
