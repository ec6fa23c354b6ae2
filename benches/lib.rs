//! The measurements of doors beside other ways to call another process of the same host.
//!
//! Every measurement has two processes: this very program started again, once to serve and once to call ([`play`]).
//! Peers are measured in turn, a slice each per round, so that what disturbs the machine disturbs all of them. Figures
//! are medians of the rounds, with the smallest and the largest.

mod actor;
mod cgroup;
mod client;
mod contest;
mod drive;
mod grid;
pub mod html;
mod identity;
mod job;
mod json;
pub mod limits;
pub mod machine;
mod nursery;
mod peer;
mod pin;
mod process;
mod record;
mod rights;
mod role;
mod sample;
mod shared;
mod stage;
mod statistics;
mod suite;
mod table;
mod text;
mod work;

pub use job::{Job, Kind, Pace, hang};
pub use json::json;
pub use peer::{Caller, Peer, Scratch, Service};
pub use pin::Pin;
pub use record::{Record, Times};
pub use role::{ROLE, play};
pub use sample::Sample;
pub use statistics::{Latencies, Spread, float};
pub use suite::{Plan, run};
pub use table::{markdown, table};
pub use work::{WORKS, Work, find};

/// What cannot be measured ends the measurement, with one line that says why.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The result of whatever can fail here.
pub type Result<T> = std::result::Result<T, Error>;
