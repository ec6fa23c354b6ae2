//! Serving the pipes of a running command, and ending it when it must end.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use super::command::Plan;

/// Between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(2);
/// A command that is told to end has ended, and its caller knows, after this time.
pub(super) const ENDS_WITHIN: Duration = Duration::from_secs(5);
/// How much of the end of the standard error goes to the caller.
const COMPLAINT_BYTES: usize = 4096;

/// Why a command was told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Cancelled,
    Stopped,
    TooLong,
}

/// What goes back and forth with a running command.
#[derive(Debug)]
pub(super) struct Run<'a> {
    /// What it has not read yet.
    data: &'a [u8],
    pub(super) output: Vec<u8>,
    pub(super) complaint: Vec<u8>,
    /// Set when it was told to end.
    pub(super) ended: Option<Ended>,
}

impl<'a> Run<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self {
            data,
            output: Vec::new(),
            complaint: Vec::new(),
            ended: None,
        }
    }

    /// Serves the command's pipes until it has exited.
    ///
    /// One thread owns the process id from its birth until it is reaped, so no signal can reach another process that got
    /// the number later.
    pub(super) fn attend(
        &mut self,
        mut child: Child,
        plan: &Plan<'_>,
        cancelled: &EventFd,
    ) -> io::Result<ExitStatus> {
        let group = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
        let watched = watch(group);
        let served =
            watched.and_then(|exited| self.serve(&mut child, &exited, plan, cancelled, group));
        if served.is_err() {
            let _gone = killpg(group, Signal::SIGKILL);
        }
        // The leader is dead but not reaped, so the number still means its group: nothing of it shall stay behind.
        let leftover = waitid(Id::Pid(group), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
        if leftover.is_ok() {
            let _none = killpg(group, Signal::SIGKILL);
        }
        let status = child.wait()?;
        served.map(|()| status)
    }

    fn serve(
        &mut self,
        child: &mut Child,
        exited: &EventFd,
        plan: &Plan<'_>,
        cancelled: &EventFd,
        group: Pid,
    ) -> io::Result<()> {
        let mut input = child.stdin.take();
        let mut output = child.stdout.take();
        let mut complaint = child.stderr.take();
        for pipe in [
            input.as_ref().map(AsFd::as_fd),
            output.as_ref().map(AsFd::as_fd),
            complaint.as_ref().map(AsFd::as_fd),
        ]
        .into_iter()
        .flatten()
        {
            // Our end only: the command's is another open file.
            fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        let mut kill_at: Option<Instant> = None;
        loop {
            if input.as_mut().is_some_and(|pipe| self.feed(pipe)) {
                input = None;
            }
            if output
                .as_mut()
                .is_some_and(|pipe| self.take_output(pipe, plan.answer_max))
            {
                output = None;
            }
            if complaint
                .as_mut()
                .is_some_and(|pipe| self.take_complaint(pipe))
            {
                complaint = None;
            }
            if is_readable(exited)? {
                // What it wrote before it exited is in the pipes; what others still hold open is not waited for.
                if let Some(pipe) = &mut output {
                    self.take_output(pipe, plan.answer_max);
                }
                if let Some(pipe) = &mut complaint {
                    self.take_complaint(pipe);
                }
                return Ok(());
            }
            let ended = match self.ended {
                None if is_readable(cancelled)? => Some(Ended::Cancelled),
                None if is_readable(plan.stop)? => Some(Ended::Stopped),
                other => other,
            };
            self.ended = ended;
            let now = Instant::now();
            if ended.is_some() && kill_at.is_none() {
                let _gone = killpg(group, Signal::SIGTERM);
                kill_at = now.checked_add(GRACE);
            }
            let kill = kill_at.is_some_and(|at| at <= now);
            if kill {
                let _gone = killpg(group, Signal::SIGKILL);
            }
            let mut fds = vec![PollFd::new(exited.as_fd(), PollFlags::POLLIN)];
            if ended.is_none() {
                fds.push(PollFd::new(cancelled.as_fd(), PollFlags::POLLIN));
                fds.push(PollFd::new(plan.stop.as_fd(), PollFlags::POLLIN));
            }
            if let Some(pipe) = &input {
                fds.push(PollFd::new(pipe.as_fd(), PollFlags::POLLOUT));
            }
            if let Some(pipe) = &output {
                fds.push(PollFd::new(pipe.as_fd(), PollFlags::POLLIN));
            }
            if let Some(pipe) = &complaint {
                fds.push(PollFd::new(pipe.as_fd(), PollFlags::POLLIN));
            }
            let timeout = match kill_at {
                Some(at) if !kill => {
                    let left = at.saturating_duration_since(now).as_millis();
                    PollTimeout::try_from(left.saturating_add(1)).unwrap_or(PollTimeout::NONE)
                }
                _ => PollTimeout::NONE,
            };
            match poll(&mut fds, timeout) {
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Gives the command what its pipe takes; true when there is no more to give, or nobody to take it.
    fn feed(&mut self, pipe: &mut impl Write) -> bool {
        while !self.data.is_empty() {
            match pipe.write(self.data) {
                Ok(count) => self.data = self.data.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
            }
        }
        true
    }

    /// Takes what there is; true at the end.
    fn take_output(&mut self, pipe: &mut impl Read, limit: usize) -> bool {
        let mut buffer = [0; 16 * 1024];
        loop {
            match take(pipe, &mut buffer) {
                Some([]) => return true,
                Some(bytes) if self.output.len().saturating_add(bytes.len()) > limit => {
                    self.ended.get_or_insert(Ended::TooLong);
                    return true;
                }
                Some(bytes) => self.output.extend_from_slice(bytes),
                None => return false,
            }
        }
    }

    /// Passes on what there is, and keeps its end; true at the end.
    fn take_complaint(&mut self, pipe: &mut impl Read) -> bool {
        let mut buffer = [0; COMPLAINT_BYTES];
        // Bounded, so that a command that does nothing but complain cannot keep us from the rest.
        for _ in 0..32 {
            match take(pipe, &mut buffer) {
                Some([]) => return true,
                Some(bytes) => {
                    let _unheard = io::stderr().write_all(bytes);
                    self.complaint.extend_from_slice(bytes);
                    let surplus = self.complaint.len().saturating_sub(COMPLAINT_BYTES);
                    self.complaint.drain(..surplus);
                }
                None => return false,
            }
        }
        false
    }
}

/// What a pipe has at the moment: nothing yet, or bytes, none at its end.
fn take<'a>(pipe: &mut impl Read, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    match pipe.read(buffer) {
        Ok(count) => Some(buffer.get(..count).unwrap_or_default()),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
            ) =>
        {
            None
        }
        Err(_) => Some(&[]),
    }
}

/// An event that becomes readable when the process has exited; it stays unreaped.
fn watch(process: Pid) -> io::Result<Arc<EventFd>> {
    let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
    let exited = Arc::new(EventFd::from_flags(flags)?);
    let told = Arc::clone(&exited);
    thread::Builder::new()
        .name("wait-command".into())
        .spawn(move || {
            let options = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
            while waitid(Id::Pid(process), options) == Err(nix::errno::Errno::EINTR) {}
            let _full = told.write(1);
        })?;
    Ok(exited)
}

fn is_readable(event: &EventFd) -> io::Result<bool> {
    let mut fds = [PollFd::new(event.as_fd(), PollFlags::POLLIN)];
    Ok(poll(&mut fds, PollTimeout::ZERO)? > 0)
}
