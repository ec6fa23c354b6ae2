//! A door as its holder has it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crate::client::arguments::Arguments;
use crate::client::call;
use crate::client::establish::establish;
use crate::client::first;
use crate::client::petition::{Petition, system};
use crate::client::ways::Ways;
use crate::error::{CallCondition, DoorCondition, DoorLabel, Violation};
use crate::primitive::{AtomicBool, AtomicU64, Ordering};
use crate::sys::account::Account;
use crate::sys::shared::Shared;
use crate::sys::{fork, socket};
use crate::wire::message::Message;

/// A holder's end. What a call reads comes first, so that it is in one cache line with what kind of door it is.
#[repr(C)]
pub(crate) struct Remote {
    /// How calls go, once the first petition was answered.
    ways: Ways,
    token: Shared,
    /// Where it was opened.
    pub(crate) path: Option<Arc<Path>>,
    /// The first call may travel on the connection itself: it was opened here and used by nobody yet.
    fresh: AtomicBool,
    /// Something else than the first call was sent on the connection, or is about to be.
    shared: AtomicBool,
    /// The life of the process that opened it.
    pub(super) life: u64,
    /// The door's unique id, once known; 0 before.
    id: AtomicU64,
}

impl Remote {
    pub(crate) fn new(token: OwnedFd, path: Option<Arc<Path>>, fresh: bool) -> Self {
        if fresh {
            fork::share_mark();
        }
        let token = Shared::new(token, &Account::default());
        // It may have been copied by any means.
        token.lives_on();
        Self {
            ways: Ways::new(),
            token,
            path,
            fresh: AtomicBool::new(fresh),
            shared: AtomicBool::new(false),
            life: fork::life(),
            id: AtomicU64::new(0),
        }
    }

    #[inline]
    pub(super) fn call(
        &self,
        arguments: &Arguments<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Vec<OwnedFd>, CallCondition> {
        match self.ways.first() {
            Some(link) => call::call(link, arguments, out),
            None => self.other_call(arguments, out),
        }
    }

    /// The first call, or one after the end of the session by which the first ones went.
    #[cold]
    fn other_call(
        &self,
        arguments: &Arguments<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Vec<OwnedFd>, CallCondition> {
        if let Some(link) = self.ways.live() {
            return call::call_apart(&link, arguments, out);
        }
        let fresh = self.fresh.swap(false, Ordering::AcqRel)
            && !self.shared.load(Ordering::Relaxed)
            && self.life == fork::life();
        // A call that may be given up at any time waits where it can be woken, which is in a session.
        if fresh && arguments.cancel.is_none() && first::fits(arguments) {
            return first::call(&self.token, &self.shared, arguments, out);
        }
        let connect = || {
            let link = self.connect(arguments.until);
            link.map_err(|error| arguments.not_begun(not_connected(error)))
        };
        connect()?;
        if self.ways.live().is_none() {
            // Closed as unused at the moment when it was found.
            connect()?;
        }
        let link = self.ways.latest().ok_or(CallCondition::NoDoor)?;
        call::call_apart(&link, arguments, out)
    }

    /// Finds a way to call, unless we have one.
    fn connect(&self, until: Option<Instant>) -> Result<(), DoorCondition> {
        let known = || self.ways.live().is_some();
        if known() {
            return Ok(());
        }
        establish(self.to_petition(), until, known, |link| {
            self.id.store(link.door, Ordering::Relaxed);
            self.ways.store(link);
        })
    }

    /// The connection, for something else than the first call: a call that goes on can no longer tell from a reset
    /// what lay unread.
    pub(crate) fn to_petition(&self) -> BorrowedFd<'_> {
        if self.life != fork::life() {
            // The connection is our parent's as well, who may be in its first call.
            fork::set_mark();
        }
        self.shared.store(true, Ordering::Release);
        self.token.as_fd()
    }

    pub(super) fn remint(&self) -> Result<OwnedFd, DoorCondition> {
        let minted = Petition::send(self.to_petition(), &Message::Remint {}, None)
            .and_then(|mut petition| petition.receive());
        match minted {
            Ok(mut answer) => match answer.fds.as_slice() {
                [token] if socket::is_packet_socket(token) => answer.fds.pop(),
                _ => None,
            }
            .ok_or(DoorCondition::Protocol(Violation::Descriptors)),
            Err(DoorCondition::NoDoor) => self.share(),
            Err(other) => Err(other),
        }
    }

    /// A copy of our own end.
    pub(super) fn share(&self) -> Result<OwnedFd, DoorCondition> {
        // The connection is shared from now on: nothing may travel on it that expects an answer there.
        self.fresh.store(false, Ordering::Release);
        self.to_petition().try_clone_to_owned().map_err(|error| {
            let number = error.raw_os_error().unwrap_or(0);
            system("copy the descriptor", nix::errno::Errno::from_raw(number))
        })
    }

    /// Who pays for what its server sends us.
    #[cfg(feature = "derive")]
    pub(super) fn account(&self) -> Account {
        match self.ways.latest() {
            Some(link) => link.session().socket.account().clone(),
            None => self.token.account().clone(),
        }
    }

    pub(crate) fn known_id(&self) -> Option<u64> {
        Some(self.id.load(Ordering::Relaxed)).filter(|id| *id != 0)
    }

    pub(crate) fn learn_id(&self, id: u64) {
        self.id.store(id, Ordering::Relaxed);
    }

    #[cfg(feature = "tokio")]
    pub(super) fn token(&self) -> BorrowedFd<'_> {
        self.token.as_fd()
    }

    pub(super) fn label(&self) -> DoorLabel {
        let link = self.ways.latest();
        DoorLabel {
            path: self.path.clone(),
            id: self.known_id(),
            pid: link.as_ref().map(|link| link.session().server.pid()),
        }
    }
}

/// A call that never left, because the door could not be reached.
#[expect(clippy::needless_pass_by_value, reason = "it becomes the other error")]
fn not_connected(error: DoorCondition) -> CallCondition {
    match error {
        DoorCondition::NotAllowed => CallCondition::NotAllowed,
        DoorCondition::NoRoom => CallCondition::NoRoom,
        DoorCondition::Draining => CallCondition::Draining,
        DoorCondition::NotResponding { within } => CallCondition::NotResponding {
            within,
            taken: false,
        },
        DoorCondition::Protocol(violation) => CallCondition::Protocol {
            violation,
            taken: false,
        },
        DoorCondition::System { op, source } => CallCondition::System {
            op,
            source,
            taken: false,
        },
        // The descriptor is no door's, or no more. The rest is said by verbs other than connecting.
        DoorCondition::NoDoor
        | DoorCondition::NotADoor
        | DoorCondition::NotCreator
        | DoorCondition::NotPrivate
        | DoorCondition::UnknownName { .. }
        | DoorCondition::BadAttributes(_)
        | DoorCondition::BadParameter { .. }
        | DoorCondition::Name(_)
        | DoorCondition::Inherit(_) => CallCondition::NoDoor,
    }
}
