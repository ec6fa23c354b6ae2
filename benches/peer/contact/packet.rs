//! A packet as it is received from somebody who is not trusted.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

/// Room for all that can come with a packet: what does not fit is closed by the kernel before recvmsg(2) returns, for as
/// long as its owner likes.
const ROOM: usize = rustix::cmsg_space!(ScmRights(253), ScmCredentials(1));

/// One packet: its length, and who has sent it. An end has no sender.
pub(super) fn receive(
    socket: impl AsFd,
    data: &mut [u8],
    flags: RecvFlags,
) -> rustix::io::Result<(usize, Option<i32>)> {
    let mut room = [MaybeUninit::uninit(); ROOM];
    let mut control = RecvAncillaryBuffer::new(&mut room);
    let received = recvmsg(
        socket,
        &mut [IoSliceMut::new(data)],
        &mut control,
        flags | RecvFlags::CMSG_CLOEXEC,
    )?;
    let mut sender = None;
    for message in control.drain() {
        match message {
            RecvAncillaryMessage::ScmCredentials(named) => {
                sender = Some(named.pid.as_raw_nonzero().get());
            }
            RecvAncillaryMessage::ScmRights(unwanted) => close(unwanted.collect()),
            _ => {}
        }
    }
    Ok((received.bytes, sender))
}

/// Closes what somebody else has sent, on a thread that nobody waits for.
fn close(unwanted: Vec<OwnedFd>) {
    // Without a thread they are closed here.
    let _started = std::thread::Builder::new().spawn(move || drop(unwanted));
}

/// Closes a socket in whose queue something may lie that is slow to close; at a look most often nothing does.
pub(super) fn leave(socket: OwnedFd) {
    if !is_quiet(&socket) {
        close(vec![socket]);
    }
}

fn is_quiet(socket: &OwnedFd) -> bool {
    let mut looked = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    poll(&mut looked, PollTimeout::ZERO) == Ok(0)
}
