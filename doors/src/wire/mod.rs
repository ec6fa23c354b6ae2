//! The bytes that travel: pure functions without input, output or unsafe code.
//!
//! PROTOCOL.md describes the same thing in prose; its tables and its dump are compared with this code by a test.

mod bytes;
pub(crate) mod code;
mod field;
mod header;
pub(crate) mod layout;
pub(crate) mod limits;
pub(crate) mod message;
mod violation;

#[cfg(test)]
mod golden;
