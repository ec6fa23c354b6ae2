//! Server threads: pools, depletion, floor and ceiling, quiet channels.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that cannot go on ends"
)]

mod crowd;
mod depletion;
mod ends;
mod lack;
mod limits;
mod members;
mod quiet;
mod server;
