//! A door that waits for its new server.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use nix::errno::Errno;

use crate::access::Access;
use crate::attributes::DoorAttributes;
use crate::client::petition::system;
use crate::create::Options;
use crate::door::Door;
use crate::error::{DoorCondition, DoorError};
use crate::invocation::{Invocation, Returned};
use crate::name::Name;
use crate::params::DoorParams;
use crate::primitive::AtomicBool;
use crate::server::core::{Core, Kind};
use crate::server::packet::turn_away;
use crate::server::runtime::{Attached, Runtime, Source};
use crate::server::token::{Origin, Token};
use crate::sys::dense::Dense;
use crate::sys::peer::peer_cred;
use crate::sys::shared::Shared;
use crate::wire::code::Failure;

/// A door that a predecessor handed over. Nobody serves it until [`serve`](Self::serve); its callers wait, at most 5 s.
#[derive(Debug)]
pub struct Heirloom {
    id: u64,
    attributes: DoorAttributes,
    params: DoorParams,
    /// Each with whether its name had a policy of its own.
    pub(super) listeners: Vec<(bool, OwnedFd)>,
    pub(super) tokens: Vec<(bool, u64, OwnedFd)>,
    pub(super) connections: Vec<(bool, OwnedFd)>,
    name_access: Option<Arc<Access>>,
}

impl Heirloom {
    /// Without any reference yet.
    pub(super) fn new(id: u64, attributes: DoorAttributes, params: DoorParams) -> Self {
        Self {
            id,
            attributes,
            params,
            listeners: Vec::new(),
            tokens: Vec::new(),
            connections: Vec::new(),
            name_access: None,
        }
    }

    /// The unique id, as it was and will be.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The attributes that the predecessor had given it.
    #[must_use]
    pub fn attributes(&self) -> DoorAttributes {
        self.attributes
    }

    /// Whether a name of the door had a policy of its own ([`AttachOptions`](crate::AttachOptions)). Policies are code and
    /// are not handed over.
    #[must_use]
    pub fn is_restricted(&self) -> bool {
        let listeners = self.listeners.iter().map(|(restricted, _)| *restricted);
        let tokens = self.tokens.iter().map(|(restricted, ..)| *restricted);
        let connections = self.connections.iter().map(|(restricted, _)| *restricted);
        listeners
            .chain(tokens)
            .chain(connections)
            .any(|restricted| restricted)
    }

    fn has_references(&self) -> bool {
        !(self.listeners.is_empty() && self.tokens.is_empty() && self.connections.is_empty())
    }

    /// The policy for everybody who comes, or came, by a name that had one.
    #[must_use]
    pub fn restrict_names(mut self, access: Access) -> Self {
        self.name_access = Some(Arc::new(access));
        self
    }

    /// Serves the door from now on, under all its names and descriptors. The parameters are the predecessor's, the rest
    /// is what `options` say.
    ///
    /// # Blocking
    /// Not at all. What waits on the references is looked at as soon as they are here.
    ///
    /// # Errors
    /// [`DoorCondition::Draining`] while this process hands over doors itself. As [`Door::create_with`], and
    /// [`DoorCondition::BadParameter`] (EACCES) if [`is_restricted`](Self::is_restricted) and
    /// no policy was given; the references are closed then.
    pub fn serve(
        self,
        procedure: impl Fn(Invocation<'_>) -> Returned + Send + Sync + 'static,
        options: Options,
    ) -> Result<Door, DoorError> {
        if self.is_restricted() && self.name_access.is_none() {
            return Err(DoorCondition::BadParameter {
                what: "a name of this door had a policy of its own: give one with `restrict_names`",
                errno: Errno::EACCES,
            }
            .into());
        }
        let door = Door::create_as(Some(self.id), procedure, options)?;
        door.set_params(self.params)?;
        let (runtime, core) = door.attachable()?;
        let core = &Dense::clone(core);
        let _pass = runtime.may_refer_to(core)?;
        // Some of the references may be over already: the door is weighed when all of them are known.
        let _whole = Whole::new(core, self.has_references());
        let name_access = self.name_access;
        let policy = |restricted: bool| name_access.clone().filter(|_| restricted);
        for (restricted, listener) in self.listeners {
            let name = Name::of_listener(&listener);
            let attached = Arc::new(Attached {
                key: runtime.next_key(),
                core: Dense::clone(core),
                path: name.as_ref().map(|name| name.path().to_path_buf()),
                watch: name.as_ref().and_then(|name| runtime.watch_name(name)),
                name,
                access: policy(restricted),
                handed_over: AtomicBool::new(false),
                borrowed: false,
                born_here: false,
                accepting: Mutex::default(),
                listener,
            });
            runtime
                .listen(&attached)
                .map_err(|e| system("watch a listener", e))?;
        }
        for (restricted, holder, socket) in self.tokens {
            let origin = Origin::Handed {
                holder,
                _charge: None,
            };
            let socket = Shared::new(socket, &runtime.account_of(None));
            adopt(&runtime, core, socket, origin, policy(restricted))?;
        }
        for (restricted, connection) in self.connections {
            // A connection over its user's quota is closed, as a new one would be.
            let peer = peer_cred(&connection);
            let charge = peer.ok().and_then(|peer| {
                let charge = runtime.quotas.charge(peer.uid, 1)?;
                Some((charge, peer))
            });
            let account = charge.as_ref().map(|(charge, _)| charge.account());
            let account = account.unwrap_or_else(|| runtime.account_of(None));
            let connection = Shared::new(connection, &account);
            match charge {
                Some((charge, peer)) => {
                    let origin = Origin::Path {
                        _charge: charge,
                        peer,
                        listener: None,
                    };
                    adopt(&runtime, core, connection, origin, policy(restricted))?;
                }
                None => turn_away(&connection, Failure::NoRoom),
            }
        }
        Ok(door)
    }
}

/// A reference that stands for all that are still to be adopted, if there are any.
struct Whole<'a>(Option<&'a Dense<Core>>);

impl<'a> Whole<'a> {
    fn new(core: &'a Dense<Core>, any: bool) -> Self {
        if any {
            core.refer(Kind::Token);
        }
        Self(any.then_some(core))
    }
}

impl Drop for Whole<'_> {
    fn drop(&mut self) {
        if let Some(core) = self.0 {
            core.release(Kind::Token);
        }
    }
}

fn adopt(
    runtime: &Arc<Runtime>,
    core: &Dense<Core>,
    socket: Shared,
    origin: Origin,
    access: Option<Arc<Access>>,
) -> Result<(), DoorCondition> {
    let key = runtime.next_key();
    let token = Token::new(key, core, socket, origin, access);
    let watched = runtime.watch_at(key, &token.socket, Source::Token(Arc::clone(&token)));
    watched.map_err(|error| {
        token.turn_away();
        token.end();
        system("watch a reference", error)
    })
}
