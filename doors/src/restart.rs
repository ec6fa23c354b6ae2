//! Replacing a server by its successor without losing a call.
//!
//! The old process drains: calls that were taken finish, others are refused as not executed. Then it sends the successor
//! its listeners and the server's ends of all references, so that names, descriptors and unique ids stay what they
//! were. Sessions are not handed over: a client finds its session over and opens one with whoever now answers on its
//! reference, at its next call.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};

use crate::access::Access;
use crate::attributes::DoorAttributes;
use crate::client::petition::{deadline, poll_until, system};
use crate::create::Options;
use crate::door::Door;
use crate::error::{DoorCondition, DoorError, Violation};
use crate::info::DoorParams;
use crate::invocation::{Invocation, Returned};
use crate::name::Name;
use crate::primitive::{AtomicBool, Ordering};
use crate::server::core::Core;
use crate::server::quota::Charge;
use crate::server::runtime::{Attached, Runtime, Source};
use crate::server::token::{Origin, Token};
use crate::sys::peer::peer_cred;
use crate::sys::socket;
use crate::wire::limits::CONTROL_BYTES;
use crate::wire::message::Message;

/// How long either side of a hand-over waits for the other.
const WITHIN: Duration = Duration::from_secs(30);

/// A process whose doors take no new calls.
///
/// Dropped, it takes calls again.
#[derive(Debug)]
#[must_use = "dropping it takes calls again"]
pub struct Drained {
    runtime: Arc<Runtime>,
    unfinished: usize,
}

/// Refuses new calls on every door of this process from now on
/// ([`CallCondition::Draining`](crate::CallCondition::Draining), not executed) and waits until those that were taken
/// have finished, at most until `until`.
///
/// # Blocking
/// Until the last call has finished, at most until `until`; held calls count.
///
/// # Errors
/// [`DoorCondition::NoDoor`] if this process has no doors.
///
/// # Examples
/// The old process, with the successor at the other end of a socket pair:
/// ```no_run
/// # fn hand_over(successor: std::os::fd::OwnedFd) -> Result<(), doors::DoorError> {
/// use std::time::{Duration, Instant};
///
/// let drained = doors::drain(Instant::now() + Duration::from_secs(10))?;
/// if drained.unfinished() == 0 {
///     drained.hand_over(successor)?;
///     std::process::exit(0);
/// }
/// // Dropped: this process takes calls again.
/// # Ok(())
/// # }
/// ```
pub fn drain(until: Instant) -> Result<Drained, DoorError> {
    let runtime = Runtime::existing().ok_or(DoorCondition::NoDoor)?;
    runtime.set_draining(true);
    let unfinished = runtime.wait_until_idle(until);
    Ok(Drained {
        runtime,
        unfinished,
    })
}

impl Drained {
    /// How many calls had not finished when the time was over. They go on, and may be lost with the process.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.unfinished
    }

    /// Sends all doors to the successor at the other end of `to`, a packet socket (`socketpair(2)` with
    /// `SOCK_SEQPACKET`), and stops serving them here; returns how many.
    ///
    /// # Blocking
    /// At most 30 s for each packet, while the successor takes none.
    ///
    /// # Errors
    /// [`DoorCondition::NotADoor`] if `to` is no packet socket; [`DoorCondition::System`] or [`DoorCondition::NotResponding`] if the
    /// successor does not take them. This process then takes calls again.
    ///
    /// # Death
    /// If the successor dies before it has all, this process goes on as before. If it dies later, the names have no
    /// server, as after any death.
    pub fn hand_over(self, to: impl AsFd) -> Result<usize, DoorError> {
        let to = to.as_fd();
        if !socket::is_packet_socket(to) {
            return Err(DoorCondition::NotADoor.into());
        }
        let doors: Vec<Arc<Core>> = self.runtime.doors().values().cloned().collect();
        let listeners = self.runtime.listeners();
        for core in &doors {
            self.send_door(to, core, &listeners)?;
        }
        let count = doors.len();
        let doors_sent = u32::try_from(count).unwrap_or(u32::MAX);
        send(to, &Message::HandEnd { doors: doors_sent }, None)?;
        // The successor has everything, or will: nothing here may undo that any more.
        for core in &doors {
            self.let_go(core, &listeners);
        }
        for session in self.runtime.sessions().keys() {
            self.runtime.bury(*session);
        }
        Ok(count)
    }

    fn send_door(
        &self,
        to: BorrowedFd<'_>,
        core: &Arc<Core>,
        listeners: &[Arc<Attached>],
    ) -> Result<(), DoorCondition> {
        let limits = &core.limits;
        let door = Message::HandDoor {
            door: core.id,
            attributes: core.attributes().bits(),
            desc_max: limits.desc_max.load(Ordering::Relaxed),
            data_min: limits.data_min.load(Ordering::Relaxed),
            data_max: limits.data_max.load(Ordering::Relaxed),
        };
        send(to, &door, None)?;
        for attached in listeners.iter().filter(|a| Arc::ptr_eq(&a.core, core)) {
            let restricted = u32::from(attached.access.is_some());
            let message = Message::HandListener { restricted };
            send(to, &message, Some(attached.listener.as_fd()))?;
        }
        for token in self.runtime.tokens_of(core) {
            let restricted = u32::from(token.access.is_some());
            let message = match token.origin {
                Origin::Handed { holder, .. } => Message::HandToken { holder, restricted },
                Origin::Path { .. } => Message::HandConnection { restricted },
                Origin::Own => continue,
            };
            send(to, &message, Some(token.socket.as_fd()))?;
        }
        Ok(())
    }

    /// Ends a door here whose references live on in the successor.
    fn let_go(&self, core: &Arc<Core>, listeners: &[Arc<Attached>]) {
        // Also takes the notice: the references do not end, they move.
        core.revoke();
        for attached in listeners.iter().filter(|a| Arc::ptr_eq(&a.core, core)) {
            attached.handed_over.store(true, Ordering::Release);
            self.runtime.unlisten(attached);
        }
        for token in self.runtime.tokens_of(core) {
            if self.runtime.unwatch(token.key, &token.socket).is_some() {
                token.end();
            }
        }
    }
}

