//! Packet sockets with descriptors.
#![expect(
    unsafe_code,
    clippy::disallowed_methods,
    reason = "received descriptors arrive as raw numbers"
)]

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, Backlog, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType,
    UnixAddr, accept4, bind, connect as connect_to, listen as listen_on, recvmsg, sendmsg, socket,
    socketpair,
};

/// A packet that arrived.
#[derive(Debug)]
pub struct Heard {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What came along.
    pub fds: Vec<OwnedFd>,
}

/// A pair of packet sockets.
#[must_use]
pub fn pair() -> (OwnedFd, OwnedFd) {
    socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .unwrap()
}

fn packet_socket() -> OwnedFd {
    socket(
        AddressFamily::Unix,
        SockType::SeqPacket,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .unwrap()
}

/// A connection to a name.
#[must_use]
pub fn connect(path: &Path) -> OwnedFd {
    let socket = packet_socket();
    connect_to(socket.as_raw_fd(), &UnixAddr::new(path).unwrap()).unwrap();
    socket
}

/// A listener at a name.
#[must_use]
pub fn listen(path: &Path) -> OwnedFd {
    let socket = packet_socket();
    bind(socket.as_raw_fd(), &UnixAddr::new(path).unwrap()).unwrap();
    listen_on(&socket, Backlog::new(64).unwrap()).unwrap();
    socket
}

/// The next connection to a listener; waits for it.
#[must_use]
pub fn accept(listener: impl AsFd) -> OwnedFd {
    let number = accept4(listener.as_fd().as_raw_fd(), SockFlag::SOCK_CLOEXEC).unwrap();
    // SAFETY: accept4(2) has just made this number for us alone.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// Bytes of all packets in the queue of a packet socket (`SIOCINQ`, unix(7)).
#[must_use]
pub fn waiting_bytes(socket: impl AsFd) -> usize {
    let mut bytes: libc::c_int = 0;
    // SAFETY: FIONREAD, as SIOCINQ is called too, writes one int, which lives across the call.
    let result = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::FIONREAD, &raw mut bytes) };
    Errno::result(result).unwrap();
    usize::try_from(bytes).unwrap()
}

/// Sends a packet without waiting.
///
/// # Errors
/// What the kernel says.
pub fn send(to: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> nix::Result<()> {
    let numbers: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&numbers)];
    let control: &[ControlMessage<'_>] = if fds.is_empty() { &[] } else { &rights };
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    let to = to.as_fd().as_raw_fd();
    sendmsg::<()>(to, &[IoSlice::new(bytes)], control, flags, None).map(drop)
}

/// Sends a packet, waiting for room in the queue; `None` if the other end closes meanwhile.
#[must_use]
pub fn queue(to: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Option<()> {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        match send(&to, bytes, fds) {
            Ok(()) => return Some(()),
            Err(Errno::EAGAIN) => {
                let mut polled = [PollFd::new(to.as_fd(), PollFlags::POLLOUT)];
                let ready = poll(&mut polled, PollTimeout::from(20_000_u16)).unwrap();
                assert!(ready > 0, "the other side takes no packets");
            }
            // Other tests of this user have many descriptors in flight at the moment.
            Err(Errno::ETOOMANYREFS) if Instant::now() < until => std::thread::yield_now(),
            Err(Errno::EPIPE | Errno::ECONNRESET) => return None,
            Err(other) => panic!("cannot send: {other}"),
        }
    }
}

/// A packet that is there already.
///
/// # Errors
/// `EAGAIN` if none is; an empty packet and the end look the same here (`None`).
pub fn try_receive(from: impl AsFd) -> nix::Result<Option<Heard>> {
    let mut bytes = vec![0; 256 * 1024];
    let mut control = nix::cmsg_space!([RawFd; 253]);
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
    let mut slices = [IoSliceMut::new(&mut bytes)];
    let from = from.as_fd().as_raw_fd();
    let message = recvmsg::<()>(from, &mut slices, Some(&mut control), flags)?;
    let mut fds = Vec::new();
    for part in message.cmsgs().unwrap() {
        if let ControlMessageOwned::ScmRights(numbers) = part {
            for number in numbers {
                // SAFETY: the kernel has just installed this number for us alone.
                fds.push(unsafe { OwnedFd::from_raw_fd(number) });
            }
        }
    }
    let len = message.bytes;
    bytes.truncate(len);
    Ok((len > 0 || !fds.is_empty()).then_some(Heard { bytes, fds }))
}

/// The next packet, or `None` at the end. Fails when neither comes for long.
pub fn receive(from: impl AsFd) -> Option<Heard> {
    loop {
        match try_receive(&from) {
            Ok(heard) => return heard,
            Err(Errno::EAGAIN) => {
                let mut polled = [PollFd::new(from.as_fd(), PollFlags::POLLIN)];
                let ready = poll(&mut polled, PollTimeout::from(20_000_u16)).unwrap();
                assert!(ready > 0, "nothing comes");
            }
            Err(Errno::ECONNRESET) => return None,
            Err(other) => panic!("cannot receive: {other}"),
        }
    }
}

/// Waits until the other side closes; throws away what comes before.
pub fn is_over(socket: impl AsFd) {
    while receive(&socket).is_some() {}
}
