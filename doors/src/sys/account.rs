//! What the peers of this process have it close.
//!
//! A descriptor that is foreign and unwanted is closed by the closers (`closer.rs`), for as long as its owner likes. Who
//! sent it is charged until then: each source (a reference, a session) has an account, and the accounts of one user
//! share the user's. So is whoever leaves unread what we have sent (`unread.rs`).

use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::unread::Unread;
use crate::primitive::{AtomicUsize, Ordering};

/// So many descriptors of one source may wait to be closed, or be in it; until some are closed, nothing is read there
/// that could bring more.
const BACKLOG: usize = 64;

/// What the sources of one user have us close.
#[derive(Clone, Debug, Default)]
pub(crate) struct User(Arc<All>);

/// The count of one user.
#[derive(Debug, Default)]
struct All {
    closing: AtomicUsize,
    /// How many there may be at most, at this moment; nothing limits a user of whom nobody knows the sources.
    most: Option<fn() -> usize>,
    /// What was sent to its sources, and how much of that may be unread.
    unread: Unread,
    most_unread: Option<fn() -> usize>,
}

impl User {
    /// One whose sources together may have us close so many, and leave so many unread.
    pub(crate) fn with(most: fn() -> usize, most_unread: fn() -> usize) -> Self {
        Self(Arc::new(All {
            closing: AtomicUsize::new(0),
            most: Some(most),
            unread: Unread::default(),
            most_unread: Some(most_unread),
        }))
    }

    /// How many sockets we keep because it leaves unread what was sent there, by the last look.
    pub(crate) fn kept(&self) -> usize {
        self.0.unread.kept()
    }

    /// Looks at them: those of which all is received are kept no longer.
    pub(crate) fn look_at_kept(&self) {
        self.0.unread.settle();
    }

    /// How many descriptors are not closed yet.
    pub(crate) fn closing(&self) -> usize {
        self.0.closing.load(Ordering::Relaxed)
    }

    /// Whether some account is this user's.
    pub(crate) fn has_accounts(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

/// The counts of one source.
#[derive(Debug, Default)]
struct Own {
    /// `None` if nobody knows it: then nothing but the source is limited.
    user: Option<User>,
    /// Not closed yet.
    closing: AtomicUsize,
    /// In the close itself.
    begun: AtomicUsize,
}

/// What one source has us close.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account(Arc<Own>);

impl Account {
    /// Of a new source; the default is one whose user nobody knows.
    pub(crate) fn of(user: &User) -> Self {
        Self(Arc::new(Own {
            user: Some(user.clone()),
            ..Own::default()
        }))
    }

    fn user(&self) -> Option<&All> {
        self.0.user.as_ref().map(|user| &*user.0)
    }

    /// Whether so many descriptors may be sent to its user.
    pub(super) fn may_be_sent(&self, count: usize) -> bool {
        self.user().is_none_or(|user| {
            let most = user.most_unread;
            most.is_none_or(|most| user.unread.has_room_for(count, most()))
        })
    }

    /// So many were sent to its user on this socket.
    pub(super) fn was_sent(&self, socket: &OwnedFd, count: usize) {
        if let Some(user) = self.user()
            && user.most_unread.is_some()
        {
            user.unread.add(socket, count);
        }
    }

    /// A socket goes on elsewhere.
    pub(super) fn forget(&self, socket: &OwnedFd) {
        if let Some(user) = self.user() {
            user.unread.forget(socket);
        }
    }

    /// A socket of this source is not used any more: it comes back to be closed, unless it is kept.
    pub(super) fn leave(&self, socket: OwnedFd) -> Option<OwnedFd> {
        match self.user() {
            Some(user) => user.unread.leave(socket, self),
            None => Some(socket),
        }
    }

    /// Tells users apart for as long as an account of either exists; a source whose user nobody knows is one by itself.
    pub(super) fn user_number(&self) -> usize {
        self.user()
            .map_or(self.number(), |user| std::ptr::from_ref(user).addr())
    }

    /// How many descriptors of this source are not closed yet.
    pub(crate) fn closing(&self) -> usize {
        self.0.closing.load(Ordering::Relaxed)
    }

    /// How many of them are in the close itself; the others wait for a closer.
    pub(crate) fn begun(&self) -> usize {
        self.0.begun.load(Ordering::Relaxed)
    }

    /// Tells sources apart for as long as an account of either exists.
    pub(super) fn number(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// Whether the source, or all of its user, has us close so many that nothing more is read there. One that has us
    /// close few is not asked for its user's: calls without descriptors pay for two loads.
    pub(crate) fn is_over(&self) -> bool {
        let user_is_over = || {
            let Some(user) = self.user() else {
                return false;
            };
            let closing = user.closing.load(Ordering::Relaxed);
            let most = || user.most.map_or(usize::MAX, |most| most());
            closing > BACKLOG && closing > most()
        };
        self.is_to_blame() || user_is_over()
    }

    /// Whether it is the source itself that has us close so many.
    pub(crate) fn is_to_blame(&self) -> bool {
        self.closing() > BACKLOG
    }

    /// The counts are only compared with bounds: no order with anything else is needed.
    pub(super) fn add(&self, count: usize) {
        self.0.closing.fetch_add(count, Ordering::Relaxed);
        if let Some(user) = self.user() {
            user.closing.fetch_add(count, Ordering::Relaxed);
        }
    }

    pub(super) fn begins_one(&self) {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn closed_one(&self) {
        self.0.begun.fetch_sub(1, Ordering::Relaxed);
        self.0.closing.fetch_sub(1, Ordering::Relaxed);
        if let Some(user) = self.user() {
            user.closing.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Account, BACKLOG, User};

    #[test]
    fn each_source_has_its_own_bound_and_the_user_pays_for_all() {
        let user = User::default();
        let (one, other) = (Account::of(&user), Account::of(&user));
        one.add(BACKLOG);
        assert!(!one.is_over());
        one.add(1);
        assert!(one.is_over() && !other.is_over());
        other.add(1);
        assert_eq!(user.closing(), BACKLOG + 2);
        one.begins_one();
        assert_eq!(one.begun(), 1);
        one.closed_one();
        assert_eq!(one.begun(), 0);
        assert!(!one.is_over());
        assert_eq!((one.closing(), user.closing()), (BACKLOG, BACKLOG + 1));
    }

    #[test]
    fn a_user_that_is_over_stops_all_of_its_sources_and_only_those() {
        let user = User::with(|| BACKLOG * 3 / 2, || 0);
        let sources: Vec<Account> = (0..3).map(|_| Account::of(&user)).collect();
        sources[0].add(BACKLOG);
        sources[1].add(BACKLOG);
        assert!(sources.iter().all(Account::is_over));
        assert!(!sources.iter().any(Account::is_to_blame));
        assert!(!Account::of(&User::with(|| 0, || 0)).is_over());
    }
}