impl Drop for Drained {
    fn drop(&mut self) {
        self.runtime.set_draining(false);
    }
}

fn send(
    to: BorrowedFd<'_>,
    message: &Message,
    fd: Option<BorrowedFd<'_>>,
) -> Result<(), DoorCondition> {
    let until = deadline(WITHIN);
    let packet = message.encode(0);
    loop {
        match socket::send(to, &[&packet], fd.as_slice()) {
            Ok(()) => return Ok(()),
            // The successor takes them one by one; the queue, or the number of descriptors in flight, is limited.
            Err(Errno::EAGAIN | Errno::ETOOMANYREFS) => wait(to, PollFlags::POLLOUT, until)?,
            Err(source) => return Err(system("send a door to the successor", source)),
        }
    }
}

fn wait(fd: BorrowedFd<'_>, flags: PollFlags, until: Instant) -> Result<(), DoorCondition> {
    let mut fds = [PollFd::new(fd, flags)];
    if poll_until(&mut fds, Some(until)).map_err(|e| system("wait for the other process", e))? {
        Ok(())
    } else {
        Err(DoorCondition::NotResponding { within: WITHIN })
    }
}

/// A door that a predecessor handed over. Nobody serves it until [`serve`](Self::serve); its callers wait.
#[derive(Debug)]
pub struct Heirloom {
    id: u64,
    attributes: DoorAttributes,
    params: DoorParams,
    /// Each with whether its name had a policy of its own.
    listeners: Vec<(bool, OwnedFd)>,
    tokens: Vec<(bool, u64, OwnedFd)>,
    connections: Vec<(bool, OwnedFd)>,
    name_access: Option<Arc<Access>>,
}

