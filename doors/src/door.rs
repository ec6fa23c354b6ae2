//! A reference to a door.

mod call;
mod in_process;
#[cfg(feature = "tokio")]
mod origin;
mod own;
mod remote;

use std::fmt;
use std::os::fd::OwnedFd;

pub use self::call::Reply;
#[cfg(feature = "tokio")]
pub(crate) use self::origin::Origin;
pub(crate) use self::own::Own;
pub(crate) use self::remote::Remote;
use crate::client::petition::system;
use crate::desc::DoorDesc;
use crate::error::{DoorCondition, DoorError, DoorLabel};
use crate::server::core::{Core, Kind};
#[cfg(feature = "derive")]
use crate::sys::account::Account;
use crate::sys::dense::{Dense, Shelf, Shelved};
use crate::sys::{fork, socket};

/// A reference to a door.
///
/// It comes from [`Door::create`] (this process serves it), from [`Door::open`] (by name), or from a descriptor that
/// arrived with a call ([`Door::from_descriptor`]). Clones share one reference. It can be called,
/// passed on, given a name, asked and revoked.
#[derive(Clone, Debug)]
pub struct Door {
    pub(crate) inner: Dense<Inner>,
}

pub(crate) enum Inner {
    /// Created by this process.
    Own(Own),
    /// A token, or a connection through a name.
    Remote(Remote),
    /// No transport: calls run on the calling thread.
    InProcess(Dense<Core>),
}

impl Door {
    pub(crate) fn own(core: Dense<Core>) -> Self {
        Self {
            inner: Dense::new(Inner::Own(Own::new(core))),
        }
    }

    pub(crate) fn in_process_of(core: Dense<Core>) -> Self {
        Self {
            inner: Dense::new(Inner::InProcess(core)),
        }
    }

    pub(crate) fn remote(remote: Remote) -> Self {
        Self {
            inner: Dense::new(Inner::Remote(remote)),
        }
    }

