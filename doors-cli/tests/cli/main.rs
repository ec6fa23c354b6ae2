//! The `doors` command as its users see it: what it prints, and its exit status.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on ends"
)]

mod command;
mod demo;
mod ends;
mod failures;
mod liars;
mod seen;
mod serve;
mod values;
