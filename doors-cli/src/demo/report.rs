//! What the demonstration prints.

use std::fmt::Write;
use std::time::Instant;

use crate::failure::{Failure, Outcome};
use crate::figures::duration;
use crate::output::print;

/// What became of a step.
#[derive(Debug)]
pub(crate) enum Step {
    /// It held: what was done, and what was seen, a line each.
    Held(Vec<String>),
    /// It could not be shown here, and why.
    Skipped(String),
}

/// Numbers the steps and counts them.
#[derive(Debug)]
pub(crate) struct Report {
    since: Instant,
    number: usize,
    held: usize,
    skipped: usize,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self {
            since: Instant::now(),
            number: 0,
            held: 0,
            skipped: 0,
        }
    }

    /// Runs a step under its title. A step that does not hold ends the demonstration: the next ones stand on it.
    pub(crate) fn step(&mut self, title: &str, run: impl FnOnce() -> Outcome<Step>) -> Outcome {
        self.number = self.number.saturating_add(1);
        // Before it runs, so that a step that hangs can be named.
        print(format!("{:>2}. {title}\n", self.number))?;
        match run() {
            Ok(Step::Held(lines)) => {
                self.held = self.held.saturating_add(1);
                print(lines.iter().fold(String::new(), |mut text, line| {
                    let _infallible = writeln!(text, "      {line}");
                    text
                }))
            }
            Ok(Step::Skipped(why)) => {
                self.skipped = self.skipped.saturating_add(1);
                print(format!("      skipped: {why}\n"))
            }
            Err(failure) => {
                print(format!("      DID NOT HOLD: {}\n", failure.text))?;
                Err(Failure::new(format!(
                    "step {} of the demonstration did not hold: {}",
                    self.number, failure.text
                )))
            }
        }
    }

    /// The last line.
    pub(crate) fn end(&self) -> Outcome {
        let skipped = match self.skipped {
            0 => String::new(),
            skipped => format!(", {skipped} skipped"),
        };
        print(format!(
            "\n{} steps held{skipped}; {}\n",
            self.held,
            duration(self.since.elapsed())
        ))
    }
}
