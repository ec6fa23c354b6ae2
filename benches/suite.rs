//! A run: what is measured, for how long, in which directory.

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use crate::Result;
use crate::peer::Peer;
use crate::pin::Processors;
use crate::record::Record;
use crate::stage::{Stage, remove};
use crate::work::Work;

/// No work takes longer; one that does hangs.
const WATCHDOG: Duration = Duration::from_mins(20);

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Rounds that count.
    pub rounds: usize,
    /// The rounds of what is measured in passes, a few of each setting in each.
    pub passes: &'static [usize],
    /// How long one peer is measured in one round, as a rule.
    pub slice: Duration,
    /// A quick look rather than figures to rely on.
    pub quick: bool,
    /// Of the works that [limits](crate::limits::far) compare with a peer of the other workspace, what they compare.
    pub compared: bool,
}

impl Plan {
    /// Figures to rely on.
    pub const FULL: Self = Self {
        rounds: 7,
        passes: &[1; 12],
        slice: Duration::from_millis(400),
        quick: false,
        compared: false,
    };

    /// Figures to rely on, beside so many peers that they would take too long otherwise.
    pub const WIDE: Self = Self {
        rounds: 5,
        passes: &[3, 2],
        slice: Duration::from_millis(250),
        quick: false,
        compared: false,
    };

    /// A quick look.
    pub const QUICK: Self = Self {
        rounds: 5,
        passes: &[5],
        slice: Duration::from_millis(20),
        quick: true,
        compared: false,
    };

    /// How it is measured, in words.
    #[must_use]
    pub fn says(&self) -> String {
        let quick = if self.quick {
            " (a quick look, no figures to rely on)"
        } else {
            ""
        };
        let (rounds, passes) = (self.passes.iter().sum::<usize>(), self.passes.len());
        format!(
            "{} rounds, interleaved (many clients, and short pauses: {rounds} in {passes} passes); medians (min - max){quick}",
            self.rounds
        )
    }

    /// How long a slice is that needs another length than the usual one; beside many peers it is shortened as that one is.
    pub(crate) fn slice(&self, full: Duration, quick: Duration) -> Duration {
        let usual = Self::FULL.slice.as_micros().max(1);
        let ours = self.slice.as_micros();
        let shortened = full.as_micros().saturating_mul(ours).div_euclid(usual);
        let full = Duration::from_micros(u64::try_from(shortened).unwrap_or(u64::MAX));
        self.pick(full, quick)
    }

    /// The one or the other value.
    pub(crate) fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}

/// A run.
#[derive(Debug)]
pub(crate) struct Suite {
    pub(crate) plan: Plan,
    pub(crate) stage: Stage,
    pub(crate) processors: Processors,
    /// Peers beside ours.
    pub(crate) more: &'static [&'static dyn Peer],
    rooms: Cell<usize>,
}

impl std::fmt::Debug for dyn Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Suite {
    /// A fresh directory for one server.
    pub(crate) fn room(&self) -> Result<PathBuf> {
        let number = self.rooms.get();
        self.rooms.set(number.saturating_add(1));
        self.stage.room(&number.to_string())
    }
}

/// Measures works, one after another; `done` hears the records of each.
///
/// # Errors
/// A work that cannot be measured; those before it have been heard.
pub fn run(
    plan: Plan,
    works: &[&'static Work],
    more: &'static [&'static dyn Peer],
    mut done: impl FnMut(&[Record]) -> Result<()>,
) -> Result<Vec<Record>> {
    let suite = Suite {
        plan,
        stage: Stage::new()?,
        processors: Processors::ours()?,
        more,
        rooms: Cell::new(0),
    };
    let mut all = Vec::new();
    for work in works {
        let records = watched(&suite, work)?;
        done(&records)?;
        all.extend(records);
    }
    Ok(all)
}

/// One work, under a watchdog.
fn watched(suite: &Suite, work: &Work) -> Result<Vec<Record>> {
    let (_alive, over) = channel::<()>();
    let path = suite.stage.path().to_owned();
    let name = work.name;
    thread::spawn(move || {
        if over.recv_timeout(WATCHDOG) == Err(RecvTimeoutError::Timeout) {
            eprintln!("{name} hangs since {WATCHDOG:?}");
            remove(&path);
            // The other processes end with this one.
            std::process::exit(1);
        }
    });
    let measured = (work.run)(suite);
    while suite.stage.is_ending() {
        thread::park();
    }
    measured.map_err(|error| format!("{name}: {error}").into())
}
