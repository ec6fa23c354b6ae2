//! Where a door comes from.

use std::path::Path;
use std::sync::Arc;

use super::{Door, Inner};
use crate::sys::peer::peer_cred;

/// Who makes its callers wait if it does, as far as this can be told without asking anybody.
///
/// The process that serves a door is only known after the first call, while calls are told apart before it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    /// Whoever has this name.
    Name(Arc<Path>),
    /// The process that handed it out, by its pid.
    Process(i32),
    /// It is served by this very process, or by one that is not seen from here: this reference and its clones, for as long as one of
    /// them exists.
    Reference(usize),
}

impl Door {
    /// Where this door comes from.
    pub(crate) fn origin(&self) -> Origin {
        let reference = Origin::Reference(std::ptr::from_ref(&*self.inner).addr());
        let Inner::Remote(remote) = &*self.inner else {
            return reference;
        };
        if let Some(path) = &remote.path {
            return Origin::Name(Arc::clone(path));
        }
        // Who has made the pair of sockets of which this is one.
        match peer_cred(remote.token()) {
            Ok(made) if made.pid != 0 => Origin::Process(made.pid),
            _ => reference,
        }
    }
}
