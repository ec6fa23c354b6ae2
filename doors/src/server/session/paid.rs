//! What a session's user pays for while it is held.

use std::fmt;
use std::sync::Arc;

use super::Session;
use crate::server::core::lock;

/// Private memory that a session's user pays for, until dropped.
pub(crate) struct Paid {
    session: Arc<Session>,
    bytes: usize,
}

impl Paid {
    /// None yet.
    pub(crate) fn nothing(session: &Arc<Session>) -> Self {
        Self {
            session: Arc::clone(session),
            bytes: 0,
        }
    }

    /// Pays for so many in all; false if the user has no room left.
    pub(crate) fn cover(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        let covered = more == 0 || lock(&self.session.charge).add(more);
        if covered {
            self.bytes = self.bytes.saturating_add(more);
        }
        covered
    }
}

impl Drop for Paid {
    fn drop(&mut self) {
        lock(&self.session.charge).sub(self.bytes);
    }
}

/// Room for one more descriptor that a session's user pays for, until dropped.
pub(crate) struct Place(Arc<Session>);

impl Place {
    /// `None` if the user has no room left.
    pub(crate) fn of(session: &Arc<Session>) -> Option<Self> {
        let added = lock(&session.charge).add_descriptors(1);
        added.then(|| Self(Arc::clone(session)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.0.charge).sub_descriptors(1);
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Place").finish_non_exhaustive()
    }
}
