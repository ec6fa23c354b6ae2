//! Descriptors of a peer that nobody has taken yet.

use std::ops::{Deref, DerefMut};
use std::os::fd::OwnedFd;

use super::account::Account;
use super::closer;

/// Descriptors of a peer. Those that nobody takes are closed where it holds up nobody.
#[derive(Debug, Default)]
pub(crate) struct Unclaimed {
    fds: Vec<OwnedFd>,
    /// Whom they are charged to; nobody while there are none, and who is not known.
    account: Option<Account>,
}

impl Unclaimed {
    /// None yet, of who has this account.
    pub(crate) fn of(account: &Account) -> Self {
        Self {
            fds: Vec::new(),
            account: Some(account.clone()),
        }
    }

    /// Says who pays for those that there are.
    pub(crate) fn charge_to(&mut self, account: &Account) {
        if !self.fds.is_empty() {
            self.account = Some(account.clone());
        }
    }

    /// Takes all of them; from here on they are the taker's to close.
    pub(crate) fn take(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.fds)
    }

    /// Gives up those that there are.
    pub(crate) fn discard(&mut self) {
        if !self.fds.is_empty() {
            closer::close(self.take(), &self.account.clone().unwrap_or_default());
        }
    }
}

impl Deref for Unclaimed {
    type Target = Vec<OwnedFd>;

    fn deref(&self) -> &Vec<OwnedFd> {
        &self.fds
    }
}

impl DerefMut for Unclaimed {
    fn deref_mut(&mut self) -> &mut Vec<OwnedFd> {
        &mut self.fds
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        self.discard();
    }
}
