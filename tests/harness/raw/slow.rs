//! Descriptors whose last close does not return.

use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;

use nix::sys::socket::{setsockopt, sockopt};

/// A socket that is slow to close. Whoever closes it last waits: a test has the receiver stop until its own is closed.
#[derive(Debug)]
pub struct Slow {
    /// Its last close waits for ten minutes, or until the other end goes.
    pub socket: OwnedFd,
    /// Takes no bytes. Its close resets the connection, and ends every close that waits.
    pub other: OwnedFd,
}

impl Slow {
    /// A TCP socket that lingers over bytes which nobody takes (`SO_LINGER`, socket(7)).
    #[must_use]
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // Little is enough, and many of them must not fill the memory of the kernel.
        setsockopt(&listener, sockopt::RcvBuf, &4096).unwrap();
        let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (other, _) = listener.accept().unwrap();
        setsockopt(&one, sockopt::SndBuf, &4096).unwrap();
        one.set_nonblocking(true).unwrap();
        while std::io::Write::write(&mut &one, &[0; 4096]).is_ok() {}
        let linger = libc::linger {
            l_onoff: 1,
            l_linger: 600,
        };
        // A close of a non-blocking socket lingers all the same.
        setsockopt(&one, sockopt::Linger, &linger).unwrap();
        Self {
            socket: one.into(),
            other: other.into(),
        }
    }
}

impl Default for Slow {
    fn default() -> Self {
        Self::new()
    }
}
