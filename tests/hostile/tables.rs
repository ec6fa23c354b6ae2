//! A server whose table of descriptors is full.

use std::os::fd::{AsFd, OwnedFd};

use doors::{CallCondition, Door, DoorCondition};
use harness::waiting::calling;
use nix::sys::signal::Signal;

use harness::files::raise_limit;
use harness::raw::{self, Fields, Outcome, Packet, Session, kind};

use crate::descriptors::{LOST, bring, channel_socket, first_call, null};
use crate::senders::answer;
use crate::served::{Relay, Served};

/// The failure code on the wire.
const NO_ROOM: u32 = 8;

/// Sets how many descriptors a process may have.
#[expect(unsafe_code, reason = "prlimit has no wrapper")]
pub(crate) fn limit_descriptors(pid: u32, soft: u64) -> u64 {
    let pid = i32::try_from(pid).unwrap();
    let mut old = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: a null pointer for the new limit and a live structure for the old one.
    let got = unsafe { libc::prlimit(pid, libc::RLIMIT_NOFILE, std::ptr::null(), &raw mut old) };
    assert_eq!(got, 0);
    let new = libc::rlimit {
        rlim_cur: soft,
        rlim_max: old.rlim_max,
    };
    // SAFETY: a live structure for the new limit and a null pointer for the old one.
    let set = unsafe {
        libc::prlimit(
            pid,
            libc::RLIMIT_NOFILE,
            &raw const new,
            std::ptr::null_mut(),
        )
    };
    assert_eq!(set, 0);
    old.rlim_cur
}

#[test]
fn case_16_a_call_whose_descriptors_do_not_fit_the_servers_table_does_not_run() {
    let served = Served::new("case_16");
    let connection = served.connect();
    let mut session = Session::open(&connection);
    let socket = channel_socket(&session);
    let open = u64::try_from(harness::Census::of(served.peer.pid()).descriptors()).unwrap();
    let before = limit_descriptors(served.peer.pid(), open + 4);
    assert_eq!(first_call(&connection, 20, 20), LOST);
    let null = null();
    bring(&socket, 1, 0, 20, &[null.as_fd(); 20]).unwrap();
    session.put(0, b"e");
    let mut head = session.head(1);
    head.descriptors = 20;
    assert_eq!(session.turn(&head), Outcome::Answer(4, LOST, 0));
    // Calls without descriptors go on all the while.
    assert_eq!(session.call(b"e"), b"e");
    served.still_serves();
    limit_descriptors(served.peer.pid(), before);
    assert_eq!(first_call(&connection, 20, 20), 0);
    drop((session, socket, connection));
    served.is_sound();
}

#[test]
fn case_72_a_full_table_costs_new_connections_only() {
    let served = Served::new("case_72");
    let open = u64::try_from(harness::Census::of(served.peer.pid()).descriptors()).unwrap();
    let before = limit_descriptors(served.peer.pid(), open + 3);
    let flood: Vec<_> = (0..50).map(|_| served.connect()).collect();
    // All but a few are closed again, also while those few stay and say nothing.
    let hello = Packet::new(kind::HELLO).u32(1).bytes();
    for connection in flood.iter().skip(10) {
        let (ours, theirs) = raw::pair();
        let _closed = raw::send(connection, &hello, &[theirs.as_fd()]);
        drop(theirs);
        raw::is_over(&ours);
    }
    served.still_serves();
    limit_descriptors(served.peer.pid(), before);
    drop(flood);
    served.is_sound();
}

/// A first call of its own connection, and a session of another.
fn are_refused(served: &Served) {
    let error = Door::open(&served.path).unwrap();
    let error = error.call(b"e", vec![]).unwrap_err();
    assert_eq!(error.condition, CallCondition::NoRoom);
    let error = Door::open(&served.path).unwrap().info().unwrap_err();
    assert_eq!(*error.condition(), DoorCondition::NoRoom);
}

#[test]
fn case_72_a_first_call_for_which_there_is_no_room_is_not_executed() {
    let served = Served::new("case_72b");
    let open = u64::try_from(harness::Census::of(served.peer.pid()).descriptors()).unwrap();
    let before = limit_descriptors(served.peer.pid(), open + 3);
    let flood: Vec<_> = (0..10).map(|_| served.connect()).collect();
    served.still_serves();
    for _ in 0..50 {
        are_refused(&served);
    }
    limit_descriptors(served.peer.pid(), before);
    drop(flood);
    served.is_sound();
}