    /// Makes a door of a descriptor that arrived with a call or reply, was inherited, or came over any socket.
    ///
    /// Nothing is sent yet: whether a door server is at the other end shows at the first use.
    ///
    /// # Blocking
    /// Never.
    ///
    /// # Errors
    /// [`DoorCondition::NotADoor`] (EBADF) with the descriptor closed, if it is not a packet socket at all.
    ///
    /// # Examples
    /// ```
    /// use doors::{Door, DoorAttributes};
    ///
    /// let door = Door::create(|call| call.door_return(b"here", vec![]), DoorAttributes::empty())?;
    /// // As a rule it has come with a call or a reply.
    /// let received = Door::from_descriptor(door.descriptor()?)?;
    /// assert_eq!(received.call(&[], vec![])?.data, b"here");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_descriptor(descriptor: OwnedFd) -> Result<Self, DoorError> {
        Self::of_descriptor(descriptor).map_err(|(_closed, error)| error)
    }

    /// As [`from_descriptor`](Self::from_descriptor); gives back what is none of a door.
    pub(crate) fn of_descriptor(descriptor: OwnedFd) -> Result<Self, (OwnedFd, DoorError)> {
        if !socket::is_packet_socket(&descriptor) {
            return Err((descriptor, DoorCondition::NotADoor.into()));
        }
        // A door that came without stamps (from a C program, say) must name its senders too.
        match socket::name_senders(&descriptor) {
            Ok(()) => Ok(Self::remote(Remote::new(descriptor, None, false))),
            Err(errno) => Err((descriptor, system("set up the descriptor", errno).into())),
        }
    }

    /// Who pays for what an answer has brought and nobody wants; nobody if it came from this process.
    #[cfg(feature = "derive")]
    #[cold]
    pub(crate) fn account(&self) -> Option<Account> {
        match &*self.inner {
            Inner::Remote(remote) => Some(remote.account()),
            Inner::Own(_) | Inner::InProcess(_) => None,
        }
    }

    /// A descriptor of the door, to be passed to another process by any means.
    ///
    /// Each is a reference of its own: the server learns when the last copy of each is gone. For a door of another
    /// process it is asked of that server; if the server is gone, it is a copy of our own. It is close-on-exec.
    ///
    /// # Blocking
    /// Not for a door of this process; at most 5 s for one of another. A server that is about to be replaced leaves the
    /// answer to its successor.
    ///
    /// # Errors
    /// [`DoorCondition::NotCreator`] (EPERM) in a forked child of the creator; [`DoorCondition::Draining`] while this
    /// process hands the door over ([`Drained::hand_over`](crate::Drained::hand_over)), and ever after;
    /// [`DoorCondition::NoRoom`] if the server or the
    /// quota of this user is short; [`DoorCondition::NotResponding`] if the server is stopped; [`DoorCondition::NotAllowed`];
    /// [`DoorCondition::NotADoor`] for a door without transport; [`DoorCondition::System`] if a socket pair cannot be made.
    pub fn descriptor(&self) -> Result<OwnedFd, DoorError> {
        let minted = match &*self.inner {
            Inner::Own(own) => own.mint(),
            Inner::Remote(remote) => remote.remint(),
            Inner::InProcess(_) => Err(DoorCondition::NotADoor),
        };
        self.named(minted)
    }

    /// As [`descriptor`](Self::descriptor), ready to travel with a call or reply: the receiver has the only copy.
    ///
    /// # Blocking
    /// As [`descriptor`](Self::descriptor).
    ///
    /// # Errors
    /// As [`descriptor`](Self::descriptor).
    ///
    /// # Examples
    /// A door that gives a new door to each caller:
    /// ```
    /// use doors::{Door, DoorAttributes};
    ///
    /// let giver = Door::create(
    ///     |call| {
    ///         let new = Door::create(|call| call.door_return(b"new", vec![]), DoorAttributes::empty());
    ///         match new.and_then(|door| door.to_desc()) {
    ///             Ok(door) => call.door_return(&[], vec![door]),
    ///             Err(_) => call.door_return(b"sorry", vec![]),
    ///         }
    ///     },
    ///     DoorAttributes::empty(),
    /// )?;
    /// let mut reply = giver.call(&[], vec![])?;
    /// let given = Door::from_descriptor(reply.descriptors.remove(0))?;
    /// assert_eq!(given.call(&[], vec![])?.data, b"new");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_desc(&self) -> Result<DoorDesc<'static>, DoorError> {
        self.descriptor().map(DoorDesc::Released)
    }

    /// As [`to_desc`](Self::to_desc), without asking anybody: for a door of another process the receiver has a copy of our own
    /// descriptor, which counts as a reference until both are closed.
    #[cfg(feature = "tokio")]
    pub(crate) fn to_shared_desc(&self) -> Result<DoorDesc<'static>, DoorError> {
        match &*self.inner {
            Inner::Remote(remote) => self.named(remote.share()).map(DoorDesc::Released),
            Inner::Own(_) | Inner::InProcess(_) => self.to_desc(),
        }
    }

    /// An error says which door it is about.
    pub(crate) fn named<T>(&self, result: Result<T, DoorCondition>) -> Result<T, DoorError> {
        result.map_err(|condition| DoorError::on(self.label(), condition))
    }

    /// Which door this is, for messages: its path if it was opened by one, else its unique id if it is known yet. Asks
    /// nobody.
    #[must_use]
    pub fn label(&self) -> DoorLabel {
        match &*self.inner {
            Inner::Own(Own { core, .. }) | Inner::InProcess(core) => DoorLabel {
                path: None,
                id: Some(core.id),
                pid: i32::try_from(std::process::id()).ok(),
            },
            Inner::Remote(remote) => remote.label(),
        }
    }
}

impl Shelved for Inner {
    fn shelf() -> &'static Shelf<Self> {
        static SHELF: Shelf<Inner> = Shelf::new();
        &SHELF
    }
}

impl Drop for Inner {
    /// Nothing else refers to a door without a transport.
    fn drop(&mut self) {
        if let Self::InProcess(core) = self
            && core.life == fork::life()
        {
            core.release(Kind::Owner);
        }
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(own) => f.debug_tuple("Own").field(&own.core).finish(),
            Self::Remote(remote) => f.debug_tuple("Remote").field(&remote.path).finish(),
            Self::InProcess(core) => f.debug_tuple("InProcess").field(core).finish(),
        }
    }
}
