//! A server that holds calls, and the clients' side of it.

use std::fs::File;

use doors::door;

/// Those who wait for each other.
#[door]
pub(crate) trait WaitingRoom {
    /// Answers when as many are there as the server was told, with that number.
    fn meet(&self) -> u32;

    /// As `meet`, with luggage.
    fn bring(&self, bags: &[File], words: &str) -> u32;
}
