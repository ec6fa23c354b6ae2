//! What every test of two processes needs: a directory, a peer process, a watchdog, a census.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test that cannot go on ends"
)]

mod books;
pub mod calls;
mod census;
mod directory;
pub mod files;
pub mod ids;
pub mod life;
pub mod lookalikes;
mod peer;
mod processor;
pub mod raw;
mod scene;
mod skip;
pub mod trace;
pub mod typed;
pub mod waiting;
mod watchdog;

pub use books::Books;
pub use census::Census;
pub use directory::Directory;
pub use peer::Peer;
pub use processor::stay_on_one_processor;
pub use scene::Scene;
pub use skip::skipped;
pub use watchdog::Watchdog;
