//! Who has opened the connection by which a first call came.

use std::sync::{Arc, OnceLock};

use super::petitioner::NOBODY;
use super::token::{Origin, Token};
use crate::access::Refusal;
use crate::cred::{Caller, known_user};
use crate::sys;
use crate::sys::process::Process;

/// The opener of a connection, whose groups the kernel is asked for only if somebody wants to know: most policies ask for
/// the user, and most procedures for nothing.
///
/// The connection has noted them when it was made (`SO_PEERGROUPS`, unix(7)), and keeps them for as long as we hold our
/// end: whenever they are asked for, they are those of that moment.
pub(super) struct Opener {
    process: Arc<Process>,
    caller: OnceLock<Arc<Caller>>,
}

impl Opener {
    pub(super) fn new(process: Arc<Process>) -> Self {
        Self {
            process,
            caller: OnceLock::new(),
        }
    }

    /// Its process.
    pub(super) fn process(&self) -> &Arc<Process> {
        &self.process
    }

    /// Whose quota pays for what it makes us hold.
    pub(super) fn payer(token: &Token) -> u32 {
        user(token).unwrap_or(NOBODY)
    }

    /// What can be said of it without asking a predicate; `None` if one has to be asked.
    pub(super) fn judge(&self, token: &Token) -> sys::Result<Option<Result<(), Refusal>>> {
        if user(token).is_some_and(|uid| token.admits_user(uid)) {
            return Ok(Some(Ok(())));
        }
        let caller = Arc::new(self.ask(token)?);
        let judged = token.judge(&caller);
        let _first = self.caller.set(caller);
        Ok(judged)
    }

    /// With all that there is to know; nobody we can name if the kernel does not tell.
    pub(super) fn caller(&self, token: &Token) -> Arc<Caller> {
        let ask = || Arc::new(self.ask(token).unwrap_or(Caller::Unknown));
        Arc::clone(self.caller.get_or_init(ask))
    }

    fn ask(&self, token: &Token) -> sys::Result<Caller> {
        match &token.origin {
            Origin::Path { peer, .. } => Caller::of_peer(peer, &token.socket, &self.process),
            Origin::Handed { .. } | Origin::Own => Ok(Caller::Unknown),
        }
    }
}

fn user(token: &Token) -> Option<u32> {
    match &token.origin {
        Origin::Path { peer, .. } => known_user(peer),
        Origin::Handed { .. } | Origin::Own => None,
    }
}
