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
//! | 1 and 2 | number of the method, little endian; that of a function is 1, and 0 asks for the [`Description`] |
//! | 3 to 7 | its tag, little endian: see [`Method::tag`] |
//! | 8 and on | the arguments in their order, one right after the other |
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
//! | 1 | the method returned | its value | yes |
//! | 2 | the method returned `Err` | its error | yes |
//! | 3 | the version is not the server's | nothing: byte 0 is the server's | no |
//! | 4 | the server has no method with this number and tag | its interface's version (2 and 2 bytes), its name, the signature of its method with the number, or none | no |
//! | 5 | an argument cannot be read | why (1 byte, see [`Malformed`]), the argument's name as text | no |
//! | 6 | the value cannot be put into bytes | nothing | yes |
//!
//! Name and signature of status 4 are texts with their length before them (2 bytes). Numbers are little endian.
//! Bytes 0 and 1 of the results keep their place and status 3 its meaning in every version. No number starts at zero:
//! an empty or cleared message is none of these.
//!
//! Values are put one right after the other through serde, without names, types or padding. All numbers are little endian:
//!
//! | value | bytes |
//! |---|---|
//! | integers, floats | as many as the type has; `usize` and `isize` are 8 |
//! | `bool` | 1: 0 or 1 |
//! | `char` | 4: its number |
//! | text, bytes | length (4), then the bytes |
//! | option | 1: 0, or 1 and then the value |
//! | unit, unit structure | none |
//! | newtype, tuple, array, structure | its parts in their order |
//! | sequence, set | number of elements (4), then the elements |
//! | map | number of entries (4), then each key and its value |
//! | enumeration | number of the variant in the order of the source, from 0 on (4), then its parts |
//!
//! What arrives is decoded from the private copy: `&str` and `&[u8]` point into it. Values nested deeper than [`DEPTH`],
//! bytes that are left over, and sequences of more elements than the data could hold are refused, so that neither the
//! stack nor memory nor time is spent on what is not there.

mod buffer;
mod carried;
mod client;
mod decode;
mod description;
mod encode;
mod error;
mod fallible;
mod fd;
mod frame;
mod interface;
mod look;
mod reader;
mod server;
mod shape;
#[cfg(test)]
mod tests;
mod travel;
mod values;
mod writer;

#[doc(hidden)]
pub use serde;

pub use carried::{Arrived, Carried, Parcel};
pub use client::{Client, Target};
pub use decode::DEPTH;
pub use description::{Description, MethodDescription};
pub use encode::Unwritable;
pub use error::{Malformed, ProcedureError, Refused, Unreadable};
pub use fallible::Fallible;
pub use fd::{Fd, put_door, take_door};
pub use interface::{Interface, Method, Version};
pub use reader::Reader;
pub use server::{Answer, Incoming, create};
pub use shape::{Plain, Shape, Variant};
pub use values::Values;
pub use writer::Writer;
