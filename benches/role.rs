//! The processes of a measurement: this very program, started again with a hidden first argument.

use std::ffi::OsString;
use std::io::{BufRead, Write};

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::getppid;
use serde::{Deserialize, Serialize};

use crate::client;
use crate::job::Job;
use crate::peer::{OURS, Peer};
use crate::process::raise_descriptors;
use crate::work::death;
use crate::{Result, nursery, pin};

/// The first argument of a process of a measurement; a program that uses this suite gives what follows to [`play`].
pub const ROLE: &str = "bench-role";

/// What a process says first when it cannot do its part; the reason follows in the same line.
pub(crate) const FAILURE: &str = "failure: ";

/// No process of a measurement lives longer.
const LIFE_SECONDS: u32 = 1800;

/// What a process of a measurement is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Role {
    /// Serves until its input ends.
    Server(Job),
    /// Connects, and measures a round for each line that it hears.
    Client(Job),
    /// Calls once and then sits there.
    Holder(Job),
    /// Is busy on one processor.
    Burner(usize),
    /// Makes client processes.
    Nursery(Job),
    /// Calls servers that will be killed.
    Mourner(Job),
}

impl Role {
    /// As errors call it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Server(_) => "server",
            Self::Client(_) | Self::Holder(_) | Self::Mourner(_) => "client",
            Self::Burner(_) => "busy process",
            Self::Nursery(_) => "maker of clients",
        }
    }
}

/// Is the process that the arguments after [`ROLE`] describe; returns when its part is over.
///
/// # Errors
/// It was not told a part. If it cannot do its part, whoever started it is told, and says so.
pub fn play(arguments: &[OsString], more: &'static [&'static dyn Peer]) -> Result<()> {
    // Whatever happens to who started this process, it ends.
    set_pdeathsig(Signal::SIGKILL)?;
    nix::unistd::alarm::set(LIFE_SECONDS);
    let [starter, role] = arguments else {
        return Err("who starts it and a role are wanted".into());
    };
    // It may have ended before the signal was asked for.
    if getppid().to_string().as_str() != starter {
        return Ok(());
    }
    let role: Role = serde_json::from_str(role.to_str().ok_or("a role is text")?)?;
    act(role, more).or_else(|error| say(&format!("{FAILURE}{error}")))
}

fn act(role: Role, more: &'static [&'static dyn Peer]) -> Result<()> {
    match role {
        Role::Server(job) => {
            raise_descriptors()?;
            let service = find(&job.peer, more)?.serve(&job)?;
            say("ready")?;
            until_input_ends()?;
            // Threads of the service may be in the middle of something that nobody waits for.
            drop(service);
            std::process::exit(0);
        }
        Role::Client(job) => {
            raise_descriptors()?;
            client::run(find(&job.peer, more)?, &job)
        }
        Role::Holder(job) => {
            let mut callers = find(&job.peer, more)?.connect(&job)?;
            for caller in &mut callers {
                caller.call(&vec![0; job.size], &mut Vec::new())?;
            }
            say("ready")?;
            until_input_ends()?;
            drop(callers);
            Ok(())
        }
        Role::Burner(processor) => {
            pin::to_processors(&[processor])?;
            say("ready")?;
            loop {
                std::hint::spin_loop();
            }
        }
        Role::Nursery(job) => nursery::run(&job),
        Role::Mourner(job) => death::mourn(find(&job.peer, more)?, &job),
    }
}

fn find(name: &str, more: &'static [&'static dyn Peer]) -> Result<&'static dyn Peer> {
    let mut all = OURS.iter().chain(more);
    let peer = all.find(|peer| peer.name() == name);
    peer.copied()
        .ok_or_else(|| format!("no peer {name}").into())
}

/// Says a line to whoever started this process.
pub(crate) fn say(line: &str) -> Result<()> {
    let mut output = std::io::stdout().lock();
    output.write_all(format!("{line}\n").as_bytes())?;
    Ok(output.flush()?)
}

fn until_input_ends() -> Result<()> {
    for line in std::io::stdin().lock().lines() {
        line?;
    }
    Ok(())
}
