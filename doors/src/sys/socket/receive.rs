//! Receiving a packet with all that comes with it.
#![expect(unsafe_code, reason = "recvmsg takes raw pointers")]

use std::io::IoSliceMut;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;

use super::{control, refuse_more};
use crate::sys::account::Account;
use crate::sys::unclaimed::Unclaimed;
use crate::sys::{Result, raw};

/// The control buffer: 253 descriptors, the credentials and a pidfd, each with its header.
const CONTROL_BYTES: usize = 1032 + 32 + 24;

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
/// [`Table`](crate::sys::table::Table) tells before.
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
    match receive_next(socket.as_fd(), buffer, account, libc::MSG_DONTWAIT)? {
        None => {
            refuse_more(&socket);
            receive_next(socket.as_fd(), buffer, account, libc::MSG_DONTWAIT)
        }
        received => Ok(received),
    }
}

/// As [`receive`], after the other side's hang-up was seen (`EPOLLHUP`), for those to whom it says nothing how the other
/// end was closed: all packets were there before.
pub(crate) fn receive_after_hang_up(
    socket: impl AsFd,
    buffer: &mut [u8],
    account: &Account,
) -> Result<Option<Received>> {
    receive_next(socket.as_fd(), buffer, account, libc::MSG_DONTWAIT)
}

/// As [`receive`], but waits as long as the socket is allowed to (`sys/patient.rs`); a signal ends that.
pub(crate) fn receive_patiently(
    socket: impl AsFd,
    buffer: &mut [u8],
    account: &Account,
) -> Result<Option<Received>> {
    match receive_next(socket.as_fd(), buffer, account, 0)? {
        None => {
            refuse_more(&socket);
            receive_next(socket.as_fd(), buffer, account, libc::MSG_DONTWAIT)
        }
        received => Ok(received),
    }
}

/// One run of code for all of them: most first calls have it executed from the memory beyond the nearest cache.
#[inline(never)]
fn receive_next(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    account: &Account,
    wait: i32,
) -> Result<Option<Received>> {
    let flags = wait | libc::MSG_CMSG_CLOEXEC;
    let (mut received, any) = message::<{ CONTROL_BYTES / 8 }>(socket, buffer, flags)?;
    received.fds.charge_to(account);
    Ok(if received.len == 0 && !any {
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

/// What comes with a packet, in words of eight bytes: its parts are aligned like that (cmsg(3)).
#[repr(C, align(8))]
struct Control<const WORDS: usize>([[u8; 8]; WORDS]);

/// One recvmsg(2), with so many words for what comes with the packet, and whether anything did.
pub(super) fn message<const WORDS: usize>(
    socket: impl AsFd,
    buffer: &mut [u8],
    flags: i32,
) -> Result<(Received, bool)> {
    let mut control = Control([[0; 8]; WORDS]);
    let mut slices = [IoSliceMut::new(buffer)];
    // SAFETY: msghdr is plain data for which all zero bytes are a valid value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = slices.as_mut_ptr().cast();
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control);
    let len = loop {
        let arguments = [
            raw::descriptor(socket.as_fd()),
            (&raw mut message).expose_provenance(),
            raw::number(flags.unsigned_abs()),
        ];
        // SAFETY: the header points at a live buffer and a live control buffer, and states their sizes (recvmsg(2)).
        match unsafe { raw::call(libc::SYS_recvmsg, arguments) } {
            Err(Errno::EINTR) if flags & libc::MSG_DONTWAIT != 0 => {}
            other => break other?,
        }
    };
    let mut received = Received {
        len,
        cut: message.msg_flags & libc::MSG_TRUNC != 0,
        fds_lost: message.msg_flags & libc::MSG_CTRUNC != 0,
        fds: Unclaimed::default(),
        pid: 0,
        pidfd: None,
    };
    // What the kernel has written of it.
    let control = control.0.as_flattened();
    // All of it, should it claim to be more: no descriptor in it is left without an owner.
    let written = control.get(..message.msg_controllen).unwrap_or(control);
    let any = control::read(written, &mut received);
    Ok((received, any))
}
