//! Packets with descriptors over `SOCK_SEQPACKET` sockets.
//!
//! There is one send and one receive function in the whole crate: a plain recv(2) would silently drop
//! descriptors, and every rule about ancillary data is kept here.
#![expect(
    unsafe_code,
    reason = "sendmsg, recvmsg and received descriptors arrive as raw numbers"
)]

use std::io::{IoSlice, IoSliceMut};
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use super::Result;
use super::account::Account;
use super::process::Process;
use super::unclaimed::Unclaimed;

/// The most descriptors that one packet carries (`SCM_MAX_FD`, unix(7)).
pub(crate) const DESCRIPTORS_PER_PACKET: usize = 253;

/// `SO_PASSPIDFD` and `SCM_PIDFD` (Linux 6.5).
const SO_PASSPIDFD: i32 = 76;
const SCM_PIDFD: i32 = 4;

/// The control buffer: 253 descriptors, the credentials and a pidfd, each with its header.
const CONTROL_BYTES: usize = 1032 + 32 + 24;
/// That of a look: the credentials and one descriptor.
const LOOK_BYTES: usize = 32 + 24;
const HEADER: usize = size_of::<libc::cmsghdr>();

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
    set_option(&socket, libc::SO_PASSCRED)?;
    match set_option(&socket, SO_PASSPIDFD) {
        Err(Errno::ENOPROTOOPT) | Ok(()) => Ok(()),
        Err(other) => Err(other),
    }
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

