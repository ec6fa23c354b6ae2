//! The server's side of a process: its doors, their references, its clients' sessions.

pub(crate) mod ages;
pub(crate) mod channel;
pub(crate) mod core;
pub(crate) mod descriptors;
pub(crate) mod desk;
pub(crate) mod duty;
pub(crate) mod leader;
pub(crate) mod line;
pub(crate) mod meter;
pub(crate) mod packet;
pub(crate) mod petition;
pub(crate) mod procedure;
pub(crate) mod promise;
pub(crate) mod quota;
pub(crate) mod runtime;
pub(crate) mod session;
pub(crate) mod starved;
pub(crate) mod token;
pub(crate) mod unfinished;
