//! The client's side of a process: its sessions with servers.

pub(crate) mod call;
pub(crate) mod channel;
pub(crate) mod establish;
pub(crate) mod first;
pub(crate) mod gate;
pub(crate) mod hold;
pub(crate) mod petition;
pub(crate) mod process;
pub(crate) mod session;
pub(crate) mod watcher;
