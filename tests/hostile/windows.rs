//! What a client may do with the windows that it was given.

use std::os::fd::{AsFd, AsRawFd};

use harness::raw::{self, Packet, Session, Window, kind};
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, OFlag, fallocate};
use nix::sys::stat::Mode;

use crate::served::Served;

/// A new descriptor of the same memory, as writable as the kernel lets it be.
fn reopened(memory: impl AsFd) -> nix::Result<std::os::fd::OwnedFd> {
    let path = format!("/proc/self/fd/{}", memory.as_fd().as_raw_fd());
    let flags = OFlag::O_RDWR | OFlag::O_CLOEXEC;
    nix::fcntl::open(path.as_str(), flags, Mode::empty())
}

#[test]
fn case_27_30_35_36_windows_cannot_be_cut_grown_or_mapped_by_others() {
    let served = Served::new("case_27");
    let connection = served.connect();
    let mut session = Session::open(&connection);
    for memory in [&session.call_memory, &session.reply_memory] {
        for len in [0, 4096, 1 << 30] {
            assert_eq!(nix::unistd::ftruncate(memory, len), Err(Errno::EPERM));
        }
        let punch = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        assert_eq!(fallocate(memory, punch, 0, 4096), Err(Errno::EPERM));
        assert_eq!(nix::unistd::write(memory, b"x"), Err(Errno::EPERM));
        assert!(Window::map(memory, 4096, true).is_err());
        if let Ok(again) = reopened(memory) {
            assert!(Window::map(&again, 4096, true).is_err());
            assert!(nix::unistd::write(&again, b"x").is_err());
        }
    }
    assert_eq!(session.call(b"eabc"), b"eabc");
    drop((session, connection));
    served.is_sound();
}

#[test]
fn case_27_memory_that_is_cut_kills_whoever_looks_at_it() {
    // Why no window without these seals is accepted: this is what one would do.
    let _watchdog = harness::Watchdog::new("case_27_cut");
    let mut victim = harness::Peer::start(env!("CARGO_BIN_EXE_peer"), "cut", &[]);
    victim.expect("mapped, and cut");
    let status = victim.finish();
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    assert_eq!(signal, Some(libc::SIGBUS));
}

#[test]
fn case_34_a_hole_that_was_punched_before_the_seal_reads_as_zeros() {
    let served = Served::new("case_34");
    let connection = served.connect();
    let session = Session::begin(&connection);
    let punch = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    let len = i64::try_from(session.call.len()).unwrap();
    fallocate(&session.call_memory, punch, 0, len).unwrap();
    session.say(&Packet::new(kind::MAPPED).u32(session.ledger.pair));
    let mut session = session;
    let _ready = session.hear();
    assert_eq!(session.call(b"e\0\0\0"), b"e\0\0\0");
    drop((session, connection));
    served.is_sound();
}

#[test]
fn a_window_that_the_client_keeps_writable_elsewhere_is_refused() {
    let served = Served::new("shared_writer");
    let connection = served.connect();
    // The client may close its window itself, too early, and too tightly: no server thread stumbles.
    let session = Session::begin(&connection);
    let seals = nix::fcntl::SealFlag::F_SEAL_SEAL;
    nix::fcntl::fcntl(
        &session.call_memory,
        nix::fcntl::FcntlArg::F_ADD_SEALS(seals),
    )
    .unwrap();
    session.say(&Packet::new(kind::MAPPED).u32(session.ledger.pair));
    raw::is_over(&session.socket);
    drop((session, connection));
    served.is_sound();
}

#[test]
fn case_10_channels_that_are_mapped_before_those_that_were_offered_earlier_end_the_session() {
    let served = Served::new("case_10_windows");
    let connection = served.connect();
    let session = Session::open(&connection);
    let mut last = 0;
    for wanted in [1, 2] {
        session.say(&Packet::new(kind::GROW).u64(wanted).u32(0).u64(0));
        let heard = session.hear();
        let mut fields = raw::Fields::of(&heard.bytes, kind::WINDOWS);
        let (_wanted, _id) = (fields.u64(), fields.u128());
        last = fields.u32();
    }
    // The server numbers channels in the order of its offers: these would be called by other numbers than its own.
    session.say(&Packet::new(kind::MAPPED).u32(last));
    assert!(raw::receive(&session.socket).is_none());
    drop((session, connection));
    served.is_sound();
}

#[test]
fn case_42_a_fresh_window_shows_nothing_of_others() {
    let served = Served::new("case_42");
    let connection = served.connect();
    let mut first = Session::open(&connection);
    let secret = vec![b'e'; 4000];
    assert_eq!(first.call(&secret), secret);
    drop(first);
    let mut second = Session::open(&connection);
    assert_eq!(second.call(b"eab"), b"eab");
    let area = second.reply.read(second.area_at(0), second.ledger.area);
    assert!(area[3..].iter().all(|byte| *byte == 0));
    drop((second, connection));
    served.is_sound();
}

#[test]
fn windows_kept_after_the_session_are_only_the_clients_own_memory() {
    let served = Served::new("kept");
    let connection = served.connect();
    let mut session = Session::open(&connection);
    assert_eq!(session.call(b"e"), b"e");
    // The socket closes, the windows stay: nobody answers there any more.
    let (one, _other) = raw::pair();
    let socket = std::mem::replace(&mut session.socket, one);
    drop(socket);
    let head = session.head(0);
    for turn in 2..20 {
        session.publish(0, &head, turn);
    }
    drop(connection);
    served.is_sound();
    let last = session.reply.load(0);
    for turn in 20..40 {
        session.publish(0, &head, turn);
    }
    served.is_sound();
    assert_eq!(session.reply.load(0), last);
    drop(session);
}
