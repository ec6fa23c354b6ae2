//! Descriptors that a message has brought and that no value has.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use crate::sys::account::Account;
use crate::sys::closer;

/// What a message has brought and no value has. It is closed where it holds up nobody: the last close can take as long as whoever
/// sent it likes, and nobody has asked for it.
///
/// Most messages bring none, and then this is nothing.
#[derive(Debug, Default)]
pub(super) struct Unclaimed(Option<Box<Brought>>);

#[derive(Debug)]
struct Brought {
    /// Those that nobody has taken yet, in their order.
    left: VecDeque<OwnedFd>,
    /// Those that somebody has taken and given back.
    refused: Vec<OwnedFd>,
    /// Who pays for their close; nobody for what is our own, and closed here.
    account: Option<Account>,
}

impl Unclaimed {
    /// Nothing.
    pub(super) const NONE: Self = Self(None);

    /// What came with a message, and who pays for it.
    #[inline]
    pub(super) fn new((descriptors, account): (Vec<OwnedFd>, Option<Account>)) -> Self {
        if descriptors.is_empty() {
            return Self::NONE;
        }
        Self::of(descriptors, Some(account.unwrap_or_default()))
    }

    /// Descriptors of our own, to be taken for some that were brought.
    pub(super) fn ours(descriptors: Vec<OwnedFd>) -> Self {
        Self::of(descriptors, None)
    }

    fn of(descriptors: Vec<OwnedFd>, account: Option<Account>) -> Self {
        Self(Some(Box::new(Brought {
            left: descriptors.into(),
            refused: Vec::new(),
            account,
        })))
    }

    /// Whether the message has brought none.
    #[inline]
    pub(super) fn is_nothing(&self) -> bool {
        self.0.is_none()
    }

    /// How many are left.
    pub(super) fn count(&self) -> usize {
        self.0.as_ref().map_or(0, |brought| brought.left.len())
    }

    /// Whether they stand for others.
    #[cfg(feature = "rkyv")]
    pub(super) fn is_ours(&self) -> bool {
        matches!(&self.0, Some(brought) if brought.account.is_none())
    }

    /// The next one, if there is one left.
    pub(super) fn next(&mut self) -> Option<OwnedFd> {
        self.0.as_mut()?.left.pop_front()
    }

    /// Takes one back that is not what somebody wanted. It is nobody else's then.
    pub(super) fn refuse(&mut self, descriptor: OwnedFd) {
        match &mut self.0 {
            Some(brought) => brought.refused.push(descriptor),
            None => closer::close(vec![descriptor], &Account::default()),
        }
    }

    /// Who pays for what it has brought, if anybody does.
    pub(super) fn account(&self) -> Option<Account> {
        self.0.as_ref()?.account.clone()
    }
}

impl Drop for Brought {
    fn drop(&mut self) {
        let mut all = std::mem::take(&mut self.refused);
        all.extend(self.left.drain(..));
        if let Some(account) = &self.account {
            closer::close(all, account);
        }
    }
}
