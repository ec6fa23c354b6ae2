//! One receive that waits in the kernel.
//!
//! poll(2) before a recvmsg(2) costs more than all of the receiving: where nothing else is waited for, the socket itself
//! may wait for a short time.
#![expect(unsafe_code, reason = "FIONBIO lacks a safe wrapper")]

use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::TimeVal;

use super::Result;
use super::account::Account;
use super::socket::{Received, receive_patiently};

/// Receives one packet of a socket that nobody else receives from; waits for it so long and no longer (`EAGAIN`, or
/// `EINTR` after a signal). See [`receive`](super::socket::receive).
///
/// After an error the socket is non-blocking again; after a packet, which most often is the last that is received there,
/// it is not, and a system call is saved. Whoever else uses it says `MSG_DONTWAIT`.
pub(super) fn receive_within(
    socket: impl AsFd,
    buffer: &mut [u8],
    account: &Account,
    within: Duration,
) -> Result<Option<Received>> {
    let micros = i64::try_from(within.as_micros()).unwrap_or(i64::MAX);
    // A time of zero means for ever (socket(7)).
    let timeout = TimeVal::new(0, micros.clamp(1, 999_999));
    setsockopt(&socket, sockopt::ReceiveTimeout, &timeout)?;
    set_blocking(&socket, true)?;
    let received = receive_patiently(&socket, buffer, account);
    if received.is_err() {
        set_blocking(&socket, false)?;
    }
    received
}

/// Whether operations on the socket wait, unless they say `MSG_DONTWAIT`.
fn set_blocking(socket: &impl AsFd, blocks: bool) -> Result<()> {
    let non_blocking = i32::from(!blocks);
    // SAFETY: FIONBIO reads one i32, which lives across the call.
    let done = unsafe {
        libc::ioctl(
            socket.as_fd().as_raw_fd(),
            libc::FIONBIO,
            &raw const non_blocking,
        )
    };
    Errno::result(done).map(drop)
}
