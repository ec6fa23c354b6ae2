//! Sockets with an address: what `nix` does not offer for descriptors that are owned.
#![expect(
    unsafe_code,
    reason = "system calls on raw numbers, adoption of passed descriptors"
)]

mod announcement;

use std::ffi::c_int;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::Mutex;

use libc::socklen_t;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{self, UnixAddr};

use super::Result;
use crate::lock::lock;
use announcement::announcement;

/// Whether the descriptors of this process were handed out already.
static TAKEN: Mutex<bool> = Mutex::new(false);

/// Why the descriptors announced by `LISTEN_FDS` were not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InheritError {
    /// A variable of the protocol holds something that it cannot mean.
    #[error("the environment variable {variable} makes no sense")]
    Variable {
        /// Its name.
        variable: &'static str,
    },
    /// A passed descriptor is something else than a door's listener.
    #[error("passed descriptor {number} is not a listening SOCK_SEQPACKET Unix socket")]
    NotAListener {
        /// Its number.
        number: c_int,
    },
    /// The kernel refused an operation.
    #[error("{op} failed for a passed descriptor")]
    System {
        /// What was tried.
        op: &'static str,
        /// What the kernel said.
        source: Errno,
    },
}

/// Starts listening. (`nix` measures the backlog by the C library's `SOMAXCONN`, which is 128 on
/// musl.)
pub(crate) fn listen(socket: impl AsFd, backlog: c_int) -> Result<()> {
    // SAFETY: listen(2) takes two integers; `socket` is borrowed, so its number is open throughout.
    let outcome = unsafe { libc::listen(socket.as_fd().as_raw_fd(), backlog) };
    Errno::result(outcome).map(drop)
}

/// Gives a socket its address.
pub(crate) fn bind(socket: impl AsFd, address: &UnixAddr) -> Result<()> {
    socket::bind(socket.as_fd().as_raw_fd(), address)
}

/// Connects a socket.
pub(crate) fn connect(socket: impl AsFd, address: &UnixAddr) -> Result<()> {
    socket::connect(socket.as_fd().as_raw_fd(), address)
}

/// What a socket is bound to.
pub(crate) fn address(socket: impl AsFd) -> Result<UnixAddr> {
    socket::getsockname(socket.as_fd().as_raw_fd())
}

/// Takes the listening sockets that systemd, or whoever speaks its protocol, started this process
/// with.
///
/// All of them are verified before the first is owned: a wrong one among them leaves all untouched.
/// Each can have one owner only, so the second list is empty.
#[expect(
    clippy::disallowed_methods,
    reason = "passed descriptors are announced as numbers"
)]
pub(crate) fn take_passed() -> std::result::Result<Vec<(Option<String>, OwnedFd)>, InheritError> {
    let mut taken = lock(&TAKEN);
    if *taken {
        return Ok(Vec::new());
    }
    let announced = announcement(
        std::env::var_os("LISTEN_PID"),
        std::env::var_os("LISTEN_FDS"),
        std::env::var_os("LISTEN_FDNAMES"),
        std::process::id(),
    )?;
    for (number, _) in &announced {
        verify(*number)?;
    }
    *taken = true;
    let mut owned = Vec::with_capacity(announced.len());
    for (number, name) in announced {
        // SAFETY: `verify` found the number open. Whoever started us left it to this process id,
        // which is what LISTEN_PID says, and `TAKEN` lets it be adopted once only.
        let fd = unsafe { OwnedFd::from_raw_fd(number) };
        // A passed descriptor is never close-on-exec: it has just come through an exec.
        fcntl(&fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).map_err(|source| {
            InheritError::System {
                op: "fcntl(F_SETFD)",
                source,
            }
        })?;
        owned.push((name, fd));
    }
    Ok(owned)
}

/// Checks that a number is a listening `SOCK_SEQPACKET` socket of the Unix family.
fn verify(number: c_int) -> std::result::Result<(), InheritError> {
    let required = [
        (libc::SO_DOMAIN, libc::AF_UNIX),
        (libc::SO_TYPE, libc::SOCK_SEQPACKET),
        (libc::SO_ACCEPTCONN, 1),
    ];
    for (option, value) in required {
        match int_option(number, option) {
            Ok(found) if found == value => {}
            Ok(_) | Err(Errno::EBADF | Errno::ENOTSOCK) => {
                return Err(InheritError::NotAListener { number });
            }
            Err(source) => {
                return Err(InheritError::System {
                    op: "getsockopt",
                    source,
                });
            }
        }
    }
    Ok(())
}

/// Reads an integer socket option of whatever is open under a number.
fn int_option(number: c_int, option: c_int) -> Result<c_int> {
    let mut value: c_int = 0;
    let mut length = int_length()?;
    // SAFETY: the kernel writes at most `length` bytes, the size of `value`, and the new length;
    // both are live locals. It only looks at the descriptor, so a number that is not ours does no
    // harm.
    let outcome = unsafe {
        libc::getsockopt(
            number,
            libc::SOL_SOCKET,
            option,
            std::ptr::from_mut(&mut value).cast(),
            std::ptr::from_mut(&mut length),
        )
    };
    Errno::result(outcome).map(|_| value)
}

fn int_length() -> Result<socklen_t> {
    socklen_t::try_from(size_of::<c_int>()).map_err(|_| Errno::EOVERFLOW)
}
