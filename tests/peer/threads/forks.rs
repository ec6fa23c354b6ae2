//! A creation callback that forks.
#![expect(unsafe_code, reason = "a callback that forks is under test")]

use std::sync::Mutex;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{ForkResult, Pid, fork, getpid};

/// This process and the child that was forked last.
static FORKED: Mutex<Option<(Pid, Pid)>> = Mutex::new(None);

/// Forks; both sides go on. The child does not outlive us.
pub(super) fn go_on_twice() {
    let parent = getpid();
    let mut forked = FORKED.lock().unwrap();
    // SAFETY: the child touches the lock that is held here, and what the library does with a fork; the C library
    // makes its allocator usable after a fork.
    match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child } => *forked = Some((parent, child)),
        ForkResult::Child => {
            set_pdeathsig(Signal::SIGKILL).unwrap();
            *forked = Some((parent, getpid()));
        }
    }
}

/// Whether this process is such a child.
pub(super) fn is_child() -> bool {
    let forked = FORKED.lock().unwrap();
    forked.is_some_and(|(parent, _)| parent != getpid())
}

/// What becomes of the child: `S` if it sleeps, `Z` if it has ended.
pub(super) fn fate_of_child() -> char {
    let (_, child) = FORKED.lock().unwrap().expect("the callback has forked");
    loop {
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap();
        let (_, after) = stat.rsplit_once(") ").unwrap();
        if let Some(state @ ('S' | 'Z')) = after.chars().next() {
            return state;
        }
        std::thread::yield_now();
    }
}
