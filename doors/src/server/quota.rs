//! What the clients of one user may hold in this server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::core::lock;
use crate::sys::account::{Account, User};
use crate::sys::limit;
use crate::wire::limits::{GIVEN_BACK_BYTES, USER_BYTES, USER_DESCRIPTORS_SHARE};

/// What each user holds.
#[derive(Debug, Default)]
pub(crate) struct Quotas(Mutex<BTreeMap<u32, Held>>);

#[derive(Debug)]
struct Held {
    /// Sessions, connections and tokens.
    holders: usize,
    descriptors: usize,
    bytes: usize,
    /// Those of the bytes that are areas which were given back.
    given_back: usize,
    /// What its clients have us close, or keep because they leave unread what was sent there: charged as descriptors until
    /// it is closed.
    closing: User,
}

impl Default for Held {
    fn default() -> Self {
        Self {
            holders: 0,
            descriptors: 0,
            bytes: 0,
            given_back: 0,
            closing: User::with(most_closing, most_descriptors),
        }
    }
}

impl Held {
    /// Whether there is room for so many descriptors. Nobody is refused for a limit that has been raised
    /// since, or for what was received since.
    fn has_room_for(&self, count: usize) -> bool {
        let held = || {
            let held = self.descriptors.saturating_add(self.closing.closing());
            let held = held.saturating_add(self.closing.kept());
            held.saturating_add(count)
        };
        if held() <= share(limit::descriptors_lately()) {
            return true;
        }
        self.closing.look_at_kept();
        held() <= most_descriptors()
    }

    fn is_nothing(&self) -> bool {
        self.holders == 0 && !self.closing.has_accounts() && self.closing.kept() == 0
    }
}

/// One session's, connection's or token's share; given back when dropped.
#[derive(Debug)]
pub(crate) struct Charge {
    quotas: Arc<Quotas>,
    uid: u32,
    descriptors: usize,
    bytes: usize,
    given_back: usize,
}

/// How many descriptors of this process one user may hold.
fn most_descriptors() -> usize {
    share(limit::descriptors())
}

/// One user's share of so many.
fn share(all: usize) -> usize {
    all / USER_DESCRIPTORS_SHARE
}

/// How many of one user's it may be closing before nothing more of that user is read: half of what the user may have us
/// hold, so that both together, and one packet, leave room in the table.
fn most_closing() -> usize {
    most_descriptors() / 2
}

impl Quotas {
    /// Charges something that costs so many descriptors to a user; `None` if it has too many.
    pub(crate) fn charge(self: &Arc<Self>, uid: u32, descriptors: usize) -> Option<Charge> {
        self.charge_in(&mut lock(&self.0), uid, descriptors)
    }

    fn charge_in(
        self: &Arc<Self>,
        users: &mut BTreeMap<u32, Held>,
        uid: u32,
        descriptors: usize,
    ) -> Option<Charge> {
        if users.len() > 1 || !users.contains_key(&uid) {
            // What was waiting to be closed when its user left may be closed by now.
            users.retain(|_, held| !held.is_nothing());
        }
        let held = users.entry(uid).or_default();
        if !held.has_room_for(descriptors) {
            if held.is_nothing() {
                users.remove(&uid);
            }
            return None;
        }
        held.holders = held.holders.saturating_add(1);
        held.descriptors = held.descriptors.saturating_add(descriptors);
        Some(Charge {
            quotas: Arc::clone(self),
            uid,
            descriptors,
            bytes: 0,
            given_back: 0,
        })
    }

    /// An account and a charge for a connection of a user; no charge if it has too many.
    pub(crate) fn connection(self: &Arc<Self>, uid: u32) -> (Account, Option<Charge>) {
        let mut users = lock(&self.0);
        let charge = self.charge_in(&mut users, uid, 1);
        let account = Account::of(&users.entry(uid).or_default().closing);
        (account, charge)
    }

