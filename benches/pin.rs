//! Which processors the two sides may use.

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::Result;

/// Where the two sides run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pin {
    /// Wherever the scheduler likes.
    Unpinned,
    /// Both on the same processor.
    OneCpu,
    /// Each on a processor of its own.
    OneEach,
    /// Wherever the scheduler likes, but each round begins with a processor for each.
    BegunApart,
}

impl Pin {
    /// As records say it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unpinned => "unpinned",
            Self::OneCpu => "one cpu",
            Self::OneEach => "one each",
            Self::BegunApart => "begun apart",
        }
    }
}

/// The processors that this process may use, from which each side gets its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Processors(Vec<usize>);

impl Processors {
    pub(crate) fn ours() -> Result<Self> {
        let set = sched_getaffinity(Pid::from_raw(0))?;
        let ours = (0..CpuSet::count()).filter(|one| set.is_set(*one).unwrap_or(false));
        Ok(Self(ours.collect()))
    }

    pub(crate) fn all(&self) -> &[usize] {
        &self.0
    }

    pub(crate) fn for_server(&self, pin: Pin) -> &[usize] {
        match pin {
            Pin::Unpinned | Pin::BegunApart => &self.0,
            Pin::OneCpu => self.0.get(..1).unwrap_or(&self.0),
            // With a single processor there is only one place.
            Pin::OneEach => self.0.get(1..2).unwrap_or(&self.0),
        }
    }

    pub(crate) fn for_client(&self, pin: Pin) -> &[usize] {
        match pin {
            Pin::Unpinned | Pin::BegunApart => &self.0,
            Pin::OneCpu | Pin::OneEach => self.0.get(..1).unwrap_or(&self.0),
        }
    }
}

/// The processor under this thread.
pub(crate) fn processor() -> u32 {
    let cpu = nix::sched::sched_getcpu().unwrap_or_default();
    u32::try_from(cpu).unwrap_or_default()
}

/// Lets a server's threads and this one run on different processors for a few calls, which `call` makes; then both may go
/// wherever they like again. Where a thread runs when nothing moves it is where it ran before.
pub(crate) fn begin_apart(server: i32, mut call: impl FnMut() -> Result<()>) -> Result<()> {
    let ours = Processors::ours()?;
    threads_to(server, ours.for_server(Pin::OneEach))?;
    to_processors(ours.for_client(Pin::OneEach))?;
    for _ in 0..CALLS_APART {
        call()?;
    }
    to_processors(ours.all())?;
    threads_to(server, ours.all())
}

/// After so many a server's thread has been woken where it may run.
const CALLS_APART: usize = 4;

/// All threads of a process, which may end meanwhile.
fn threads_to(pid: i32, processors: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    for one in processors {
        set.set(*one)?;
    }
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let name = task?.file_name();
        let thread = name.to_str().ok_or("a thread without a number")?.parse()?;
        match sched_setaffinity(Pid::from_raw(thread), &set) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// This thread and what it starts, processes too, run there from now on.
pub(crate) fn to_processors(processors: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    for one in processors {
        set.set(*one)?;
    }
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}
