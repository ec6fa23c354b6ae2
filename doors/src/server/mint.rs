//! Makes references to doors.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::core::Core;
use super::petitioner::NOBODY;
use super::quota::Charge;
use super::runtime::{Runtime, Source};
use super::token::{Origin, Token};
use crate::access::Access;
use crate::sys::account::Account;
use crate::sys::dense::Dense;
use crate::sys::shared::Shared;
use crate::sys::{self, socket};

impl Runtime {
    /// Makes a fresh reference to a door; returns the holder's end.
    ///
    /// `access` is what the holder's callers must satisfy besides what the door demands.
    pub(crate) fn mint(
        &self,
        core: &Dense<Core>,
        own: bool,
        access: Option<Arc<Access>>,
    ) -> sys::Result<OwnedFd> {
        self.mint_as(core, own, access, None)
    }

    /// As [`Self::mint`], at the cost of the user who asked for it.
    pub(crate) fn mint_for(
        &self,
        core: &Dense<Core>,
        access: Option<Arc<Access>>,
        charge: Charge,
    ) -> sys::Result<OwnedFd> {
        self.mint_as(core, false, access, Some(charge))
    }

    /// An account for what comes by a reference. Nobody knows who holds those that the owner handed out itself.
    pub(crate) fn account_of(&self, charge: Option<&Charge>) -> Account {
        charge.map_or_else(|| self.quotas.account(NOBODY), Charge::account)
    }

    fn mint_as(
        &self,
        core: &Dense<Core>,
        own: bool,
        access: Option<Arc<Access>>,
        charge: Option<Charge>,
    ) -> sys::Result<OwnedFd> {
        let (server, holder) = socket::pair()?;
        let account = self.account_of(charge.as_ref());
        let origin = if own {
            Origin::Own
        } else {
            Origin::Handed {
                holder: socket::inode(&holder)?,
                _charge: charge,
            }
        };
        let server = Shared::new(server, &account);
        let key = self.next_key();
        let token = Token::new(key, core, server, origin, access);
        let watched = self.watch_at(key, &token.socket, Source::Token(Arc::clone(&token)));
        if let Err(error) = watched {
            token.end();
            return Err(error);
        }
        Ok(holder)
    }
}