#[test]
fn case_77_a_first_call_beyond_the_quota_is_not_executed() {
    raise_limit();
    let served = Served::new("case_77");
    let open = u64::try_from(harness::Census::of(served.peer.pid()).descriptors()).unwrap();
    let before = limit_descriptors(served.peer.pid(), open * 4);
    // All that one user may have is half of that.
    let flood: Vec<_> = (0..open * 2).map(|_| served.connect()).collect();
    served.still_serves();
    for _ in 0..50 {
        are_refused(&served);
    }
    // Nobody can be faster than a server that stands still: the call is there before it is known that it is one too
    // many.
    served.peer.stop();
    let waiting: Vec<_> = (0..20)
        .map(|_| Door::open(&served.path).unwrap())
        .map(|door| calling(move || door.call(b"e", vec![]).unwrap_err()))
        .collect();
    served.peer.signal(Signal::SIGCONT);
    for waiting in waiting {
        let error = waiting.join().unwrap();
        assert_eq!(error.condition, CallCondition::NoRoom);
    }
    limit_descriptors(served.peer.pid(), before);
    drop(flood);
    served.is_sound();
}

#[test]
fn case_72_each_first_call_is_answered_while_the_table_is_full() {
    let served = Served::new("case_72c");
    let open = u64::try_from(harness::Census::of(served.peer.pid()).descriptors()).unwrap();
    let before = limit_descriptors(served.peer.pid(), open + 12);
    let path = &served.path;
    let calls = || {
        for _ in 0..150 {
            let door = Door::open(path).unwrap();
            let called = door.call(b"i", vec![null().into()]);
            let refused = called.err().map(|error| error.condition);
            assert!(
                matches!(
                    refused,
                    None | Some(CallCondition::NoRoom | CallCondition::DescriptorsLost)
                ),
                "{refused:?}"
            );
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..24 {
            scope.spawn(calls);
        }
    });
    limit_descriptors(served.peer.pid(), before);
    served.is_sound();
}

/// The call and the code of the next answer on a connection.
fn next_answer(connection: &OwnedFd) -> (u64, u32) {
    let heard = answer(connection);
    let mut fields = Fields::of(&heard.bytes, kind::REPLY);
    (fields.u64(), fields.u32())
}

/// A first call without descriptors.
fn call(generation: u64, data: &[u8]) -> Vec<u8> {
    let call = Packet::new(kind::CALL).u64(generation).u32(0);
    call.payload(data).bytes()
}

#[test]
fn case_118_nobody_is_refused_for_anothers_packet_while_the_table_is_full() {
    let served = Served::new("case_118d");
    let relay = Relay::new(&served.directory);
    let connection = served.connect();
    // It has been taken when it is answered.
    raw::send(&connection, &call(1, b"e"), &[]).unwrap();
    assert_eq!(next_answer(&connection), (1, 0));
    let before = limit_descriptors(served.peer.pid(), 3);
    for generation in (2..40).step_by(2) {
        relay.send(connection.as_fd(), &call(generation, b"e"), &[]);
        raw::send(&connection, &call(generation + 1, b"e"), &[]).unwrap();
        // The first answer is the one to our own call.
        assert_eq!(next_answer(&connection), (generation + 1, NO_ROOM));
    }
    limit_descriptors(served.peer.pid(), before);
    raw::send(&connection, &call(40, b"e"), &[]).unwrap();
    assert_eq!(next_answer(&connection), (40, 0));
    drop((connection, relay));
    served.is_sound();
}

#[test]
fn case_118_a_call_that_runs_is_not_refused_for_a_later_packet_while_the_table_is_full() {
    let mut served = Served::with("case_118e", "single", "");
    let relay = Relay::new(&served.directory);
    let connection = served.connect();
    raw::send(&connection, &call(1, b"wait"), &[]).unwrap();
    served.peer.expect("running");
    let before = limit_descriptors(served.peer.pid(), 3);
    relay.send(connection.as_fd(), &call(2, b"e"), &[]);
    raw::send(&connection, &call(3, b"e"), &[]).unwrap();
    // Both have been read when what follows them was.
    let (ours, theirs) = raw::pair();
    let info = Packet::new(kind::INFO).bytes();
    raw::send(&connection, &info, &[theirs.as_fd()]).unwrap();
    drop(theirs);
    raw::is_over(&ours);
    served.peer.say("go on");
    assert_eq!(next_answer(&connection), (1, 0));
    limit_descriptors(served.peer.pid(), before);
    raw::send(&connection, &call(4, b"e"), &[]).unwrap();
    assert_eq!(next_answer(&connection), (4, 0));
    drop((connection, relay));
    served.is_sound();
}
