//! A process with the pid of one that has gone.
#![expect(
    unsafe_code,
    reason = "clone3(2), which gives a process the pid that it is to have, has no wrapper"
)]

use std::os::fd::{AsRawFd, OwnedFd};

use harness::raw::{self, Packet, kind};
use harness::skipped;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, UnixAddr, connect, recv, send};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::served::Served;

/// How often it is tried: the server remembers for some milliseconds who has called.
const ROUNDS: usize = 40;

/// Runs `does` in a child with this pid (0: any), which has our descriptors, and waits for its end. What it runs makes system
/// calls only: other threads of ours may have had any lock. The child's pid.
fn child(pid: i32, does: impl FnOnce() -> nix::Result<()>) -> nix::Result<i32> {
    // SAFETY: `clone_args` consists of integers, for which zeros are a value.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = u64::try_from(libc::CLONE_FILES).unwrap();
    arguments.exit_signal = u64::try_from(libc::SIGCHLD).unwrap();
    let wanted = [pid];
    if pid != 0 {
        arguments.set_tid = u64::try_from(wanted.as_ptr().addr()).unwrap();
        arguments.set_tid_size = 1;
    }
    // SAFETY: without CLONE_VM this is fork(2): the child has a copy of our memory and goes on here. The arguments and
    // what they point at live across the call, and their size is given.
    let born = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw const arguments,
            size_of_val(&arguments),
        )
    };
    let born = Errno::result(born)?;
    if born == 0 {
        let status = i32::from(does().is_err());
        // SAFETY: ends the child at once, without what else is done at the end of a process.
        unsafe { libc::_exit(status) };
    }
    let born = i32::try_from(born).unwrap();
    let end = waitpid(Pid::from_raw(born), None)?;
    assert_eq!(end, WaitStatus::Exited(Pid::from_raw(born), 0));
    Ok(born)
}

/// An open socket that is not connected.
fn fresh() -> OwnedFd {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
    let flags = SockFlag::SOCK_CLOEXEC;
    socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).unwrap()
}

#[test]
fn case_118_a_process_with_the_pid_of_one_that_has_called_does_not_call_in_its_name() {
    let served = Served::new("case_118d");
    let address = UnixAddr::new(&served.path).unwrap();
    let honest = Packet::new(kind::CALL).u64(1).u32(0).payload(b"eours");
    let honest = honest.bytes();
    let foreign = Packet::new(kind::CALL).u64(1).u32(0).payload(b"eforeign");
    let foreign = foreign.bytes();
    let mut left = Vec::new();
    let mut pid = 0;
    for _ in 0..ROUNDS {
        let (called, kept) = (fresh(), fresh());
        let (first, second) = (called.as_raw_fd(), kept.as_raw_fd());
        // It calls, and is known; then it connects once more, and goes.
        let gone = child(pid, || {
            connect(first, &address)?;
            send(first, &honest, MsgFlags::MSG_NOSIGNAL)?;
            let answered = recv(first, &mut [0; 64], MsgFlags::empty())?;
            connect(second, &address)?;
            (answered > 0).then_some(()).ok_or(Errno::EPIPE)
        });
        let gone = match gone {
            // Somebody else has it by now.
            Err(Errno::EEXIST) => {
                pid = 0;
                continue;
            }
            gone => gone.unwrap(),
        };
        let reborn = child(gone, || {
            send(second, &foreign, MsgFlags::MSG_NOSIGNAL).map(drop)
        });
        match reborn {
            Ok(number) => assert_eq!(number, gone),
            Err(Errno::EPERM | Errno::ENOSYS | Errno::EINVAL) => {
                return skipped("pids cannot be chosen here");
            }
            Err(Errno::EEXIST) => continue,
            Err(other) => panic!("{other}"),
        }
        pid = gone;
        // It has no answer, which would be read as one to a call of whoever connected; nor has it been run: there is
        // nothing but the end, once ours has been told.
        served.still_serves();
        drop(called);
        left.push(kept);
    }
    assert!(!left.is_empty(), "nobody was reborn");
    // The server has read all of them: a call that comes later is answered.
    served.still_serves();
    for kept in &left {
        assert_eq!(raw::waiting_bytes(kept), 0, "it was answered");
    }
    drop(left);
    served.is_sound();
}
