//! Serving a door on a listening socket that this process was started with.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use crate::access::Access;
use crate::attach::Attachment;
use crate::client::petition::system;
use crate::door::Door;
use crate::error::{DoorCondition, DoorError};
use crate::name::{self, Name};
use crate::primitive::AtomicBool;
use crate::server::runtime::Attached;

/// A listening socket that was passed to this process at its start.
#[derive(Debug)]
pub struct InheritedListener {
    /// Its name in `LISTEN_FDNAMES`.
    pub name: Option<String>,
    /// Who may call through it, besides what the door demands: see
    /// [`AttachOptions::access`](crate::AttachOptions::access). None at first.
    pub access: Option<Access>,
    socket: OwnedFd,
}

impl Door {
    /// Serves the door on a listening socket that this process inherited, in the manner of systemd's socket activation.
    ///
    /// The name belongs to whoever made the socket: the end of the attachment ends the service here, and leaves the
    /// name and the connections that nobody has taken yet to them.
    ///
    /// # Blocking
    /// Never.
    ///
    /// # Errors
    /// [`DoorCondition::NotCreator`] (EPERM), [`DoorCondition::NoDoor`] (EBADF), [`DoorCondition::Draining`] as for
    /// [`attach`](Self::attach); [`DoorCondition::System`] if the socket cannot be watched.
    ///
    /// # Death
    /// The socket outlives this process: calls that come while there is none wait for the next.
    ///
    /// # Examples
    /// ```no_run
    /// use doors::{Door, DoorAttributes};
    ///
    /// let door = Door::create(|call| call.door_return(&[], vec![]), DoorAttributes::empty())?;
    /// let mut names = Vec::new();
    /// for listener in doors::inherited_listeners()? {
    ///     names.push(door.attach_inherited(listener)?);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "LISTEN_FDS")]
    pub fn attach_inherited(&self, listener: InheritedListener) -> Result<Attachment, DoorError> {
        self.named(self.serve_on(listener))
    }

    fn serve_on(&self, listener: InheritedListener) -> Result<Attachment, DoorCondition> {
        let (runtime, own) = self.attachable()?;
        let pass = runtime.may_refer_to(own)?;
        let name = Name::of_listener(&listener.socket);
        let attached = Attached {
            key: runtime.next_key(),
            core: own.clone(),
            path: name.as_ref().map(|name| name.path().to_path_buf()),
            watch: name.as_ref().and_then(|name| runtime.watch_name(name)),
            name,
            handed_over: AtomicBool::new(false),
            borrowed: true,
            born_here: false,
            accepting: Mutex::default(),
            listener: listener.socket,
            access: listener.access.map(Arc::new),
        };
        let attachment =
            Attachment::begin(&runtime, attached).map_err(|e| system("watch the listener", e))?;
        drop(pass);
        Ok(attachment)
    }
}

/// The listening sockets that this process was started with (`LISTEN_PID`, `LISTEN_FDS`, `LISTEN_FDNAMES`; see
/// `sd_listen_fds(3)`). The second call finds none.
///
/// # Blocking
/// Never.
///
/// # Errors
/// [`DoorCondition::Inherit`] (EINVAL) if a variable is malformed, or if one of the descriptors is not a listening packet
/// socket.
#[doc(alias = "sd_listen_fds")]
pub fn inherited_listeners() -> Result<Vec<InheritedListener>, DoorError> {
    let passed = name::inherited_listeners().map_err(DoorError::from)?;
    Ok(passed
        .into_iter()
        .map(|(name, socket)| InheritedListener {
            name,
            access: None,
            socket,
        })
        .collect())
}
