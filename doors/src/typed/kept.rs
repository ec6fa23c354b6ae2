//! Descriptors that were taken out of a message of which not all is read yet.

use std::os::fd::OwnedFd;

use super::carried::Carried;
use crate::sys::account::Account;
use crate::sys::closer;

/// An argument that is descriptors, until its method has it.
///
/// What comes behind it may be no value, or panic: then nobody has ever had these descriptors, and they are closed where that holds up
/// nobody, as those that no argument has taken.
#[derive(Debug)]
pub struct Kept<C> {
    /// `None` once its method has it.
    value: Option<C>,
    /// That of its type. Without a bound here the compiler has one word less to say of a type that is none.
    give_up: fn(C, &mut Vec<OwnedFd>),
    /// Who pays for the close; nobody for what is our own.
    account: Option<Account>,
}

impl<C> Kept<C> {
    pub(super) fn new(value: C, account: Option<Account>) -> Self
    where
        C: Carried,
    {
        Self {
            value: Some(value),
            give_up: C::give_up,
            account,
        }
    }

    /// All is read: they are the receiver's.
    #[inline]
    #[must_use]
    pub fn release(mut self) -> C {
        let Some(value) = self.value.take() else {
            unreachable!()
        };
        value
    }
}

impl<C> Drop for Kept<C> {
    #[inline]
    fn drop(&mut self) {
        if let (Some(value), Some(account)) = (self.value.take(), &self.account) {
            let mut left = Vec::new();
            (self.give_up)(value, &mut left);
            closer::close(left, account);
        }
    }
}