/// Takes over the doors of a predecessor that calls [`Drained::hand_over`] on the other end of `from`.
///
/// # Blocking
/// Until all have come, at most 30 s without a packet.
///
/// # Errors
/// [`DoorCondition::NotResponding`] after 30 s of silence, [`DoorCondition::NoDoor`] if the predecessor ended before all was
/// sent, [`DoorCondition::Protocol`] for anything that is not a hand-over, [`DoorCondition::NoRoom`] if our descriptor table
/// is full. What had arrived is closed.
///
/// # Examples
/// The successor, with the socket as its standard input:
/// ```no_run
/// let mut doors = Vec::new();
/// for heirloom in doors::take_over(std::io::stdin())? {
///     let options = doors::Options {
///         attributes: heirloom.attributes() & doors::DoorAttributes::CREATE,
///         ..doors::Options::default()
///     };
///     doors.push(heirloom.serve(|call| call.door_return(&[], vec![]), options)?);
/// }
/// # Ok::<(), doors::DoorError>(())
/// ```
pub fn take_over(from: impl AsFd) -> Result<Vec<Heirloom>, DoorError> {
    let from = from.as_fd();
    let mut doors: Vec<Heirloom> = Vec::new();
    loop {
        let (message, fd) = receive(from)?;
        match (message, fd, doors.last_mut()) {
            (
                Message::HandDoor {
                    door,
                    attributes,
                    desc_max,
                    data_min,
                    data_max,
                },
                None,
                _,
            ) => {
                doors.push(Heirloom {
                    id: door,
                    attributes: DoorAttributes::from_bits_truncate(attributes),
                    params: DoorParams {
                        desc_max,
                        data_min,
                        data_max,
                    },
                    listeners: Vec::new(),
                    tokens: Vec::new(),
                    connections: Vec::new(),
                    name_access: None,
                });
            }
            (Message::HandListener { restricted }, Some(fd), Some(door)) => {
                door.listeners.push((restricted != 0, fd));
            }
            (Message::HandToken { holder, restricted }, Some(fd), Some(door)) => {
                door.tokens.push((restricted != 0, holder, fd));
            }
            (Message::HandConnection { restricted }, Some(fd), Some(door)) => {
                door.connections.push((restricted != 0, fd));
            }
            (Message::HandEnd { doors: count }, None, _) => {
                return if usize::try_from(count) == Ok(doors.len()) {
                    Ok(doors)
                } else {
                    Err(DoorCondition::Protocol(Violation::Value).into())
                };
            }
            _ => return Err(DoorCondition::Protocol(Violation::Turn).into()),
        }
    }
}

fn receive(from: BorrowedFd<'_>) -> Result<(Message, Option<OwnedFd>), DoorCondition> {
    let until = deadline(WITHIN);
    let mut buffer = [0_u8; CONTROL_BYTES];
    let mut received = loop {
        match socket::receive(from, &mut buffer) {
            Ok(Some(received)) => break received,
            Ok(None) => return Err(DoorCondition::NoDoor),
            Err(Errno::EAGAIN) => wait(from, PollFlags::POLLIN, until)?,
            Err(source) => return Err(system("receive a door from the predecessor", source)),
        }
    };
    if received.fds_lost {
        return Err(DoorCondition::NoRoom);
    }
    let bytes = buffer.get(..received.len).unwrap_or_default();
    let (message, _) = Message::decode(bytes).map_err(DoorCondition::Protocol)?;
    let mut fds = std::mem::take(&mut received.fds);
    let fd = fds.pop();
    let sound = fds.is_empty() && fd.as_ref().is_none_or(socket::is_packet_socket);
    if sound {
        Ok((message, fd))
    } else {
        Err(DoorCondition::Protocol(Violation::Descriptors))
    }
}

impl Heirloom {
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
    /// Never.
    ///
    /// # Errors
    /// As [`Door::create_with`], and [`DoorCondition::BadParameter`] (EACCES) if [`is_restricted`](Self::is_restricted) and
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
        let name_access = self.name_access;
        let policy = |restricted: bool| name_access.clone().filter(|_| restricted);
        for (restricted, listener) in self.listeners {
            let name = Name::of_listener(&listener);
            let attached = Arc::new(Attached {
                key: runtime.next_key(),
                core: Arc::clone(core),
                path: name.as_ref().map(|name| name.path().to_path_buf()),
                watch: name.as_ref().and_then(|name| runtime.watch_name(name)),
                name,
                access: policy(restricted),
                handed_over: AtomicBool::new(false),
                borrowed: false,
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
            adopt(&runtime, core, socket, origin, policy(restricted))?;
        }
        for (restricted, connection) in self.connections {
            // A connection over its user's quota is closed, as a new one would be.
            let uid = peer_cred(&connection).map(|peer| peer.uid);
            let charge: Option<Charge> = uid.ok().and_then(|uid| runtime.quotas.charge(uid, 1));
            if let Some(charge) = charge {
                let origin = Origin::Path { _charge: charge };
                adopt(&runtime, core, connection, origin, policy(restricted))?;
            }
        }
        Ok(door)
    }
}

fn adopt(
    runtime: &Arc<Runtime>,
    core: &Arc<Core>,
    socket: OwnedFd,
    origin: Origin,
    access: Option<Arc<Access>>,
) -> Result<(), DoorCondition> {
    let key = runtime.next_key();
    let token = Token::new(key, core, socket, origin, access);
    let watched = runtime.watch_at(key, &token.socket, Source::Token(Arc::clone(&token)));
    watched.map_err(|error| {
        token.end();
        system("watch a reference", error)
    })
}
