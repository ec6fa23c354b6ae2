//! Packets with descriptors over `SOCK_SEQPACKET` sockets.
//!
//! There is one send and one receive function in the whole crate: a plain recv(2) would silently drop
//! descriptors, and every rule about ancillary data is kept here.
#![expect(
    unsafe_code,
    reason = "socket options are raw pointers, and accept4 returns a raw number"
)]

mod control;
mod look;
mod receive;
mod send;

use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

pub(crate) use self::look::{Next, next, peek};
pub(crate) use self::receive::{
    Received, receive, receive_after_hang_up, receive_past_reset, receive_patiently,
};
pub(crate) use self::send::send;
use super::Result;
use super::process::Process;

/// The most descriptors that one packet carries (`SCM_MAX_FD`, unix(7)).
pub(crate) const DESCRIPTORS_PER_PACKET: usize = 253;

/// Of Linux 6.5.
const SO_PASSPIDFD: i32 = 76;

/// A pair of connected packet sockets whose packets name their sender in both directions.
pub(crate) fn pair() -> Result<(OwnedFd, OwnedFd)> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let (one, other) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
    name_senders(&one)?;
    name_senders(&other)?;
    Ok((one, other))
}

/// A pair that carries descriptors of one channel: who sends is known by who holds it.
pub(crate) fn plain_pair() -> Result<(OwnedFd, OwnedFd)> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let (one, other) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
    set_option(&one, libc::SO_PASSCRED)?;
    set_option(&other, libc::SO_PASSCRED)?;
    Ok((one, other))
}

/// Asks the kernel to stamp each packet that arrives here with its sender's credentials and pidfd.
///
/// A kernel before 6.5 knows no `SO_PASSPIDFD`; then the pid in the credentials has to do.
pub(crate) fn name_senders(socket: impl AsFd) -> Result<()> {
    number_senders(&socket)?;
    match set_option(&socket, SO_PASSPIDFD) {
        Err(Errno::ENOPROTOOPT) | Ok(()) => Ok(()),
        Err(other) => Err(other),
    }
}

/// As [`name_senders`], with their credentials only: to make a pidfd takes longer than to receive a packet.
pub(crate) fn number_senders(socket: impl AsFd) -> Result<()> {
    set_option(&socket, libc::SO_PASSCRED)
}

fn set_option(socket: &impl AsFd, option: i32) -> Result<()> {
    let on: i32 = 1;
    let size = u32::try_from(size_of::<i32>()).unwrap_or(4);
    // SAFETY: the value is a live i32 and its size is given (setsockopt(2)).
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            std::ptr::from_ref(&on).cast(),
            size,
        )
    };
    Errno::result(result).map(drop)
}

/// Whether this is an `AF_UNIX` packet socket: what a token or a private end must be.
pub(crate) fn is_packet_socket(fd: impl AsFd) -> bool {
    let option = |name| nix_int_option(&fd, name);
    option(libc::SO_DOMAIN) == Ok(libc::AF_UNIX)
        && option(libc::SO_TYPE) == Ok(libc::SOCK_SEQPACKET)
}

fn nix_int_option(fd: &impl AsFd, name: i32) -> Result<i32> {
    let mut value: i32 = 0;
    let mut size = u32::try_from(size_of::<i32>()).unwrap_or(4);
    // SAFETY: the kernel writes at most `size` bytes, which is the size of the i32 it is given.
    let result = unsafe {
        libc::getsockopt(
            fd.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            name,
            std::ptr::from_mut(&mut value).cast(),
            &raw mut size,
        )
    };
    Errno::result(result).map(|_| value)
}

/// The inode number of a socket: how the kernel's socket lists name it.
pub(crate) fn inode(socket: impl AsFd) -> Result<u64> {
    nix::sys::stat::fstat(socket.as_fd()).map(|stat| stat.st_ino)
}

/// Nothing more gets into this end's queue; what is in it stays. The other end is told `EPIPE`.
///
/// The kernel decides under the lock of the queue (unix(7) sockets look at the receiver's shutdown state before they
/// queue a packet), so that a send either has succeeded before, and its packet is in the queue, or fails.
pub(crate) fn refuse_more(socket: impl AsFd) {
    let number = socket.as_fd().as_raw_fd();
    // The only error is that there is no other end any more, which is as good.
    let _gone = nix::sys::socket::shutdown(number, nix::sys::socket::Shutdown::Read);
}

/// Ends a conversation: the other end is told as if this one were closed. What it was sent before stays in its queue.
pub(crate) fn end(socket: impl AsFd) {
    let number = socket.as_fd().as_raw_fd();
    // As above.
    let _gone = nix::sys::socket::shutdown(number, nix::sys::socket::Shutdown::Both);
}

/// What there is to be received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Nothing,
    /// A packet, an error, or something that a look does not tell.
    Something,
    /// The other side has hung up; there may be packets before that.
    End,
}

/// A look that takes less than a receive.
pub(crate) fn look(socket: impl AsFd) -> Seen {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    let found = poll(&mut fds, PollTimeout::ZERO);
    let [fd] = &fds;
    let hung_up = fd
        .revents()
        .is_some_and(|at| at.contains(PollFlags::POLLHUP));
    match found {
        Ok(0) => Seen::Nothing,
        Ok(_) if hung_up => Seen::End,
        _ => Seen::Something,
    }
}

/// Whether there is something to receive, be it the end or an error.
pub(crate) fn has_something(socket: impl AsFd) -> bool {
    look(socket) != Seen::Nothing
}

/// Whether the other end is closed.
pub(crate) fn is_hung_up(socket: impl AsFd) -> bool {
    look(socket) == Seen::End
}

/// The next connection of a listener, non-blocking and close-on-exec. It names its senders as its listener did when it
/// was made.
#[expect(clippy::disallowed_methods, reason = "accept4 returns a raw number")]
pub(crate) fn accept(listener: impl AsFd) -> Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let number = nix::sys::socket::accept4(listener.as_fd().as_raw_fd(), flags)?;
    // SAFETY: accept4 has just installed this number for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Whether the kernel names this process as the sender of a packet.
///
/// A pid alone says so only of a process that was opened by what it has made, and found not to be reaped, when the packet
/// had come: then the number has been its own, and nobody else's, all the time. Else a pidfd has to come along, where the
/// kernel knows them.
pub(crate) fn sent_by(received: &mut Received, process: &Process) -> bool {
    match received.pidfd.take() {
        Some(pidfd) => process.is_meant_by(pidfd).unwrap_or(false),
        // 0 is a process outside our namespace.
        None => received.pid != 0 && received.pid == process.pid(),
    }
}
