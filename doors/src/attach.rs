//! Giving a door a name in the file system, and opening one by its name.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::access::Access;
use crate::client::petition::{deadline, system};
use crate::door::{Door, Inner, Remote};
use crate::error::DoorError;
use crate::name::{self, Name, NameError};
use crate::primitive::{AtomicBool, Ordering};
use crate::server::runtime::{Attached, Runtime};

/// How long `open` waits for a place in a full backlog.
const OPEN_WITHIN: Duration = Duration::from_secs(5);

/// A name under which a door can be opened.
///
/// Dropped, it is removed, if it still is the entry that was made; see [`keep`](Self::keep).
#[derive(Debug)]
#[must_use = "dropping an attachment removes the name"]
pub struct Attachment {
    attached: Arc<Attached>,
    runtime: Arc<Runtime>,
    kept: bool,
}

/// What a name of a door is like.
#[derive(Clone, Debug)]
pub struct AttachOptions {
    /// The permission bits; the write bit is what admits.
    pub mode: u32,
    /// The user that the name belongs to; this process' own without one.
    pub owner: Option<u32>,
    /// The group that the name belongs to; the directory's or this process' own without one.
    pub group: Option<u32>,
    /// Who may call through this name. The door's own policy must admit the caller, too, so that a name can narrow it
    /// and never widen it. It holds for whoever received the opened door from somebody, and for every
    /// [`descriptor`](Door::descriptor) that was asked for through it.
    pub access: Option<Access>,
}

impl AttachOptions {
    /// A name with these permission bits that belongs to this process' user and group and has no policy of its own.
    #[must_use]
    pub fn mode(mode: u32) -> Self {
        Self {
            mode,
            owner: None,
            group: None,
            access: None,
        }
    }
}

impl Door {
    /// Gives the door a name: a listening socket at `path`, with the mode's permission bits (`fattach`).
    ///
    /// Linux asks for the *write* bit to connect, so `0o600` admits the owner alone, `0o666` everybody; the read and
    /// execute bits mean nothing. The name appears with its final or narrower permissions, never with wider ones. A
    /// stale socket of ours that a dead server left is replaced; anything else that is there is not touched. An
    /// attached name counts as a reference, and a door may have many.
    ///
    /// # Errors
    /// [`DoorError::Name`] with the path: busy (EBUSY: a live server), foreign (EEXIST: not ours), permission, too long
    /// a last component (84 bytes and more in a path of 108 and more), a directory that others can write without the
    /// sticky bit. [`DoorError::NotCreator`] (EPERM), [`DoorError::NoDoor`] if revoked.
    #[doc(alias = "fattach")]
    pub fn attach(&self, path: impl AsRef<Path>, mode: u32) -> Result<Attachment, DoorError> {
        self.attach_with(path, AttachOptions::mode(mode))
    }

    /// As [`attach`](Self::attach), with everything that can be chosen.
    ///
    /// # Errors
    /// As [`attach`](Self::attach); [`DoorError::Name`] also if this process may not give the name to the owner.
    #[doc(alias = "fattach")]
    pub fn attach_with(
        &self,
        path: impl AsRef<Path>,
        options: AttachOptions,
    ) -> Result<Attachment, DoorError> {
        let (runtime, own) = self.attachable()?;
        let AttachOptions {
            mode,
            owner,
            group,
            access,
        } = options;
        let owned = owner.is_some() || group.is_some();
        let (name, listener) = Name::bind(path.as_ref(), mode, owned.then_some((owner, group)))?;
        let attached = Arc::new(Attached {
            key: runtime.next_key(),
            core: Arc::clone(own),
            path: Some(name.path().to_path_buf()),
            watch: runtime.watch_name(&name),
            name: Some(name),
            handed_over: AtomicBool::new(false),
            borrowed: false,
            accepting: Mutex::default(),
            listener,
            access: access.map(Arc::new),
        });
        runtime
            .listen(&attached)
            .map_err(|e| system("watch the name", e))?;
        Ok(Attachment {
            attached,
            runtime,
            kept: false,
        })
    }

    /// Serves the door on a listening socket that this process inherited, in the manner of systemd's socket activation.
    ///
    /// The name belongs to whoever made the socket: the end of the attachment ends the service here, and leaves the
    /// name and the connections that nobody has taken yet to them.
    ///
    /// # Errors
    /// [`DoorError::NotCreator`], [`DoorError::NoDoor`] as for [`attach`](Self::attach).
    #[doc(alias = "LISTEN_FDS")]
    pub fn attach_inherited(&self, listener: InheritedListener) -> Result<Attachment, DoorError> {
        let (runtime, own) = self.attachable()?;
        let name = Name::of_listener(&listener.socket);
        let attached = Arc::new(Attached {
            key: runtime.next_key(),
            core: Arc::clone(own),
            path: name.as_ref().map(|name| name.path().to_path_buf()),
            watch: name.as_ref().and_then(|name| runtime.watch_name(name)),
            name,
            handed_over: AtomicBool::new(false),
            borrowed: true,
            accepting: Mutex::default(),
            listener: listener.socket,
            access: listener.access.map(Arc::new),
        });
        runtime
            .listen(&attached)
            .map_err(|e| system("watch the listener", e))?;
        Ok(Attachment {
            attached,
            runtime,
            kept: false,
        })
    }