    /// Looks at the sockets that are kept since something is unread there; true if some still are.
    pub(crate) fn keep(&self) -> bool {
        let mut users = lock(&self.0);
        for held in users.values() {
            held.closing.look_at_kept();
        }
        users.retain(|_, held| !held.is_nothing());
        users.values().any(|held| held.closing.kept() > 0)
    }

    /// An account for a source of this user.
    pub(crate) fn account(&self, uid: u32) -> Account {
        Account::of(&lock(&self.0).entry(uid).or_default().closing)
    }
}

impl Charge {
    /// An account for what comes from there.
    pub(crate) fn account(&self) -> Account {
        self.quotas.account(self.uid)
    }

    /// Charges descriptors; false (and nothing charged) if the user would hold too many.
    pub(crate) fn add_descriptors(&mut self, count: usize) -> bool {
        let mut users = lock(&self.quotas.0);
        let held = users.entry(self.uid).or_default();
        if !held.has_room_for(count) {
            return false;
        }
        held.descriptors = held.descriptors.saturating_add(count);
        self.descriptors = self.descriptors.saturating_add(count);
        true
    }

    /// Gives descriptors back that `add_descriptors` had charged.
    pub(crate) fn sub_descriptors(&mut self, count: usize) {
        let mut users = lock(&self.quotas.0);
        if let Some(held) = users.get_mut(&self.uid) {
            held.descriptors = held.descriptors.saturating_sub(count);
        }
        self.descriptors = self.descriptors.saturating_sub(count);
    }

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
    /// Whether an area of so many bytes may be asked back, which go on being charged.
    pub(crate) fn may_give_back(&self, bytes: usize) -> bool {
        let users = lock(&self.quotas.0);
        let before = users.get(&self.uid).map_or(0, |held| held.given_back);
        before.saturating_add(bytes) <= GIVEN_BACK_BYTES
    }

    /// An area was given back.
    pub(crate) fn give_back(&mut self, bytes: usize) {
        let mut users = lock(&self.quotas.0);
        if let Some(held) = users.get_mut(&self.uid) {
            held.given_back = held.given_back.saturating_add(bytes);
        }
        self.given_back = self.given_back.saturating_add(bytes);
    }

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
            held.holders = held.holders.saturating_sub(1);
            held.descriptors = held.descriptors.saturating_sub(self.descriptors);
            held.bytes = held.bytes.saturating_sub(self.bytes);
            held.given_back = held.given_back.saturating_sub(self.given_back);
            if held.is_nothing() {
                users.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Quotas, most_descriptors};
    use crate::wire::limits::{GIVEN_BACK_BYTES, USER_BYTES};

    #[test]
    fn a_user_over_its_share_is_refused_and_others_are_not() {
        let quotas = Arc::new(Quotas::default());
        let most = most_descriptors();
        let all: Vec<_> = (0..most).map(|_| quotas.charge(1, 1).unwrap()).collect();
        assert!(quotas.charge(1, 1).is_none());
        assert!(quotas.charge(2, most).is_some());
        drop(all);
        assert!(quotas.charge(1, most).is_some());
        assert!(quotas.charge(1, most + 1).is_none());
    }

    #[test]
    fn what_is_given_back_counts_for_all_sessions_of_a_user() {
        let quotas = Arc::new(Quotas::default());
        let mut first = quotas.charge(1, 1).unwrap();
        let second = quotas.charge(1, 1).unwrap();
        assert!(second.may_give_back(GIVEN_BACK_BYTES));
        first.give_back(GIVEN_BACK_BYTES);
        assert!(!first.may_give_back(1));
        assert!(!second.may_give_back(1));
        assert!(quotas.charge(2, 1).unwrap().may_give_back(1));
        drop(first);
        assert!(second.may_give_back(GIVEN_BACK_BYTES));
    }

    #[test]
    fn bytes_come_back_with_the_session() {
        let quotas = Arc::new(Quotas::default());
        let mut charge = quotas.charge(1, 1).unwrap();
        assert!(charge.add(USER_BYTES));
        assert!(!charge.add(1));
        drop(charge);
        assert!(quotas.charge(1, 1).unwrap().add(USER_BYTES));
    }
}
