//! Looking at what would be received next.

use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;

use super::receive::message;

/// The control buffer of a look: the credentials and one descriptor.
const LOOK_BYTES: usize = 32 + 24;

/// What comes next in the queue of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// There is nothing, at this moment or (after [`refuse_more`](super::refuse_more)) for good.
    Nothing,
    /// A packet without descriptors.
    Plain,
    /// A packet with descriptors, or something that nobody can look at: a listener (`ENOTCONN`) has connections with
    /// queues of their own.
    Descriptors,
}

/// Looks at what would be received next. It stays in the queue, so that none of its descriptors is closed for good.
///
/// As in [`receive`](super::receive()), something comes with an empty packet. The control buffer has room for the credentials and one
/// descriptor: the packet's own, with `MSG_CTRUNC` for those that do not fit, or the sender's pidfd, which comes last.
pub(crate) fn next(socket: impl AsFd) -> Next {
    let flags = libc::MSG_DONTWAIT | libc::MSG_PEEK | libc::MSG_CMSG_CLOEXEC;
    let (mut seen, any) = match message::<{ LOOK_BYTES / 8 }>(&socket, &mut [0], flags) {
        Ok(seen) => seen,
        Err(Errno::EAGAIN) => return Next::Nothing,
        Err(_) => return Next::Descriptors,
    };
    // Copies of what stays in the queue: their close is not the last.
    let copies = seen.fds.take();
    if !copies.is_empty() || seen.fds_lost {
        Next::Descriptors
    } else if any || seen.len > 0 {
        Next::Plain
    } else {
        Next::Nothing
    }
}

/// The first bytes of the packet that would be received next, which stays in the queue; `None` if there is none.
/// Descriptors are not touched.
pub(crate) fn peek(socket: impl AsFd, buffer: &mut [u8]) -> Option<usize> {
    let flags = nix::sys::socket::MsgFlags::MSG_PEEK | nix::sys::socket::MsgFlags::MSG_DONTWAIT;
    let got = nix::sys::socket::recv(socket.as_fd().as_raw_fd(), buffer, flags);
    got.ok().filter(|len| *len > 0)
}