/// Sends one packet, all or nothing; never blocks (`EAGAIN` when the queue is full) and never raises SIGPIPE.
pub(crate) fn send(socket: impl AsFd, parts: &[&[u8]], fds: &[BorrowedFd<'_>]) -> Result<()> {
    let slices: [IoSlice<'_>; 3] =
        std::array::from_fn(|at| IoSlice::new(parts.get(at).copied().unwrap_or_default()));
    let mut control = Vec::new();
    if !fds.is_empty() {
        write_rights(&mut control, fds)?;
    }
    // SAFETY: msghdr is plain data for which all zero bytes are a valid value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = slices.as_ptr().cast_mut().cast();
    message.msg_iovlen = parts.len().min(slices.len());
    if !control.is_empty() {
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = control.len();
    }
    loop {
        // SAFETY: the header points at live slices and a live control buffer of the stated sizes.
        let sent = unsafe {
            libc::sendmsg(
                socket.as_fd().as_raw_fd(),
                &raw const message,
                libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
            )
        };
        match Errno::result(sent) {
            Err(Errno::EINTR) => {}
            other => return other.map(drop),
        }
    }
}

/// One `SCM_RIGHTS` control message in the kernel's layout (cmsg(3)); numbers are borrowed for the send.
fn write_rights(control: &mut Vec<u8>, fds: &[BorrowedFd<'_>]) -> Result<()> {
    if fds.len() > DESCRIPTORS_PER_PACKET {
        return Err(Errno::EINVAL);
    }
    let len = HEADER.saturating_add(fds.len().saturating_mul(size_of::<i32>()));
    control.extend_from_slice(&len.to_ne_bytes());
    control.extend_from_slice(&libc::SOL_SOCKET.to_ne_bytes());
    control.extend_from_slice(&libc::SCM_RIGHTS.to_ne_bytes());
    for fd in fds {
        control.extend_from_slice(&fd.as_raw_fd().to_ne_bytes());
    }
    control.resize(len.next_multiple_of(8), 0);
    Ok(())
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

/// What comes next in the queue of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// There is nothing, at this moment or (after [`refuse_more`]) for good.
    Nothing,
    /// A packet without descriptors.
    Plain,
    /// A packet with descriptors, or something that nobody can look at: a listener (`ENOTCONN`) has connections with
    /// queues of their own.
    Descriptors,
}

/// Looks at what would be received next. It stays in the queue, so that none of its descriptors is closed for good.
///
/// As in [`receive`], something comes with an empty packet. The control buffer has room for the credentials and one
/// descriptor: the packet's own, with `MSG_CTRUNC` for those that do not fit, or the sender's pidfd, which comes last.
pub(crate) fn next(socket: impl AsFd) -> Next {
    let mut control = [0_u64; LOOK_BYTES / 8];
    let mut byte = [0_u8; 1];
    let mut slices = [IoSliceMut::new(&mut byte)];
    // SAFETY: msghdr is plain data for which all zero bytes are a valid value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = slices.as_mut_ptr().cast();
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = LOOK_BYTES;
    let flags = libc::MSG_DONTWAIT | libc::MSG_PEEK | libc::MSG_CMSG_CLOEXEC;
    let len = match recvmsg(&socket, &mut message, flags) {
        Ok(len) => len,
        Err(Errno::EAGAIN) => return Next::Nothing,
        Err(_) => return Next::Descriptors,
    };
    let mut seen = Received::default();
    let any = read_control(&filled(&control, &message), &mut seen);
    // Copies of what stays in the queue: their close is not the last.
    let copies = seen.fds.take();
    if !copies.is_empty() || message.msg_flags & libc::MSG_CTRUNC != 0 {
        Next::Descriptors
    } else if any || len > 0 {
        Next::Plain
    } else {
        Next::Nothing
    }
}

/// recvmsg(2), again after a signal.
fn recvmsg(socket: impl AsFd, message: &mut libc::msghdr, flags: i32) -> Result<usize> {
    loop {
        // SAFETY: all callers here have the header point at live buffers of the sizes that it states.
        let got = unsafe { libc::recvmsg(socket.as_fd().as_raw_fd(), message, flags) };
        match Errno::result(got) {
            Err(Errno::EINTR) => {}
            other => return other.map(|len| usize::try_from(len).unwrap_or(0)),
        }
    }
}

/// Whether the other end is closed.
pub(crate) fn is_hung_up(socket: impl AsFd) -> bool {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut fds = [PollFd::new(socket.as_fd(), PollFlags::empty())];
    let ready = poll(&mut fds, PollTimeout::ZERO).unwrap_or(0) > 0;
    ready
        && fds.iter().any(|fd| {
            fd.revents()
                .is_some_and(|at| at.contains(PollFlags::POLLHUP))
        })
}

/// The first bytes of the packet that would be received next, which stays in the queue; `None` if there is none.
/// Descriptors are not touched.
pub(crate) fn peek(socket: impl AsFd, buffer: &mut [u8]) -> Option<usize> {
    let flags = nix::sys::socket::MsgFlags::MSG_PEEK | nix::sys::socket::MsgFlags::MSG_DONTWAIT;
    let got = nix::sys::socket::recv(socket.as_fd().as_raw_fd(), buffer, flags);
    got.ok().filter(|len| *len > 0)
}

/// One packet as the kernel delivered it.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// How many bytes of the buffer are the packet.
    pub(crate) len: usize,
    /// The descriptors that came with it, owned and close-on-exec.
    pub(crate) fds: Unclaimed,
    /// The sender's pid in our namespace by the kernel's word; 0 if the kernel cannot name it to us.
    pub(crate) pid: i32,
    /// The sender's pidfd by the kernel's word.
    pub(crate) pidfd: Option<OwnedFd>,
    /// The packet was longer than the buffer: the rest is lost.
    pub(crate) cut: bool,
    /// Descriptors were lost: our table is full, or a security module refused one.
    pub(crate) fds_lost: bool,
}

/// Receives one packet without blocking; `None` at the end of the stream. What comes with it is charged to `account` if
/// nobody takes it.
///
/// Without room for a descriptor the kernel closes it before recvmsg(2) returns, which may take as long as any close:
/// [`Table`](super::table::Table) tells before.
///
/// An empty packet also makes recvmsg(2) return 0; it is told from the end by the credentials that every
/// packet brings (`SO_PASSCRED` is set on all our sockets), and its descriptors are not lost.
///
/// The kernel looks for an error, then for a packet, then for the end, without a lock over all three: the end may be told
/// before a last packet, or a reset, that came in between. Nothing comes after the end, so another look finds it.
///
/// But since Linux 6.17 recvmsg(2) sees the end as soon as it is stored, and close(2) stores it before the reset, under a
/// lock: between the two, every look finds an end and nothing else. [`refuse_more`] changes the same word and so waits for
/// that lock. It changes nothing, since the end is there.
pub(crate) fn receive(
    socket: impl AsFd,
    buffer: &mut [u8],
    account: &Account,
) -> Result<Option<Received>> {
    match receive_next(&socket, buffer, account)? {
        None => {
            refuse_more(&socket);
            receive_next(&socket, buffer, account)
        }
        received => Ok(received),
    }
}

fn receive_next(
    socket: impl AsFd,
    buffer: &mut [u8],
    account: &Account,
) -> Result<Option<Received>> {
    let mut control = [0_u64; CONTROL_BYTES / 8];
    let mut slices = [IoSliceMut::new(buffer)];
    // SAFETY: msghdr is plain data for which all zero bytes are a valid value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = slices.as_mut_ptr().cast();
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = CONTROL_BYTES;
    let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
    let len = recvmsg(&socket, &mut message, flags)?;
    let mut received = Received {
        len,
        cut: message.msg_flags & libc::MSG_TRUNC != 0,
        fds_lost: message.msg_flags & libc::MSG_CTRUNC != 0,
        fds: Unclaimed::default(),
        pid: 0,
        pidfd: None,
    };
    let any = read_control(&filled(&control, &message), &mut received);
    received.fds.charge_to(account);
    Ok(if len == 0 && !any {
        None
    } else {
        Some(received)
    })
}

/// As [`receive`], for those to whom it says nothing how the other end was closed.
///
/// An end that is closed with something unread in it resets the connection. The kernel says so once (`sk_err`), and
/// before what it still has for us: a reset is not the end of the stream.
pub(crate) fn receive_past_reset(
    socket: impl AsFd,
    buffer: &mut [u8],
    account: &Account,
) -> Result<Option<Received>> {
    match receive(&socket, buffer, account) {
        Err(Errno::ECONNRESET) => receive(socket, buffer, account),
        other => other,
    }
}

/// What the kernel has written of a control buffer.
fn filled(control: &[u64], message: &libc::msghdr) -> Vec<u8> {
    let bytes = control.iter().flat_map(|word| word.to_ne_bytes());
    bytes.take(message.msg_controllen).collect()
}

/// Walks the control messages; returns whether there was one. Every descriptor found is owned here.
fn read_control(mut control: &[u8], received: &mut Received) -> bool {
    let mut any = false;
    while let Some((level, kind, data, rest)) = next_control(control) {
        any = true;
        control = rest;
        match (level, kind) {
            (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
                received.fds.extend(numbers(data).filter_map(own));
            }
            (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) => {
                received.pid = numbers(data).next().unwrap_or(0);
            }
            (libc::SOL_SOCKET, SCM_PIDFD) => {
                received.pidfd = numbers(data).next().and_then(own);
            }
            _ => {}
        }
    }
    any
}

/// The first control message: level, type, data, and what follows it.
fn next_control(control: &[u8]) -> Option<(i32, i32, &[u8], &[u8])> {
    let len = usize::from_ne_bytes(*control.first_chunk()?);
    let level = i32::from_ne_bytes(*control.get(8..)?.first_chunk()?);
    let kind = i32::from_ne_bytes(*control.get(12..)?.first_chunk()?);
    let data = control.get(HEADER..len)?;
    let rest = control
        .get(len.checked_next_multiple_of(8)?..)
        .unwrap_or_default();
    Some((level, kind, data, rest))
}

fn numbers(data: &[u8]) -> impl Iterator<Item = i32> {
    data.as_chunks::<4>()
        .0
        .iter()
        .map(|bytes| i32::from_ne_bytes(*bytes))
}

/// Takes ownership of a number that the kernel has just installed for us.
#[expect(
    clippy::disallowed_methods,
    reason = "received descriptors arrive as raw numbers"
)]
fn own(number: i32) -> Option<OwnedFd> {
    // SAFETY: the kernel installed this number in recvmsg for us alone; a negative one is its mark for none
    // and is sorted out first.
    (number >= 0).then(|| unsafe { OwnedFd::from_raw_fd(number) })
}

/// The next connection of a listener, non-blocking and close-on-exec.
#[expect(clippy::disallowed_methods, reason = "accept4 returns a raw number")]
pub(crate) fn accept(listener: impl AsFd) -> Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let number = nix::sys::socket::accept4(listener.as_fd().as_raw_fd(), flags)?;
    // SAFETY: accept4 has just installed this number for us alone.
    let connection = unsafe { OwnedFd::from_raw_fd(number) };
    // It names its senders as its listener did when it was made: a listener that was passed to us may not have then.
    name_senders(&connection)?;
    Ok(connection)
}

/// Whether the kernel names this process as the sender of a packet.
pub(crate) fn sent_by(received: &mut Received, process: &Process) -> bool {
    match received.pidfd.take() {
        Some(pidfd) => process.is_meant_by(pidfd).unwrap_or(false),
        // A kernel without SCM_PIDFD: the pid has to do; 0 is a process outside our namespace.
        None => received.pid != 0 && received.pid == process.pid(),
    }
}
