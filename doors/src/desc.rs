//! A descriptor on its way to the other side: lent or released.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A descriptor that travels with a call or its reply.
///
/// The receiver gets a descriptor of its own for the same open file either way. What differs is the
/// sender's: a lent one stays open here, a released one is closed here, whether the call succeeds or not.
#[doc(alias = "d_descriptor")]
#[doc(alias = "d_attributes")]
#[derive(Debug)]
#[doc(alias = "door_desc_t")]
#[doc(alias = "DOOR_DESCRIPTOR")]
pub enum DoorDesc<'fd> {
    /// The sender keeps its descriptor.
    Lent(BorrowedFd<'fd>),
    /// The sender's descriptor is closed with the hand-over (`DOOR_RELEASE`).
    #[doc(alias = "DOOR_RELEASE")]
    Released(OwnedFd),
}

impl AsFd for DoorDesc<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Lent(fd) => *fd,
            Self::Released(fd) => fd.as_fd(),
        }
    }
}

impl<'fd> From<BorrowedFd<'fd>> for DoorDesc<'fd> {
    fn from(fd: BorrowedFd<'fd>) -> Self {
        Self::Lent(fd)
    }
}

impl From<OwnedFd> for DoorDesc<'_> {
    fn from(fd: OwnedFd) -> Self {
        Self::Released(fd)
    }
}

impl From<std::fs::File> for DoorDesc<'_> {
    fn from(file: std::fs::File) -> Self {
        Self::Released(file.into())
    }
}

/// The borrowed view that a send needs.
pub(crate) fn borrowed<'a>(descriptors: &'a [DoorDesc<'_>]) -> Vec<BorrowedFd<'a>> {
    descriptors.iter().map(AsFd::as_fd).collect()
}

/// Makes reads and writes on a descriptor that came from the other side return at once instead of waiting.
///
/// A received descriptor is foreign: a peer that never writes would hold a thread that reads from it for ever. The flag
/// belongs to the open file and so is seen by everybody who has it, the giver included (fcntl(2), `F_SETFL`).
///
/// # Errors
/// The kernel's, for a descriptor that has no flags to set (one opened with `O_PATH`: `EBADF`).
///
/// # Examples
/// ```
/// use std::io::{ErrorKind, Read};
///
/// let (mut reader, _silent_writer) = std::io::pipe()?;
/// doors::set_nonblocking(&reader)?;
/// assert_eq!(reader.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn set_nonblocking(descriptor: impl AsFd) -> std::io::Result<()> {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    let flags = OFlag::from_bits_retain(fcntl(&descriptor, FcntlArg::F_GETFL)?);
    fcntl(&descriptor, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}
