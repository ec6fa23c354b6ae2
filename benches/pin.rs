//! Which processors the two sides may use.

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
}

impl Pin {
    /// As records say it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unpinned => "unpinned",
            Self::OneCpu => "one cpu",
            Self::OneEach => "one each",
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
            Pin::Unpinned => &self.0,
            Pin::OneCpu => self.0.get(..1).unwrap_or(&self.0),
            // With a single processor there is only one place.
            Pin::OneEach => self.0.get(1..2).unwrap_or(&self.0),
        }
    }

    pub(crate) fn for_client(&self, pin: Pin) -> &[usize] {
        match pin {
            Pin::Unpinned => &self.0,
            Pin::OneCpu | Pin::OneEach => self.0.get(..1).unwrap_or(&self.0),
        }
    }
}

/// This thread and what it starts, processes too, run there from now on.
pub(crate) fn to_processors(processors: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    for one in processors {
        set.set(*one)?;
    }
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}
