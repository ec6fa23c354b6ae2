//! A service manager that makes the listener before it starts the server.
#![expect(unsafe_code, reason = "descriptor 3 is passed by its number")]

use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
};
use nix::unistd::{ForkResult, fork, getpid};

/// Listens at a path and starts a server for it, which talks in its stead. It stays until the server has ended.
pub(super) fn run(path: &str) {
    let listener = socket(
        AddressFamily::Unix,
        SockType::SeqPacket,
        SockFlag::empty(),
        None,
    );
    let listener = listener.unwrap();
    bind(listener.as_raw_fd(), &UnixAddr::new(path).unwrap()).unwrap();
    listen(&listener, Backlog::new(16).unwrap()).unwrap();
    // SAFETY: this process has one thread, so that the child may do what it could have done.
    match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child } => {
            nix::sys::wait::waitpid(child, None).unwrap();
        }
        ForkResult::Child => {
            // SAFETY: nobody else in this process knows descriptor 3; if it is the listener, this does nothing.
            unsafe { libc::dup2(listener.as_raw_fd(), 3) };
            let error = Command::new(std::env::current_exe().unwrap())
                .arg("life-server")
                .env("LISTEN_PID", getpid().to_string())
                .env("LISTEN_FDS", "1")
                .exec();
            panic!("exec: {error}")
        }
    }
}
