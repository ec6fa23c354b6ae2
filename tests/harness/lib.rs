//! What every test of two processes needs: a directory, a peer process, a watchdog, a census.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test that cannot go on ends"
)]

mod census;
mod directory;
mod peer;
pub mod raw;
mod watchdog;

pub use census::Census;
pub use directory::Directory;
pub use peer::Peer;
pub use watchdog::Watchdog;
