//! What comes with a packet: descriptors, and who has sent it.
#![expect(unsafe_code, reason = "received descriptors arrive as raw numbers")]

use std::mem::size_of;
use std::os::fd::{FromRawFd, OwnedFd};

use super::receive::Received;

/// `SCM_PIDFD` (Linux 6.5).
const SCM_PIDFD: i32 = 4;

/// The head of each control message (cmsg(3)).
pub(super) const HEADER: usize = size_of::<libc::cmsghdr>();

/// Walks the control messages; returns whether there was one. Every descriptor found is owned here.
pub(super) fn read(mut control: &[u8], received: &mut Received) -> bool {
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
