//! Descriptors on a stream socket (`SCM_RIGHTS`).

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use crate::Result;

/// The kernel's own limit for one message (`SCM_MAX_FD`).
const MOST: usize = 253;

/// Room for the control data.
const ROOM: usize = rustix::cmsg_space!(ScmRights(253));

/// Sends all of the data, and the descriptors with it.
pub(crate) fn send(socket: impl AsFd, data: &[u8], given: &[OwnedFd]) -> Result<()> {
    let lent: Vec<BorrowedFd<'_>> = given.iter().map(AsFd::as_fd).collect();
    let mut room = [MaybeUninit::uninit(); ROOM];
    let mut control = SendAncillaryBuffer::new(&mut room);
    if !control.push(SendAncillaryMessage::ScmRights(&lent)) {
        return Err("too many descriptors".into());
    }
    let sent = sendmsg(
        socket,
        &[IoSlice::new(data)],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    // These messages are a few bytes long.
    if sent == data.len() {
        Ok(())
    } else {
        Err("a part of a message was sent".into())
    }
}

/// Receives a message with its descriptors, and closes them.
pub(crate) fn receive(socket: impl AsFd, data: &mut [u8], count: usize) -> Result<()> {
    let mut room = [MaybeUninit::uninit(); ROOM];
    let mut control = RecvAncillaryBuffer::new(&mut room);
    let wanted = data.len();
    let received = recvmsg(
        socket,
        &mut [IoSliceMut::new(data)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC | RecvFlags::WAITALL,
    )?;
    let mut came = 0_usize;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            for descriptor in descriptors {
                drop::<OwnedFd>(descriptor);
                came = came.saturating_add(1);
            }
        }
    }
    if received.bytes == wanted && came == count.min(MOST) {
        Ok(())
    } else {
        Err("the connection has ended".into())
    }
}
