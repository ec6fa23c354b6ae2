//! A server without room for more.

use std::io::IoSlice;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use doors::{CallCondition, Door, DoorCondition};
use harness::raw::{self, Packet, kind};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, connect, sendmsg,
    setsockopt, socket, sockopt,
};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use crate::{Scene, alone};

/// A socket whose last close waits for half a minute: it lingers over bytes that nobody takes.
fn lingering() -> (OwnedFd, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 30,
    };
    let stream = OwnedFd::from(stream);
    setsockopt(&stream, sockopt::Linger, &linger).unwrap();
    // A close of a non-blocking socket lingers all the same.
    fcntl(&stream, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    while nix::unistd::write(&stream, &[0; 4096]).is_ok() {}
    (stream, listener)
}

#[test]
fn what_lies_in_a_connection_that_is_refused_holds_up_nobody() {
    let mut scene = Scene::new("what_lies_in_a_connection_that_is_refused_holds_up_nobody");
    let doors: Vec<Door> = (0..32)
        .map(|_| Door::open(scene.plain()).unwrap())
        .collect();
    // All of them have been taken before there is room for no more: one user may have half.
    for door in &doors {
        door.info().unwrap();
    }
    scene.tell("limit descriptors 64");
    let before = doors.first().unwrap();
    let (stream, _listener) = lingering();
    // The server takes the connection when the packet is there.
    scene.server.signal(Signal::SIGSTOP);
    let server = Pid::from_raw(scene.server.pid().cast_signed());
    waitpid(server, Some(WaitPidFlag::WUNTRACED)).unwrap();
    let client = socket(
        AddressFamily::Unix,
        SockType::SeqPacket,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .unwrap();
    let address = UnixAddr::new(&scene.plain()).unwrap();
    connect(client.as_raw_fd(), &address).unwrap();
    let numbers = [stream.as_raw_fd()];
    let rights = [ControlMessage::ScmRights(&numbers)];
    let data = [IoSlice::new(b"x")];
    sendmsg::<()>(client.as_raw_fd(), &data, &rights, MsgFlags::empty(), None).unwrap();
    drop(stream);
    scene.server.signal(Signal::SIGCONT);
    // It is over for the client, and goes on for those who were there before.
    let mut fds = [PollFd::new(client.as_fd(), PollFlags::empty())];
    poll(&mut fds, PollTimeout::NONE).unwrap();
    before.info().unwrap();
}

#[test]
fn without_threads_nobody_is_admitted_and_nothing_is_lost() {
    let alone = alone(2);
    let arguments: Vec<&str> = alone.as_deref().into_iter().collect();
    let mut scene = Scene::of(
        "without_threads_nobody_is_admitted_and_nothing_is_lost",
        &arguments,
    );
    scene.policy("door", "nothing");
    let door = Door::open(scene.subject()).unwrap();
    let plain = Door::open(scene.plain()).unwrap();
    for _ in 0..2 {
        plain.call(b"e", vec![]).unwrap();
    }
    scene.tell("limit threads 1");
    let error = door.call(b"ein", vec![]).unwrap_err();
    assert_eq!(error.condition, CallCondition::NoRoom);
    let error = door.info().unwrap_err();
    assert_eq!(*error.condition(), DoorCondition::NoRoom);
    // The notice of a door that nobody refers to any more, then its end.
    scene.tell("end noticed nothing");
    let reply = plain.call(b"d", vec![]).unwrap();
    scene.tell("drop-door");
    drop(reply);
    // The leader has seen it when it answers.
    plain.info().unwrap();
    assert_eq!(scene.ask("count notices"), "0");
    scene.tell("limit threads 4096");
    scene.wait("notices", 1);
    scene.wait("dropped", 1);
    assert_eq!(door.call(b"ein", vec![]).unwrap().data, b"in");
}

#[test]
fn what_a_peer_sent_is_closed_once_there_is_a_thread_for_it() {
    let alone = alone(4);
    let arguments: Vec<&str> = alone.as_deref().into_iter().collect();
    let mut scene = Scene::of(
        "what_a_peer_sent_is_closed_once_there_is_a_thread_for_it",
        &arguments,
    );
    let connection = raw::connect(&scene.plain());
    scene.tell("limit threads 1");
    let (ours, theirs) = nix::unistd::pipe2(OFlag::O_CLOEXEC).unwrap();
    raw::send(&connection, b"no packet", &[theirs.as_fd()]).unwrap();
    drop(theirs);
    // It has been read when what follows it is answered.
    let (answers, private) = raw::pair();
    let info = Packet::new(kind::INFO).bytes();
    raw::send(&connection, &info, &[private.as_fd()]).unwrap();
    raw::receive(&answers).unwrap();
    let mut fds = [PollFd::new(ours.as_fd(), PollFlags::empty())];
    assert_eq!(poll(&mut fds, PollTimeout::ZERO).unwrap(), 0);
    scene.tell("limit threads 4096");
    poll(&mut fds, PollTimeout::NONE).unwrap();
    scene.others_are_served();
}
