//! Bad input: a hostile client against the library's server, a hostile server against its client.
//!
//! The numbers in the names are those of our list of faults; `tests/faults.rs` has a table of all. Each test ends with a good client that makes a good
//! call, and with a census that is what it was.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that cannot go on ends"
)]

mod areas;
mod closing;
mod descriptors;
mod floods;
mod grants;
mod kinds;
mod packets;
mod races;
mod reborn;
mod senders;
mod served;
mod server_calls;
mod server_first;
mod server_packets;
mod server_requests;
mod server_windows;
mod stuck;
mod tables;
mod unbegun;
mod unread;
mod windows;
mod words;
