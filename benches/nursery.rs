//! Client processes by the thousand: forked, so that they share all the memory that they do not touch.
#![expect(unsafe_code, reason = "fork(2)")]

use std::io::BufRead;
use std::path::Path;

use doors::Door;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{ForkResult, Pid, fork, getpid, getppid, pause};

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
    for line in std::io::stdin().lock().lines() {
        let more: usize = line?.parse()?;
        for _ in 0..more {
            // SAFETY: this process has a single thread and has never used a door; a child may do anything then
            // (fork(2)).
            let forked = unsafe { fork() };
            match forked {
                Ok(ForkResult::Parent { .. }) => {}
                Ok(ForkResult::Child) => client(&path, calls, nursery),
                Err(error) => say(&format!("failed fork: {error}"))?,
            }
        }
    }
    Ok(())
}

/// Opens the door, calls, says so, and sits there until the nursery ends.
fn client(path: &Path, calls: usize, nursery: Pid) -> ! {
    let done = set_pdeathsig(Signal::SIGKILL)
        .map_err(Into::into)
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
