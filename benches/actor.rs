//! A process of a measurement, as its director sees it.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

use crate::Result;
use crate::role::{FAILURE, ROLE, Role};

/// Nothing that an actor is told to do takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process that is told lines and says lines. Killed and reaped when dropped.
#[derive(Debug)]
pub(crate) struct Actor {
    what: &'static str,
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

    /// The same for a client of that server.
    pub(crate) fn start_beside(role: &Role, server: &mut Self) -> Result<Self> {
        let mut actor = Self::launch(role)?;
        let said = actor.listen_beside(server)?;
        actor.expect(&said, "ready")?;
        Ok(actor)
    }

    /// Starts without waiting.
    fn launch(role: &Role) -> Result<Self> {
        // Not by its path: that may lead to another program by now.
        let mut command = Command::new("/proc/self/exe");
        command.arg0("doors-bench").arg(ROLE);
        command.arg(nix::unistd::getpid().to_string());
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
            what: role.name(),
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
        let written = self.input.as_mut().map(|input| {
            input.write_all(format!("{line}\n").as_bytes())?;
            input.flush()
        });
        match written {
            Some(Ok(())) => Ok(()),
            _ => Err(self.has_ended()),
        }
    }

    /// The next line that it says.
    pub(crate) fn listen(&mut self) -> Result<String> {
        self.listen_for(PATIENCE)
    }

    /// The same, with another patience.
    pub(crate) fn listen_for(&mut self, patience: Duration) -> Result<String> {
        let is_silent = self.output.buffer().is_empty();
        if is_silent && !self.is_heard(patience)? {
            return Err(format!("the {} says nothing", self.what).into());
        }
        self.read()
    }

    /// The next line that it says, unless its server ends: some peers do not notice that.
    pub(crate) fn listen_beside(&mut self, server: &mut Self) -> Result<String> {
        if self.output.buffer().is_empty() {
            let mut both = [
                PollFd::new(self.output.get_ref().as_fd(), PollFlags::POLLIN),
                // Only its end is waited for, not what it says.
                PollFd::new(server.output.get_ref().as_fd(), PollFlags::empty()),
            ];
            if poll(&mut both, PollTimeout::try_from(PATIENCE)?)? == 0 {
                return Err(format!("the {} says nothing", self.what).into());
            }
            let [_, gone] = both.map(|one| one.any().unwrap_or_default());
            if gone {
                // A client that has noticed says the same in other words.
                return Err(server.has_ended());
            }
        }
        self.read()
    }

    fn is_heard(&self, patience: Duration) -> Result<bool> {
        let mut output = [PollFd::new(
            self.output.get_ref().as_fd(),
            PollFlags::POLLIN,
        )];
        Ok(poll(&mut output, PollTimeout::try_from(patience)?)? > 0)
    }

    fn read(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err(self.has_ended());
        }
        line.truncate(line.trim_end().len());
        match line.strip_prefix(FAILURE) {
            Some(failure) => Err(failure.into()),
            None => Ok(line),
        }
    }

    /// Why it says and hears nothing any more; it has closed its end, so it is gone in a moment.
    fn has_ended(&mut self) -> crate::Error {
        match self.child.wait() {
            Ok(status) => format!("the {} has ended: {status}", self.what).into(),
            Err(error) => error.into(),
        }
    }

    /// The next line, which must be this one.
    pub(crate) fn hear(&mut self, wanted: &str) -> Result<()> {
        let said = self.listen()?;
        self.expect(&said, wanted)
    }

    fn expect(&self, said: &str, wanted: &str) -> Result<()> {
        if said == wanted {
            Ok(())
        } else {
            Err(format!("the {} said: {said}", self.what).into())
        }
    }

    /// Ends its input, and lets it tidy up for a moment.
    pub(crate) fn end(&mut self) {
        drop(self.input.take());
        let tries = 500;
        for _ in 0..tries {
            // Whatever the error is, it is killed when dropped.
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(2));
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
