#![doc = include_str!("../../README.md")]
//!
//! # Glossary
//!
//! * **Door** ([`Door`]): a server procedure that others can call; [`Door::create`] makes it.
//! * **Server procedure**: the closure that runs for each call. It gets an [`Invocation`] and must give back the
//!   [`Returned`] that only an answer yields.
//! * **Token**: a door descriptor, one end of a socket pair whose other end the server holds. It travels in calls and
//!   replies as any descriptor does ([`Door::to_desc`], [`Door::from_descriptor`]).
//! * **Descriptor** ([`DoorDesc`]): *lent*, it stays open at its sender; *released*, it is closed there.
//! * **Frozen bytes** ([`Frozen`]): memory that nobody can change any more, which travels as a descriptor and is read in place.
//! * **Name**: a listening socket at a path ([`Door::attach`], [`Door::open`]). Its write bits say who may connect.
//! * **Attributes and parameters** ([`DoorAttributes`], [`DoorParams`]): what a door is like, and what calls may bring.
//! * **Caller** ([`Caller`], [`Credentials`]): who calls, by the kernel's word. [`Access`] decides who may.
//! * **Session**: one client process that talks to one server process, through shared memory that each side writes in
//!   one direction only. A **channel** is the place in it for one call at a time.
//! * **Server threads** ([`PoolLimits`], [`ServerThread`]): the pool of the process, or the private one of a door.
//!   *Depletion* is the moment at which none is parked.
//! * **Gear** ([`Waiting`]): how the two sides of a call wait for each other, looking or asleep.
//! * **Unreferenced** ([`Unreferenced`]): no token, no connection through a name and no name is left.
//!
//! # The path of a call
//!
//! 1. The first call of a client that opened a name goes as one packet on that connection, and its reply comes back
//!    there: a client that calls once pays for nothing more.
//! 2. Otherwise the client asks the server for a session. The server makes the shared windows; each side verifies what
//!    it maps. Further doors of the same server are registered on the session.
//! 3. [`Door::call`] copies the data into a channel, sends the descriptors over the channel's own socket, and
//!    publishes the call. If the server thread of the channel sleeps it is woken; if the channel has none, the server is
//!    rung.
//! 4. The server thread notes that the call is taken, copies the data out once, checks sizes and parameters, and runs
//!    the server procedure.
//! 5. [`Invocation::door_return`] copies the results into the channel. When the procedure has returned they are
//!    published, and the client goes on.
//!
//! Whatever goes wrong, [`CallError::call_state`] says whether the procedure may have run. A watcher in the client learns
//! of the server's death, so that no call outlives its server; the server learns of the client's, and
//! [`Invocation::is_cancelled`] tells.
//!
//! # Limits
//!
//! | what | limit | set by |
//! |---|---|---|
//! | data of a call, and of a reply | 4 GiB | for calls, [`Door::set_params`] lowers it |
//! | descriptors of a call, and of a reply | 1,024 | for calls, [`Door::set_params`] lowers it |
//! | data of a first call in one packet; more opens a session | 128 KiB | |
//! | data that move in one part; more grows the channel's area, up to 2 MiB, and moves in parts | 16 KiB | |
//! | calls at once in one session; further callers wait | 256 | |
//! | descriptors of a server that one user's sessions (2 each), connections (1) and asked-for tokens (1) cost | half of all | `RLIMIT_NOFILE` of the server |
//! | descriptors that one user was sent by a server and has not received; further replies with some are lost | half as many as the server may have | `RLIMIT_NOFILE` of the server |
//! | memory of one user's sessions in a server | 1 GiB | |
//! | server threads of a pool; further calls wait | 1,024 | [`set_pool_limits`], [`Options::threads`] |
//! | a step of the protocol, never a server procedure | 5 s | |
//! | a call | none | [`Door::call_until`] |
//! | levels of values within each other, of [`door`](macro@door) | 128, and three quarters of the stack that the thread has left | |
//! | path of a name | 4,095 bytes; in one of 108 and more, some 80 for the last component | |
//!
//! # The environment
//!
//! An operator chooses with `DOORS_WAITING` how a process waits, whatever its program says: `auto`, `spin`, `handoff` or
//! `block` ([`Waiting`]). Services that systemd starts find their names by `LISTEN_FDS` ([`inherited_listeners`]).
//!
//! # What it does not do
//!
//! * It does not reach other hosts, nor other architectures: both sides are processes of one kernel, 64-bit.
//! * It does not stop a server procedure whose caller has gone: a thread cannot be ended from outside. The procedure is
//!   told, and its answer is discarded.
//! * A [`Door`] does not serialise: its data are bytes. The macro `#[door]`, in the feature `derive`, makes a door of a
//!   trait or a function with values.
//! * It does not make a forked child a server of its parent's doors; the child opens or receives doors of its own.
//! * It does not notice that a client changes its ids: a session shows who began it, as of then. A server that has to know
//!   better asks with [`Credentials::refresh`].
//! * It does not protect a server from the files whose descriptors it accepts: a read from one may block, and its
//!   contents may change. [`DoorAttributes::REFUSE_DESC`] refuses them all.
//!
//! # Features
//!
//! * `derive` (default): [`door`](macro@door) makes a door of a trait or a function, with values instead of bytes.
//! * `tokio`: clients of such doors whose calls are awaited: [Clients that await](macro@door#clients-that-await).
//! * `rkyv`: values as archives, which the server reads where they lie, in its copy of the call or in memory that many have.
//! * `tracing`: events for refused callers, broken protocol and lost replies, through the `tracing` crate.
//!
#![doc = include_str!("c_names.md")]

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
compile_error!("doors needs 64-bit Linux: unix sockets that pass descriptors, memfds and futexes");

