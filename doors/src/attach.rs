//! Giving a door a name in the file system.

use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::access::Access;
use crate::client::petition::system;
use crate::door::{Door, Inner};
use crate::error::{DoorCondition, DoorError, DoorLabel};
use crate::name::{Name, NameError};
use crate::primitive::{AtomicBool, Ordering};
use crate::server::core::Core;
use crate::server::runtime::{Attached, Runtime};
use crate::sys::dense::Dense;
use crate::sys::{self, fork};

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
    /// # Blocking
    /// Up to 5 s while another process keeps the directory locked (flock(2)); whoever makes a name has it for less than
    /// a millisecond.
    ///
    /// # Errors
    /// [`DoorCondition::Name`] with the path: busy (EBUSY: a live server), foreign (EEXIST: not ours), permission, too long
    /// a last component (in a path of 108 bytes and more it can have some 80), a directory that others can write without
    /// the sticky bit. [`DoorCondition::NotCreator`] (EPERM), [`DoorCondition::NoDoor`] if revoked,
    /// [`DoorCondition::Draining`] while the door is handed over ([`Drained::hand_over`](crate::Drained::hand_over)),
    /// and ever after.
    ///
    /// # Death
    /// A server that is killed leaves the name behind, without anybody who answers; the next one that attaches to the
    /// path takes it over.
    ///
    /// # Examples
    /// ```
    /// use doors::{Door, DoorAttributes};
    ///
    /// let path = std::env::temp_dir().join(format!("doors-attach-{}", std::process::id()));
    /// let door = Door::create(|call| call.door_return(b"found", vec![]), DoorAttributes::empty())?;
    /// let name = door.attach(&path, 0o600)?;
    /// assert_eq!(Door::open(&path)?.call(&[], vec![])?.data, b"found");
    /// assert!(name.detach()?);
    /// assert!(Door::open(&path).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "fattach")]
    pub fn attach(&self, path: impl AsRef<Path>, mode: u32) -> Result<Attachment, DoorError> {
        self.attach_with(path, AttachOptions::mode(mode))
    }

    /// As [`attach`](Self::attach), with everything that can be chosen; it waits as long.
    ///
    /// # Errors
    /// As [`attach`](Self::attach); [`DoorCondition::Name`] also if this process may not give the name to the owner (EPERM).
    ///
    /// # Examples
    /// One door with a name for everybody and one for a group:
    /// ```
    /// use doors::{Access, AttachOptions, Door, DoorAttributes};
    ///
    /// let directory = std::env::temp_dir();
    /// let path = |word| directory.join(format!("doors-{word}-{}", std::process::id()));
    /// let door = Door::create(|call| call.door_return(&[], vec![]), DoorAttributes::empty())?;
    /// let _everybody = door.attach(path("everybody"), 0o666)?;
    /// let operators = AttachOptions {
    ///     access: Some(Access::only_me().or_group(27)),
    ///     ..AttachOptions::mode(0o666)
    /// };
    /// let _operators = door.attach_with(path("operators"), operators)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "fattach")]
    pub fn attach_with(
        &self,
        path: impl AsRef<Path>,
        options: AttachOptions,
    ) -> Result<Attachment, DoorError> {
        self.named(self.bind_name(path.as_ref(), options))
    }

    fn bind_name(&self, path: &Path, options: AttachOptions) -> Result<Attachment, DoorCondition> {
        let (runtime, own) = self.attachable()?;
        let AttachOptions {
            mode,
            owner,
            group,
            access,
        } = options;
        let pass = runtime.may_refer_to(own)?;
        let owned = owner.is_some() || group.is_some();
        let (name, listener) = Name::bind(path, mode, owned.then_some((owner, group)))?;
        let attached = Attached {
            key: runtime.next_key(),
            core: own.clone(),
            path: Some(name.path().to_path_buf()),
            watch: runtime.watch_name(&name),
            name: Some(name),
            handed_over: AtomicBool::new(false),
            borrowed: false,
            born_here: true,
            accepting: Mutex::default(),
            listener,
            access: access.map(Arc::new),
        };
        let attachment =
            Attachment::begin(&runtime, attached).map_err(|e| system("watch the name", e))?;
        drop(pass);
        Ok(attachment)
    }

    pub(crate) fn attachable(&self) -> Result<(Arc<Runtime>, &Dense<Core>), DoorCondition> {
        let Inner::Own(own) = &*self.inner else {
            return Err(DoorCondition::NotCreator);
        };
        let runtime = own.runtime()?;
        // Of one that was handed over `may_refer_to` tells.
        if own.core.is_revoked() && !own.core.is_handed_over() {
            Err(DoorCondition::NoDoor)
        } else {
            Ok((runtime, &own.core))
        }
    }
}

impl Attachment {
    /// Serves on a listener from now on.
    pub(crate) fn begin(runtime: &Arc<Runtime>, attached: Attached) -> sys::Result<Self> {
        let attached = Arc::new(attached);
        runtime.listen(&attached)?;
        Ok(Self {
            attached,
            runtime: Arc::clone(runtime),
            kept: false,
        })
    }

    /// The name, absolute, as it was when it was made; `None` for an inherited socket that has none.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.attached.path.as_deref()
    }

    /// Removes the name (`fdetach`). True if it was still there and ours; one that was handed over is a successor's.
    ///
    /// Doors that were opened by it stay callable.
    ///
    /// # Blocking
    /// While the door is handed over ([`Drained::hand_over`](crate::Drained::hand_over)), and up to 5 s while another
    /// process keeps the directory locked.
    ///
    /// # Errors
    /// [`DoorCondition::Name`] if the directory does not let us; the name is then served on. [`DoorCondition::NotCreator`]
    /// (EPERM) in a forked child.
    #[doc(alias = "fdetach")]
    pub fn detach(mut self) -> Result<bool, DoorError> {
        self.kept = true;
        if self.runtime.life != fork::life() {
            let label = DoorLabel {
                path: self.path().map(Arc::from),
                ..DoorLabel::default()
            };
            return Err(DoorError::on(label, DoorCondition::NotCreator));
        }
        self.end().map_err(DoorError::from)
    }

    /// The name goes first: nobody shall find it without a server behind.
    fn end(&self) -> Result<bool, NameError> {
        // While the name is handed over nobody knows whose it will be.
        let _pass = self.runtime.standstill.pass_afterwards();
        if self.attached.handed_over.load(Ordering::Acquire) {
            return Ok(false);
        }
        let removed = match &self.attached.name {
            Some(name) if !self.attached.borrowed => name.remove()?,
            _ => false,
        };
        self.runtime.unlisten(&self.attached);
        Ok(removed)
    }

    /// Leaves the name in place for as long as the process lives. The file stays behind then, and the next server that
    /// attaches there replaces it.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        if !self.kept && self.runtime.life == fork::life() {
            // Nobody to tell: `detach` is for those who want to know.
            let ended = self.end();
            if ended.is_err() {
                let _pass = self.runtime.standstill.pass_afterwards();
                self.runtime.unlisten(&self.attached);
            }
        }
    }
}
