//! The server's side of a process: its doors, their references, its clients' sessions.

pub(crate) mod ages;
pub(crate) mod channel;
pub(crate) mod core;
pub(crate) mod descriptors;
pub(crate) mod desk;
pub(crate) mod duty;
mod hangup;
mod inbox;
pub(crate) mod leader;
pub(crate) mod line;
pub(crate) mod meter;
mod mint;
mod names;
mod opening;
pub(crate) mod packet;
mod parked;
pub(crate) mod petition;
mod petitioner;
pub(crate) mod promise;
pub(crate) mod quota;
mod references;
pub(crate) mod runtime;
pub(crate) mod session;
pub(crate) mod standstill;
pub(crate) mod token;
pub(crate) mod unfinished;
mod untold;
