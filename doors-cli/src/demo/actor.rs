//! A process of the demonstration, as its director sees it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use crate::failure::{Failure, Outcome};

/// No line of an actor takes longer, unless it stands for a file of many gigabytes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A process that is told lines and says lines. Killed and reaped when dropped.
#[derive(Debug)]
pub(crate) struct Actor {
    role: &'static str,
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Actor {
    /// Starts this very program in another role.
    pub(crate) fn start<S: AsRef<OsStr>>(
        role: &'static str,
        arguments: impl IntoIterator<Item = S>,
    ) -> Outcome<Self> {
        // Not by its path: that may lead to another program by now, or be closed to other users.
        let mut command = Command::new("/proc/self/exe");
        command
            .arg0("doors")
            .arg(format!("demo-{role}"))
            .args(arguments);
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child =
            started.map_err(|error| Failure::new(format!("cannot start a {role}: {error}")))?;
        let input = child.stdin.take();
        let (say, lines) = channel();
        if let Some(output) = child.stdout.take() {
            thread::spawn(move || {
                let lines = BufReader::new(output).lines().map_while(Result::ok);
                for line in lines {
                    if say.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        Ok(Self {
            role,
            child,
            input,
            lines,
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Tells it a line.
    pub(crate) fn tell(&mut self, line: &str) -> Outcome {
        let input = self.input.as_mut();
        let told = input.map(|input| writeln!(input, "{line}").and_then(|()| input.flush()));
        match told {
            Some(Ok(())) => Ok(()),
            _ => Err(Failure::new(format!("the {} process has ended", self.role))),
        }
    }

    /// The next thing it says, which must begin with `word`; what follows the word.
    pub(crate) fn hear(&mut self, word: &str) -> Outcome<String> {
        let said = self.listen()?;
        let (first, rest) = said.split_once(' ').unwrap_or((&said, ""));
        if first == word {
            Ok(rest.to_owned())
        } else {
            Err(Failure::new(format!(
                "the {} process said: {said}",
                self.role
            )))
        }
    }

    /// The next thing it says.
    pub(crate) fn listen(&mut self) -> Outcome<String> {
        self.lines.recv_timeout(PATIENCE).map_err(|error| {
            let what = match error {
                RecvTimeoutError::Timeout => "says nothing",
                RecvTimeoutError::Disconnected => "has ended",
            };
            Failure::new(format!("the {} process {what}", self.role))
        })
    }

    /// What it has said and nobody has heard.
    pub(crate) fn unheard(&self) -> Option<String> {
        self.lines.try_recv().ok()
    }

    /// Tells it something and hears the answer.
    pub(crate) fn ask(&mut self, line: &str, word: &str) -> Outcome<String> {
        self.tell(line)?;
        self.hear(word)
    }

    /// SIGKILL: it can do nothing about it.
    pub(crate) fn kill(&mut self) -> Outcome {
        let killed = self.child.kill().and_then(|()| self.child.wait());
        killed.map(drop).map_err(|error| {
            Failure::new(format!("cannot kill the {} process: {error}", self.role))
        })
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        // Of one that was killed before there is nothing left to kill.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
