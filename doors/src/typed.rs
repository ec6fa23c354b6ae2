//! What the code that `#[door]` generates stands on: values in the bytes of a call.
//!
//! Nobody needs to name these functions; they are public because generated code does. What a caller meets is
//! [`ProcedureError`].
//!
//! # The bytes
//!
//! A call's data:
//!
//! | bytes | meaning |
//! |---|---|
//! | 0 | version of this layout, 1 (1 to 127) |
//! | 1 to 8 | hash of the procedure's signature, little endian: see [`Interface`] |
//! | 9 and on | the arguments in their order, one right after the other |
//!
//! The results' data:
//!
//! | bytes | meaning |
//! |---|---|
//! | 0 | version of this layout with the top bit set, so that an echo of a call is no answer |
//! | 1 | status |
//! | 2 and on | what the status says |
//!
//! | status | meaning | then follows | executed |
//! |---|---|---|---|
//! | 1 | the procedure returned | its value | yes |
//! | 2 | the procedure returned `Err` | its error | yes |
//! | 3 | the version is not the server's | nothing: byte 0 is the server's | no |
//! | 4 | the signature is not the server's | the server's hash (8 bytes), its signature as text | no |
//! | 5 | an argument cannot be read | why (1 byte, see [`Malformed`]), the argument's name as text | no |
//! | 6 | the value cannot be put into bytes | nothing | yes |
//!
//! Bytes 0 and 1 of the results keep their place and status 3 its meaning in every version. No number starts at zero:
//! an empty or cleared message is none of these.
//!
//! Values are encoded by [postcard](https://postcard.jamesmunns.com) through serde. What arrives is decoded from the
//! private copy: `&str` and `&[u8]` point into it. Values nested deeper than [`DEPTH`], bytes that are left over, and
//! sequences of more elements than the data could hold are refused, so that neither the stack nor memory nor time is
//! spent on what is not there.

mod bounded;
mod buffer;
mod client;
mod error;
mod frame;
mod interface;
mod reader;
mod server;
#[cfg(test)]
mod tests;
mod writer;

pub use bounded::DEPTH;
pub use client::{call, call_fallible};
pub use error::{Malformed, ProcedureError, Refused, Unreadable};
pub use interface::{Fallible, Interface};
pub use reader::Reader;
pub use server::{Answer, create, serve};
pub use writer::Writer;
