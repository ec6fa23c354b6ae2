//! The server's end of a reference: a handed-out pair, or a connection through a name.

use std::fmt;
use std::sync::{Arc, Mutex, Weak};

use super::core::{Core, Kind, lock};
use super::packet::{Progress, send_failure, turn_away};
use super::quota::Charge;
use super::session::{Registration, Session};
use crate::access::{Access, Refusal};
use crate::cred::Caller;
use crate::foreign;
use crate::pool::Job;
use crate::primitive::{AtomicBool, Ordering};
use crate::sys::dense::Dense;
use crate::sys::diag;
use crate::sys::peer::PeerCred;
use crate::sys::shared::Shared;
use crate::wire::code::Failure;

/// How a reference came to be.
#[derive(Debug)]
pub(crate) enum Origin {
    /// A pair; the inode of the holder's end tells whether it still exists.
    Handed {
        holder: u64,
        /// What it costs the user who asked for it; the owner's own hand-outs cost nobody.
        _charge: Option<Charge>,
    },
    /// A connection. A hang-up is the truth: only its own holders share its fate, and its inode may live in
    /// another network namespace.
    Path {
        /// What it costs its user; given back with the connection.
        _charge: Charge,
        /// Who has connected.
        peer: PeerCred,
        /// The key of the listener in whose line it has waited; none of one that was handed over.
        listener: Option<u64>,
    },
    /// A pair that the owner made to call its own door: no reference.
    Own,
}

/// The server's end of a reference.
pub(crate) struct Token {
    /// Its key in the leader's table.
    pub(crate) key: u64,
    pub(crate) core: Dense<Core>,
    pub(crate) socket: Shared,
    pub(crate) origin: Origin,
    /// The policy of the name by which the holder came.
    pub(crate) access: Option<Arc<Access>>,
    registrations: Mutex<Vec<(Weak<Session>, Dense<Registration>)>>,
    /// The first call that is going on here.
    pub(crate) call: Mutex<Option<Arc<Progress>>>,
    /// Something sensible has come here.
    spoken: AtomicBool,
}

impl Token {
    pub(crate) fn new(
        key: u64,
        core: &Dense<Core>,
        socket: Shared,
        origin: Origin,
        access: Option<Arc<Access>>,
    ) -> Arc<Self> {
        let token = Self {
            key,
            core: Dense::clone(core),
            socket,
            origin,
            access,
            registrations: Mutex::new(Vec::new()),
            call: Mutex::new(None),
            spoken: AtomicBool::new(false),
        };
        token.core.refer(token.kind());
        Arc::new(token)
    }

    /// Whether a caller that came by this reference is admitted: by the door, and by the name if it came through one.
    /// Runs foreign code: see [`Self::judge`].
    pub(crate) fn check(&self, caller: &Caller) -> Result<(), Refusal> {
        self.core.access.check(caller)?;
        self.access
            .as_ref()
            .map_or(Ok(()), |access| access.check(caller))
    }

    /// What can be said of a caller without asking a predicate; `None` if one has to be asked.
    pub(crate) fn judge(&self, caller: &Caller) -> Option<Result<(), Refusal>> {
        let by_door = self.core.access.judge(caller);
        let by_name = match &self.access {
            Some(access) => access.judge(caller),
            None => Some(Ok(())),
        };
        match (by_door, by_name) {
            (Some(Err(refusal)), _) | (_, Some(Err(refusal))) => Some(Err(refusal)),
            (Some(Ok(())), Some(Ok(()))) => Some(Ok(())),
            _ => None,
        }
    }

    /// Whether every known caller of this user is admitted: then nobody needs to know its groups.
    pub(crate) fn admits_user(&self, uid: u32) -> bool {
        let by_name = self.access.as_ref();
        self.core.access.admits_user(uid) && by_name.is_none_or(|access| access.admits_user(uid))
    }

    /// Whether somebody else may hold it.
    pub(crate) fn is_reference(&self) -> bool {
        !matches!(self.origin, Origin::Own)
    }

    fn kind(&self) -> Kind {
        match self.origin {
            Origin::Handed { .. } => Kind::Token,
            Origin::Path { .. } => Kind::Path,
            Origin::Own => Kind::Owner,
        }
    }

    /// Registers the door in a session for as long as this reference lives. A session has one registration for each
    /// reference, however often it asks; those of sessions that have ended are forgotten.
    pub(crate) fn register(&self, session: &Arc<Session>) -> Dense<Registration> {
        let mut registrations = lock(&self.registrations);
        let mut own = None;
        registrations.retain(|(other, registration)| match other.upgrade() {
            Some(other) if Arc::ptr_eq(&other, session) => {
                own = Some(Dense::clone(registration));
                true
            }
            Some(other) => !other.is_dead(),
            None => false,
        });
        own.unwrap_or_else(|| {
            let registration = session.register(&self.core);
            registrations.push((Arc::downgrade(session), Dense::clone(&registration)));
            registration
        })
    }

    /// Whether something sensible has come here.
    pub(crate) fn has_spoken(&self) -> bool {
        self.spoken.load(Ordering::Relaxed)
    }

    /// Something sensible has come here.
    pub(crate) fn speaks(&self) {
        self.spoken.store(true, Ordering::Relaxed);
    }

    /// Whether the holder's end is really gone, after a hang-up.
    ///
    /// shutdown(2) on any copy of the holder's end looks the same as the end of the last copy. Its inode leaves the
    /// kernel's list before the hang-up is signalled, but only when the last copy is closed.
    pub(crate) fn is_gone(&self) -> bool {
        match self.origin {
            Origin::Handed { holder, .. } => {
                // If the kernel cannot be asked, the reference is kept: a lost notice is better than a false one.
                !diag::socket_inode_exists(holder).unwrap_or(true)
            }
            Origin::Path { .. } | Origin::Own => true,
        }
    }

    /// The reference lives on in another process, with whoever holds it. A first call that waits for a thread is sent
    /// there; one that runs goes on, and its answer finds its way through our copy of the connection.
    pub(crate) fn hand_over(&self) {
        let call = lock(&self.call).take();
        if let Some(call) = call
            && call.take_back()
        {
            let _gone = send_failure(self, call.generation, Failure::Draining, 0);
            self.core.pool.discard(Job::is_given_up);
        }
        self.socket.lives_on();
        self.end();
    }

    /// A connection is about to be ended although it may be in use: a first call that was not read never will be.
    pub(crate) fn turn_away(&self) {
        if let Origin::Path { .. } = self.origin
            && lock(&self.call).is_none()
        {
            turn_away(&self.socket, Failure::NoRoom);
        }
    }

    /// The reference is over: its registrations die, then the door is weighed.
    pub(crate) fn end(&self) {
        let call = lock(&self.call).take();
        if call.is_some_and(|call| call.give_up()) {
            // No thread may come for long, and the call holds descriptors.
            self.core.pool.discard(Job::is_given_up);
        }
        let registrations = std::mem::take(&mut *lock(&self.registrations));
        for (session, registration) in registrations {
            if let Some(session) = session.upgrade() {
                session.unregister(&registration);
            }
        }
        if let Origin::Path { .. } = self.origin {
            self.socket.hang_up();
        }
        self.core.release(self.kind());
    }
}

impl Drop for Token {
    /// The predicates of the name's policy own what they like.
    fn drop(&mut self) {
        if let Some(access) = self.access.take() {
            foreign::release(access);
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("door", &self.core.id)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}
