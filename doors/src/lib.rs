//! Doors for Linux.

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
compile_error!("doors needs 64-bit Linux: unix sockets that pass descriptors, memfds and futexes");

// Vocabulary.
mod access;
mod attributes;
mod cred;
mod desc;
mod error;
mod event;
mod primitive;

// The kernel's edge, and pure bytes.
mod sys;
mod wire;

// One conversation, and its two sides.
mod channel;
mod client;
mod local;
mod name;
mod pool;
mod server;
mod unref;

// Verbs, and the nouns they act on.
mod attach;
mod create;
mod door;
mod info;
mod invocation;
mod restart;

pub use access::{Access, Refusal};
pub use attach::{AttachOptions, Attachment, InheritedListener, inherited_listeners, live_names};
pub use attributes::DoorAttributes;
pub use create::{
    Options, ThreadCreator, Unreferenced, join_pool, replace_thread_creator, set_pool_limits,
};
pub use cred::{Caller, CredError, Credentials};
pub use desc::DoorDesc;
pub use door::{Door, Reply};
pub use error::{
    CallCondition, CallError, CallState, DoorError, DoorLabel, InheritError, ReturnError, Violation,
};
pub use info::{DoorFigures, DoorInfo, DoorParams};
pub use invocation::{Held, Invocation, Returned};
pub use name::NameError;
pub use pool::{PoolLimits, ServerThread, unbind};
pub use restart::{Drained, Heirloom, drain, take_over};
