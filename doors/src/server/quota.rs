//! What the clients of one user may hold in this server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::core::lock;
use crate::wire::limits::{USER_BYTES, USER_SESSIONS};

/// What each user holds.
#[derive(Debug, Default)]
pub(crate) struct Quotas(Mutex<HashMap<u32, Held>>);

#[derive(Debug, Default, Clone, Copy)]
struct Held {
    sessions: usize,
    bytes: usize,
}

/// One session's or connection's share; given back when dropped.
#[derive(Debug)]
pub(crate) struct Charge {
    quotas: Arc<Quotas>,
    uid: u32,
    bytes: usize,
}

impl Quotas {
    /// Charges one session to a user; `None` if it has too many.
    pub(crate) fn charge(self: &Arc<Self>, uid: u32) -> Option<Charge> {
        let mut users = lock(&self.0);
        let held = users.entry(uid).or_default();
        if held.sessions >= USER_SESSIONS {
            return None;
        }
        held.sessions = held.sessions.saturating_add(1);
        Some(Charge {
            quotas: Arc::clone(self),
            uid,
            bytes: 0,
        })
    }
}

impl Charge {
    /// Charges bytes of windows or private copies; false (and nothing charged) if the user would hold too many.
    pub(crate) fn add(&mut self, bytes: usize) -> bool {
        let mut users = lock(&self.quotas.0);
        let held = users.entry(self.uid).or_default();
        let sum = held.bytes.saturating_add(bytes);
        if sum > USER_BYTES {
            return false;
        }
        held.bytes = sum;
        self.bytes = self.bytes.saturating_add(bytes);
        true
    }
}

impl Charge {
    /// Gives bytes back that `add` had charged.
    pub(crate) fn sub(&mut self, bytes: usize) {
        let mut users = lock(&self.quotas.0);
        if let Some(held) = users.get_mut(&self.uid) {
            held.bytes = held.bytes.saturating_sub(bytes);
        }
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let mut users = lock(&self.quotas.0);
        if let Some(held) = users.get_mut(&self.uid) {
            held.sessions = held.sessions.saturating_sub(1);
            held.bytes = held.bytes.saturating_sub(self.bytes);
            if held.sessions == 0 {
                users.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Quotas;
    use crate::wire::limits::{USER_BYTES, USER_SESSIONS};

    #[test]
    fn a_user_over_its_share_is_refused_and_others_are_not() {
        let quotas = Arc::new(Quotas::default());
        let all: Vec<_> = (0..USER_SESSIONS)
            .map(|_| quotas.charge(1).unwrap())
            .collect();
        assert!(quotas.charge(1).is_none());
        assert!(quotas.charge(2).is_some());
        drop(all);
        assert!(quotas.charge(1).is_some());
    }

    #[test]
    fn bytes_come_back_with_the_session() {
        let quotas = Arc::new(Quotas::default());
        let mut charge = quotas.charge(1).unwrap();
        assert!(charge.add(USER_BYTES));
        assert!(!charge.add(1));
        drop(charge);
        assert!(quotas.charge(1).unwrap().add(USER_BYTES));
    }
}