    pub(crate) fn attachable(
        &self,
    ) -> Result<(Arc<Runtime>, &Arc<crate::server::core::Core>), DoorError> {
        let Inner::Own(own) = &*self.inner else {
            return Err(DoorError::NotCreator);
        };
        let runtime = own.runtime()?;
        if own.core.is_revoked() {
            Err(DoorError::NoDoor)
        } else {
            Ok((runtime, &own.core))
        }
    }

    /// Opens a door by its name.
    ///
    /// Only a connection is made. The first call of a short-lived client travels on it; everything else opens a session
    /// with the server at its first use.
    ///
    /// # Blocking
    /// Not at all, or up to 5 s while the server's backlog is full.
    ///
    /// # Errors
    /// [`DoorError::Name`] with the path: not found, no permission (the mode's write bit decides), no server behind the
    /// name any more, not a door.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, DoorError> {
        let path = path.as_ref();
        let token = name::connect(path, deadline(OPEN_WITHIN))?;
        Ok(Self::remote(Remote::new(
            token,
            Some(Arc::from(path)),
            true,
        )))
    }

    /// Opens the name again by which this door was opened: after a restart of its server, say.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`DoorError::NotADoor`] if it was not opened by a name.
    pub fn reopen(&self) -> Result<Self, DoorError> {
        match &*self.inner {
            Inner::Remote(Remote {
                path: Some(path), ..
            }) => Self::open(path),
            _ => Err(DoorError::NotADoor),
        }
    }
}

impl Attachment {
    /// The name, absolute.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.attached.path.as_deref()
    }

    /// Removes the name (`fdetach`). True if it was still there and ours.
    ///
    /// Doors that were opened by it stay callable.
    ///
    /// # Errors
    /// [`DoorError::Name`] if the directory does not let us; the name is then served on. [`DoorError::NotCreator`]
    /// (EPERM) in a forked child.
    #[doc(alias = "fdetach")]
    pub fn detach(mut self) -> Result<bool, DoorError> {
        self.kept = true;
        if self.runtime.life != crate::sys::fork::life() {
            return Err(DoorError::NotCreator);
        }
        self.end().map_err(DoorError::from)
    }

    /// The name goes first: nobody shall find it without a server behind.
    fn end(&self) -> Result<bool, NameError> {
        let removed = match &self.attached.name {
            Some(name) if !self.attached.borrowed => name.remove()?,
            _ => false,
        };
        self.runtime.unlisten(&self.attached);
        Ok(removed)
    }

    /// Leaves the name in place for as long as the process lives.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        let handed_over = self.attached.handed_over.load(Ordering::Acquire);
        if !self.kept && !handed_over && self.runtime.life == crate::sys::fork::life() {
            // Nobody to tell: `detach` is for those who want to know.
            let ended = self.end();
            if ended.is_err() {
                self.runtime.unlisten(&self.attached);
            }
        }
    }
}

/// A listening socket that was passed to this process at its start.
#[derive(Debug)]
pub struct InheritedListener {
    /// Its name in `LISTEN_FDNAMES`.
    pub name: Option<String>,
    /// Who may call through it, besides what the door demands: see [`AttachOptions::access`]. None at first.
    pub access: Option<Access>,
    socket: std::os::fd::OwnedFd,
}

/// The listening sockets that this process was started with (`LISTEN_PID`, `LISTEN_FDS`, `LISTEN_FDNAMES`; see
/// `sd_listen_fds(3)`). The second call finds none.
///
/// # Errors
/// [`DoorError::System`] if one of them is not a listening packet socket.
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

/// The names of doors on this host, as far as they can be told from other sockets: path and inode.
///
/// A door's listener is known by its backlog (1,009); nothing is connected to.
///
/// # Errors
/// [`DoorError::System`] if the kernel does not list sockets.
pub fn live_names() -> Result<Vec<PathBuf>, DoorError> {
    let listeners = crate::sys::diag::listeners().map_err(|e| system("list sockets", e))?;
    let mark = name::visible_backlog();
    let ours = listeners
        .into_iter()
        .filter(|(_, _, backlog)| *backlog == mark);
    Ok(ours.map(|(path, _, _)| path).collect())
}
