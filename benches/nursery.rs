//! Client processes by the thousand: forked, so that they share all the memory that they do not touch.
#![expect(unsafe_code, reason = "fork(2)")]

use std::io::BufRead;
use std::path::Path;

use doors::Door;
use nix::sys::prctl::{set_dumpable, set_pdeathsig};
use nix::sys::signal::Signal;
use nix::unistd::{
    ForkResult, Gid, Pid, Uid, fork, geteuid, getpid, getppid, pause, setgroups, setresgid,
    setresuid,
};

use crate::Result;
use crate::job::{Job, Kind};
use crate::role::say;

/// For each line of input, which is a number: so many more client processes, each of which says a line.
pub(crate) fn run(job: &Job) -> Result<()> {
    let calls = match job.kind {
        Kind::Doors(calls) => calls,
        _ => crate::peer::QUIET_CALLS,
    };
    let path = job.path("door");
    let nursery = getpid();
    say("ready")?;
    let mut users = users().iter().cycle();
    for line in std::io::stdin().lock().lines() {
        let more: usize = line?.parse()?;
        for _ in 0..more {
            let user = users.next().copied();
            // SAFETY: this process has a single thread and has never used a door; a child may do anything then
            // (fork(2)).
            let forked = unsafe { fork() };
            match forked {
                Ok(ForkResult::Parent { .. }) => {}
                Ok(ForkResult::Child) => client(&path, calls, nursery, user),
                Err(error) => say(&format!("failed fork: {error}"))?,
            }
        }
    }
    Ok(())
}

/// Whose the clients are, in turn: nobody in particular, and enough of them that what a server leaves to other users is
/// used, too. Whoever is not the superuser has only itself.
pub(crate) fn users() -> &'static [u32] {
    const NOBODIES: &[u32] = &[65533, 65534];
    if geteuid().is_root() { NOBODIES } else { &[] }
}

/// From now on this is another user's process; it may be looked at as before (prctl(2), `PR_SET_DUMPABLE`).
fn become_user(user: u32) -> Result<()> {
    let (group, user) = (Gid::from_raw(user), Uid::from_raw(user));
    setgroups(&[])?;
    setresgid(group, group, group)?;
    setresuid(user, user, user)?;
    Ok(set_dumpable(true)?)
}

/// Opens the door, calls, says so, and sits there until the nursery ends.
fn client(path: &Path, calls: usize, nursery: Pid, user: Option<u32>) -> ! {
    // Who becomes another user forgets the signal (PR_SET_PDEATHSIG(2const)).
    let done = user
        .map_or(Ok(()), become_user)
        .and_then(|()| Ok(set_pdeathsig(Signal::SIGKILL)?))
        .and_then(|()| quiet(path, calls));
    // The nursery may have ended before the line above.
    if getppid() != nursery {
        std::process::exit(1);
    }
    match done {
        Ok(door) => {
            let _heard = say("quiet");
            loop {
                pause();
                std::hint::black_box(&door);
            }
        }
        Err(error) => {
            let _heard = say(&format!("failed {error}"));
            std::process::exit(1);
        }
    }
}

fn quiet(path: &Path, calls: usize) -> Result<Door> {
    let door = Door::open(path)?;
    for _ in 0..calls {
        door.call(&[0; 8], vec![])?;
    }
    Ok(door)
}