// Vocabulary.
mod access;
mod attributes;
mod cred;
mod desc;
mod error;
mod event;
mod foreign;
mod frozen;
mod lock;
mod pieces;
mod primitive;

// The kernel's edge, and pure bytes.
mod sys;
mod wire;

// One conversation, and its two sides.
mod channel;
mod client;
mod held;
mod local;
mod name;
mod pool;
mod server;
mod unref;
mod waiting;

// Verbs, and the nouns they act on.
mod attach;
mod bind;
mod create;
mod door;
mod find;
mod info;
mod inherit;
mod invocation;
mod open;
mod params;
mod restart;
mod revoke;

// Parts of a call, to be measured.
#[cfg(feature = "measure")]
#[doc(hidden)]
pub mod measure;

// Values instead of bytes.
#[cfg(feature = "derive")]
pub mod typed;

pub use access::{Access, Refusal};
pub use attach::{AttachOptions, Attachment};
pub use attributes::DoorAttributes;
pub use create::{
    Options, ThreadCreator, Unreferenced, join_pool, replace_thread_creator, set_pool_limits,
};
pub use cred::{Caller, CredError, Credentials};
pub use desc::{DoorDesc, set_nonblocking};
pub use door::{Door, Reply};
pub use error::{
    CallCondition, CallError, CallState, DoorCondition, DoorError, DoorLabel, InheritError,
    ReturnError, Violation,
};
pub use find::live_names;
pub use frozen::{Frozen, FrozenError};
pub use held::Held;
pub use info::{DoorFigures, DoorInfo};
pub use inherit::{InheritedListener, inherited_listeners};
pub use invocation::{Invocation, Returned};
pub use name::NameError;
pub use params::DoorParams;
pub use pool::{PoolLimits, ServerThread, unbind};
pub use restart::{Drained, Heirloom, drain, take_over};
pub use waiting::{Waiting, set_waiting};

#[cfg(feature = "derive")]
#[doc = include_str!("typed/door.md")]
pub use doors_derive::door;
#[cfg(feature = "rkyv")]
pub use typed::archive::FrozenArchive;
#[cfg(feature = "derive")]
pub use typed::{Answer, Call, Client, ProcedureError, Promise};
