//! A hand-over that is held up, fails, or loses one of its sides at any step.
#![expect(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test that cannot go on ends, and who is given a socket keeps it"
)]

mod deaths;
mod failures;
mod meanwhile;
mod packets;
mod scene;
