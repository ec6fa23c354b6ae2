//! What the code that `#[door]` generates stands on: values in the bytes of a call.
//!
//! Nobody needs to name these functions; they are public because generated code does. What a caller meets is
//! [`ProcedureError`].
//!
//! # The bytes
//!
//! What says what a message is stands at its end, so that its bytes may begin with what a receiver keeps as it is. A call's data:
//!
//! | bytes | meaning |
//! |---|---|
//! | the first | bytes before the arguments, if there are any |
//! | then | the arguments in their order, one right after the other |
//! | 8, if the caller has a deadline | the nanoseconds that are left until then as the call is made |
//! | 4, if there are bytes before the arguments | how many |
//! | 2 | number of the method; that of a function is 1, and 0 asks for the [`Description`] |
//! | 5 | its tag: see [`Method::tag`] |
//! | the last | version of this layout: 1, or 2 with bytes before the arguments (1 to 63); with 64 added if the caller has a deadline |
//!
//! How much time is left, and not when: clocks may differ between two time namespaces. So the server's deadline is later than its
//! caller's, by as long as the call waits for a thread; whether the caller has gone indeed is told by the call itself.
//!
//! The results' data:
//!
//! | bytes | meaning |
//! |---|---|
//! | the first | bytes before the value, if there are any |
//! | then | what the status says |
//! | 4, if there are bytes before the value | how many |
//! | 1 | status |
//! | the last | version of this layout with the top bit set, so that an echo of a call is no answer: 0x81, or 0x82 with bytes before the value |
//!
//! | status | meaning | what it says | executed |
//! |---|---|---|---|
//! | 1 | the method returned | its value | yes |
//! | 2 | the method returned `Err` | its error | yes |
//! | 3 | the version is not the server's | nothing: the last byte is the server's | no |
//! | 4 | the server has no method with this number and tag | its interface's version (2 and 2 bytes), its name, the signature of its method with the number, or none, and the name of its codec | no |
//! | 5 | an argument cannot be read | why (1 byte, see [`Malformed`]), the argument's name as text | no |
//! | 6 | the value cannot be put into bytes | nothing | yes |
//! | 7 | the method is not for this caller | 1 and the user id as whom the server sees it (4 bytes), or 0: it cannot tell | no |
//!
//! The three names of status 4 are texts with their length before them (2 bytes). Numbers are little endian.
//! The last two bytes of the results keep their place and status 3 its meaning in every version. No number starts at zero:
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
//! An argument that is bytes itself (`Vec<u8>`, `&[u8]`), or a value that is, may lie before all values of its message, one in each message: in
//! its place stands a length of 2^32 - 1, which no other bytes have. Senders put what is larger than 16 KiB there; it is then neither copied
//! to what goes with it, nor from the memory that it arrived in.
//!
//! What is a descriptor or a door, or is in frozen memory, takes no bytes: it travels beside them, in the order of the values.
//!
//! What arrives is decoded from the private copy: `&str` and `&[u8]` point into it. Values nested deeper than [`DEPTH`] or than three
//! quarters of what is left of the thread's stack allow, bytes that are left over, and sequences of more elements than the data could hold are refused, so that neither the
//! stack nor memory nor time is spent on what is not there.

mod allowed;
mod answer;
#[cfg(feature = "rkyv")]
pub mod archive;
#[cfg(feature = "tokio")]
mod aside;
#[cfg(feature = "tokio")]
mod awaited;
mod buffer;
mod call;
mod carried;
mod client;
mod decode;
mod description;
mod encode;
mod error;
mod fallible;
mod fd;
mod frame;
mod front;
mod interface;
mod keep;
mod kept;
mod line;
mod look;
mod question;
mod reader;
mod room;
mod server;
mod shape;
#[cfg(test)]
mod tests;
mod travel;
mod trial;
mod unclaimed;
mod values;
mod writer;

#[doc(hidden)]
pub use serde;

pub use allowed::Allowed;
pub use answer::{Answer, Promise};
pub use call::Call;
/// Lets through what `#[door]` makes for the feature `tokio`, which the macro itself cannot see.
#[cfg(feature = "tokio")]
#[doc(hidden)]
#[macro_export]
macro_rules! __awaited {
    ($($items:tt)*) => { $($items)* };
}

/// Without the feature: nothing.
#[cfg(not(feature = "tokio"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __awaited {
    ($($anything:tt)*) => {};
}

#[cfg(feature = "tokio")]
pub use awaited::Awaited;
pub use carried::{Arrived, Carried, Parcel};
pub use client::{Client, Target};
pub use decode::DEPTH;
pub use description::{Description, MethodDescription};
pub use encode::Unwritable;
pub use error::{Malformed, ProcedureError, Refused, Unreadable};
pub use fallible::Fallible;
pub use fd::{Fd, put_door, take_door};
pub use interface::{CODEC, Interface, Method, Version};
pub use kept::Kept;
pub use reader::Reader;
pub use server::{Incoming, Outgoing, create};
pub use shape::{Plain, Shape, Type, Variant};
pub use values::Values;
pub use writer::Writer;
