//! One conversation between a caller and a server thread, through shared words.
//!
//! A channel moves in *turns*. The client stores its words and then the number of the turn; the server answers by
//! storing its own words and then the same number. The sides alternate strictly, every word has one writer, and
//! the numbers only grow: that is why neither side ever has to undo anything the other has seen.

pub(crate) mod descriptors;
pub(crate) mod ends;
pub(crate) mod gear;
pub(crate) mod glance;
mod leash;
#[cfg(loom)]
#[cfg(test)]
mod loom_models;
mod lull;
pub(crate) mod pair;
pub(crate) mod parts;
pub(crate) mod rounds;
pub(crate) mod small;
pub(crate) mod state;
pub(crate) mod wait;
