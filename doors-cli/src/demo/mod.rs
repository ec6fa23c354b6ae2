//! `doors demo`: what doors do, shown between real processes.

use std::path::PathBuf;

use crate::failure::Outcome;

mod actor;
pub(crate) mod client;
mod digest;
mod latency;
mod report;
mod script;
pub(crate) mod server;
mod stage;
mod steps;

pub(crate) fn run(files: &[PathBuf]) -> Outcome {
    script::play(files)
}
