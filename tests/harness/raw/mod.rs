//! The protocol by hand: packets, sockets and windows, without a line of the library's own code.
//!
//! A test that plays the bad side builds with this what the library would never send.
#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that cannot go on ends"
)]

mod client;
mod packet;
mod server;
mod slow;
mod socket;
mod window;

pub use client::{Head, Ledger, Outcome, Session, remint};
pub use packet::{Fields, Packet, kind};
pub use server::{Guest, Host, Offer};
pub use slow::Slow;
pub use socket::{
    Heard, accept, connect, is_over, listen, pair, queue, receive, send, try_receive, waiting_bytes,
};
pub use window::{Window, huge_memfd, memfd, secret_memory};
