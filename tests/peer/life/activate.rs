//! A service manager that makes the listener before it starts the server.
#![expect(unsafe_code, reason = "descriptor 3 is passed by its number")]

use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
};
use nix::unistd::{ForkResult, fork, getpid};

/// Listens at a path and starts a server for it, which talks in its stead. It stays until the server has ended. If there is a
/// path for that, it has the listener block again once the server has made it ready, and says so by a file there.
pub(super) fn run(path: &str, blocks: Option<&str>) {
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
            if let Some(file) = blocks {
                block_again(&listener);
                std::fs::File::create(file).unwrap();
            }
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

fn block_again(listener: impl AsFd) {
    let flags = || OFlag::from_bits_retain(fcntl(&listener, FcntlArg::F_GETFL).unwrap());
    while !flags().contains(OFlag::O_NONBLOCK) {
        std::thread::yield_now();
    }
    fcntl(&listener, FcntlArg::F_SETFL(flags() - OFlag::O_NONBLOCK)).unwrap();
}
