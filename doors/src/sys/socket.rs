//! Packets with descriptors over `SOCK_SEQPACKET` sockets.
//!
//! There is one send and one receive function in the whole crate: a plain recv(2) would silently drop
//! descriptors, and every rule about ancillary data is kept here.
#![expect(
    unsafe_code,
    reason = "socket options are raw pointers, accept4 is a system call and returns a raw number"
)]

mod control;
mod look;
mod receive;
mod send;

use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

pub(crate) use self::look::{Next, next, peek};
pub(crate) use self::receive::{
    Received, receive, receive_after_hang_up, receive_past_reset, receive_patiently,
};
pub(crate) use self::send::send;
use super::process::Process;
use super::{Result, raw};

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
    let [seen] = look_at([socket.as_fd()]);
    seen
}

/// The same at several at once.
pub(crate) fn look_at<const SOCKETS: usize>(sockets: [BorrowedFd<'_>; SOCKETS]) -> [Seen; SOCKETS] {
    let mut fds = sockets.map(|socket| PollFd::new(socket, PollFlags::POLLIN));
    let found = poll_now(&mut fds);
    fds.map(|fd| match fd.revents() {
        // If nobody can look, a receive tells why.
        _ if found.is_err() => Seen::Something,
        Some(at) if at.is_empty() => Seen::Nothing,
        Some(at) if at.contains(PollFlags::POLLHUP) => Seen::End,
        _ => Seen::Something,
    })
}

/// A poll(2) that does not wait.
fn poll_now(fds: &mut [PollFd<'_>]) -> Result<()> {
    let list = [fds.as_mut_ptr().expose_provenance(), fds.len()];
    #[cfg(target_arch = "x86_64")]
    let (number, arguments) = (libc::SYS_poll, [list[0], list[1], 0, 0, 0]);
    // Elsewhere the kernel has its successor only.
    #[cfg(not(target_arch = "x86_64"))]
    let at_once = [0_i64; 2];
    #[cfg(not(target_arch = "x86_64"))]
    let (number, arguments) = (
        libc::SYS_ppoll,
        [list[0], list[1], at_once.as_ptr().expose_provenance(), 0, 0],
    );
    // SAFETY: the list is one of `pollfd`s, as which `PollFd` is laid out (`repr(transparent)`), and lives across the call, as
    // does a time of zero seconds and nanoseconds.
    unsafe { raw::call(number, arguments).map(drop) }
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
    let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    let arguments = [
        raw::descriptor(listener.as_fd()),
        0,
        0,
        raw::number(flags.unsigned_abs()),
    ];
    // SAFETY: nobody asks for the other side's address (accept4(2)).
    let number = unsafe { raw::call(libc::SYS_accept4, arguments)? };
    let number = i32::try_from(number).map_err(|_| Errno::EBADF)?;
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
