//! The client's side of a process: its sessions with servers.

mod area;
pub(crate) mod arguments;
pub(crate) mod call;
pub(crate) mod cancel;
pub(crate) mod channel;
pub(crate) mod channels;
pub(crate) mod condition;
mod descriptors;
mod doorbell;
pub(crate) mod establish;
mod exchange;
pub(crate) mod first;
pub(crate) mod gate;
pub(crate) mod hold;
pub(crate) mod petition;
mod pools;
pub(crate) mod process;
pub(crate) mod session;
pub(crate) mod watcher;
pub(crate) mod ways;
