//! Sending a packet.
#![expect(unsafe_code, reason = "sendmsg takes raw pointers")]

use std::io::IoSlice;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;

use super::DESCRIPTORS_PER_PACKET;
use super::control::HEADER;
use crate::sys::{Result, raw};

/// A packet up to this size is put together here: that takes less than to have the kernel read a list of its parts.
const SMALL_BYTES: usize = 256;

/// Sends one packet, all or nothing; never blocks (`EAGAIN` when the queue is full) and never raises SIGPIPE.
pub(crate) fn send(socket: impl AsFd, parts: &[&[u8]], fds: &[BorrowedFd<'_>]) -> Result<()> {
    let mut small = [0; SMALL_BYTES];
    if fds.is_empty()
        && let Some(len) = put_together(parts, &mut small)
    {
        return send_bytes(&socket, small.get(..len).unwrap_or_default());
    }
    send_message(&socket, parts, fds)
}

/// Copies the parts one behind the other; how many bytes they are, if there is room for them.
fn put_together(parts: &[&[u8]], small: &mut [u8]) -> Option<usize> {
    let mut len = 0_usize;
    for part in parts {
        let end = len.checked_add(part.len())?;
        small.get_mut(len..end)?.copy_from_slice(part);
        len = end;
    }
    Some(len)
}

fn send_bytes(socket: &impl AsFd, bytes: &[u8]) -> Result<()> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    let arguments = [
        raw::descriptor(socket.as_fd()),
        bytes.as_ptr().expose_provenance(),
        bytes.len(),
        raw::number(flags.unsigned_abs()),
    ];
    loop {
        // SAFETY: the bytes live across the call, which sends them to the socket's other end (sendto(2)).
        match unsafe { raw::call(libc::SYS_sendto, arguments) } {
            Err(Errno::EINTR) => {}
            other => return other.map(drop),
        }
    }
}

fn send_message(socket: &impl AsFd, parts: &[&[u8]], fds: &[BorrowedFd<'_>]) -> Result<()> {
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
