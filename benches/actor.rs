//! A process of a measurement, as its director sees it.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

use crate::Result;
use crate::role::{ROLE, Role};

/// Nothing that an actor is told to do takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process that is told lines and says lines. Killed and reaped when dropped.
#[derive(Debug)]
pub(crate) struct Actor {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    pid: Pid,
    clock: ClockId,
}

impl Actor {
    /// Starts this very program in a role, and waits until it is ready.
    pub(crate) fn start(role: &Role) -> Result<Self> {
        let mut actor = Self::launch(role)?;
        actor.hear("ready")?;
        Ok(actor)
    }

    /// Starts without waiting.
    pub(crate) fn launch(role: &Role) -> Result<Self> {
        // Not by its path: that may lead to another program by now.
        let mut command = Command::new("/proc/self/exe");
        command.arg0("doors-bench").arg(ROLE);
        command.arg(serde_json::to_string(role)?);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().ok_or("no output")?);
        let pid = Pid::from_raw(i32::try_from(child.id())?);
        let clock = ClockId::pid_cpu_clock_id(pid)?;
        Ok(Self {
            child,
            input,
            output,
            pid,
            clock,
        })
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Processor time of all its threads, also of those that have ended.
    pub(crate) fn busy(&self) -> Result<Duration> {
        Ok(clock_gettime(self.clock)?.into())
    }

    pub(crate) fn tell(&mut self, line: &str) -> Result<()> {
        let input = self.input.as_mut().ok_or("the process has ended")?;
        input.write_all(format!("{line}\n").as_bytes())?;
        Ok(input.flush()?)
    }

    /// The next line that it says.
    pub(crate) fn listen(&mut self) -> Result<String> {
        self.listen_for(PATIENCE)
    }

    /// The same, with another patience.
    pub(crate) fn listen_for(&mut self, patience: Duration) -> Result<String> {
        if self.output.buffer().is_empty() {
            let mut output = [PollFd::new(
                self.output.get_ref().as_fd(),
                PollFlags::POLLIN,
            )];
            if poll(&mut output, PollTimeout::try_from(patience)?)? == 0 {
                return Err("a process of the measurement says nothing".into());
            }
        }
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err("a process of the measurement has ended".into());
        }
        line.truncate(line.trim_end().len());
        Ok(line)
    }

    /// The next line, which must be this one.
    pub(crate) fn hear(&mut self, wanted: &str) -> Result<()> {
        let said = self.listen()?;
        if said == wanted {
            Ok(())
        } else {
            Err(format!("a process of the measurement said: {said}").into())
        }
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        // Of one that was killed before there is nothing left to kill.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
