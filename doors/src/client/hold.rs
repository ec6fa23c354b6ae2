//! A session that somebody uses.

use std::ops::Deref;
use std::sync::Arc;

use super::process::ClientProcess;
use super::session::Session;
use crate::primitive::Ordering;
use crate::sys::fork;

/// Keeps a session from being closed as one that nobody uses.
#[derive(Debug)]
pub(crate) struct Hold(Arc<Session>);

impl Hold {
    /// To be made under the lock of the table in which the session was found, or before it is in there: whoever
    /// closes unused sessions looks at the count under that lock.
    pub(super) fn new(session: &Arc<Session>) -> Self {
        session.holds.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(session))
    }
}

impl Deref for Hold {
    type Target = Arc<Session>;

    #[inline]
    fn deref(&self) -> &Arc<Session> {
        &self.0
    }
}

impl Drop for Hold {
    /// A session that no door uses any more is kept for a while, not for ever.
    fn drop(&mut self) {
        let last = self.0.holds.fetch_sub(1, Ordering::AcqRel) == 1;
        if last
            && self.0.life == fork::life()
            && let Some(process) = ClientProcess::existing()
        {
            process.rest(&self.0);
        }
    }
}
