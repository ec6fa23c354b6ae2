//! A process of the test that does what it is told.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A peer process. It is killed and reaped when dropped.
#[derive(Debug)]
pub struct Peer {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts `program` with an operation code and its arguments.
    pub fn start(program: impl AsRef<Path>, operation: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(program.as_ref());
        command.arg(operation).args(arguments);
        Self::start_command(command)
    }

    /// Starts a command whose input and output the test talks to.
    #[must_use]
    pub fn start_command(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start a peer process");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("the peer's output is piped"));
        Self {
            child,
            input,
            output,
        }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line that it says; empty at its end.
    pub fn hear(&mut self) -> String {
        let mut line = String::new();
        self.output
            .read_line(&mut line)
            .expect("read from the peer");
        line.trim_end().to_owned()
    }

    /// Waits for a line and demands what it is.
    pub fn expect(&mut self, line: &str) {
        let heard = self.hear();
        assert_eq!(heard, line, "the peer said something else");
    }

    /// Tells it a line.
    pub fn say(&mut self, line: &str) {
        let input = self.input.as_mut().expect("the peer's input is open");
        writeln!(input, "{line}").expect("write to the peer");
        input.flush().expect("write to the peer");
    }

    /// Tells it one command; what it says to that.
    pub fn query(&mut self, command: &str) -> String {
        self.say(command);
        self.hear()
    }

    /// Tells it one command, and asserts that it says this to it.
    pub fn ask(&mut self, command: &str, answer: &str) {
        assert_eq!(self.query(command), answer, "the answer to {command}");
    }

    /// Closes its input, which tells it to finish.
    pub fn finish(&mut self) -> ExitStatus {
        drop(self.input.take());
        self.child.wait().expect("wait for the peer")
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).expect("a pid fits"));
        kill(pid, signal).expect("signal the peer");
    }

    /// Stops it; comes back when all of its threads stand still.
    pub fn stop(&self) {
        self.signal(Signal::SIGSTOP);
        let stands = |task: std::fs::DirEntry| {
            let status = std::fs::read_to_string(task.path().join("status")).unwrap();
            status.contains("State:\tT")
        };
        loop {
            let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
            if tasks.flatten().all(stands) {
                return;
            }
            std::thread::yield_now();
        }
    }

    /// Kills it without warning, and reaps it.
    pub fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        self.child.wait().expect("wait for the peer");
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
