//! The kernel edge: the only folder that holds unsafe code.
//!
//! What each file here obeys:
//! * S1: a descriptor is owned, close-on-exec, on the line where it is born; no raw number leaves the folder.
//! * S2: a mapping is made only of memory whose type, size and seals were verified, so that no peer can shrink it.
//! * S3: memory that a peer can write is touched through atomics (words) or one copy routine (bytes), never by reference.
//! * S4: errors are the kernel's numbers; whoever calls says which operation failed.

/// What every function here returns: the kernel's own error number.
pub(crate) type Result<T> = std::result::Result<T, nix::errno::Errno>;

pub(crate) mod account;
pub(crate) mod affinity;
pub(crate) mod barrier;
pub(crate) mod clock;
pub(crate) mod closer;
mod copy;
pub(crate) mod cpu;
pub(crate) mod dense;
pub(crate) mod diag;
pub(crate) mod draft;
pub(crate) mod either;
pub(crate) mod fork;
mod found;
pub(crate) mod futex;
pub(crate) mod huge;
pub(crate) mod ids;
#[cfg(feature = "derive")]
pub(crate) mod kind;
pub(crate) mod limit;
pub(crate) mod listen;
pub(crate) mod mapping;
pub(crate) mod memfd;
mod patient;
pub(crate) mod peer;
#[cfg(feature = "rkyv")]
pub(crate) mod placed;
pub(crate) mod process;
pub(crate) mod random;
mod raw;
mod rseq;
pub(crate) mod shared;
pub(crate) mod socket;
#[cfg(feature = "derive")]
pub(crate) mod stack;
pub(crate) mod table;
pub(crate) mod thread;
pub(crate) mod unclaimed;
pub(crate) mod unread;
pub(crate) mod view;
pub(crate) mod words;
