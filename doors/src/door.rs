//! A reference to a door.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwapOption;

use crate::client::arguments::Arguments;
use crate::client::call;
use crate::client::condition::condition;
use crate::client::establish::{Link, establish};
use crate::client::first;
use crate::client::petition::{Petition, system};
use crate::cred::{Caller, Credentials};
use crate::desc::DoorDesc;
use crate::error::{CallCondition, CallError, DoorError, DoorLabel, Violation};
use crate::local::{LocalCall, Mailbox};
use crate::primitive::{AtomicBool, AtomicU64, Ordering};
use crate::server::core::{Core, Kind};
use crate::server::line::Line;
use crate::server::runtime::Runtime;
use crate::sys::{fork, socket};
use crate::wire::code::Failure;
use crate::wire::limits::DESCRIPTORS;
use crate::wire::message::Message;

/// A reference to a door.
///
/// It comes from [`Door::create`] (this process serves it), from [`Door::open`] (by name), or from a descriptor that
/// arrived with a call ([`Door::from_descriptor`]). Clones share one reference. It can be called,
/// passed on, given a name, asked and revoked.
#[derive(Clone, Debug)]
pub struct Door {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) enum Inner {
    /// Created by this process.
    Own(Own),
    /// A token, or a connection through a name.
    Remote(Remote),
    /// No transport: calls run on the calling thread.
    InProcess(Arc<Core>),
}

/// A door of this process.
pub(crate) struct Own {
    pub(crate) core: Arc<Core>,
    /// A token to ourselves, made at the first call from this process.
    to_self: ArcSwapOption<Remote>,
}

/// A holder's end.
pub(crate) struct Remote {
    token: OwnedFd,
    /// Where it was opened.
    pub(crate) path: Option<Arc<Path>>,
    /// How calls go, once the first petition was answered.
    link: ArcSwapOption<Link>,
    /// The first call may travel on the connection itself: it was opened here and used by nobody yet.
    fresh: AtomicBool,
    /// Something else than the first call was sent on the connection, or is about to be.
    shared: AtomicBool,
    /// The life of the process that opened it.
    life: u64,
    /// The door's unique id, once known; 0 before.
    id: AtomicU64,
}

/// What a call brought back.
#[doc(alias = "door_arg_t")]
#[doc(alias = "door_results")]
#[derive(Debug, Default)]
pub struct Reply {
    /// The data; empty if there are none.
    #[doc(alias = "data_ptr")]
    #[doc(alias = "data_size")]
    #[doc(alias = "rbuf")]
    #[doc(alias = "rsize")]
    pub data: Vec<u8>,
    /// The descriptors, close-on-exec, in order. Foreign: see [`Invocation::descriptors`](crate::Invocation::descriptors).
    #[doc(alias = "desc_ptr")]
    #[doc(alias = "desc_num")]
    pub descriptors: Vec<OwnedFd>,
}

impl Door {
    pub(crate) fn own(core: Arc<Core>) -> Self {
        let own = Own {
            core,
            to_self: ArcSwapOption::const_empty(),
        };
        Self {
            inner: Arc::new(Inner::Own(own)),
        }
    }

    pub(crate) fn in_process_of(core: Arc<Core>) -> Self {
        Self {
            inner: Arc::new(Inner::InProcess(core)),
        }
    }

    pub(crate) fn remote(remote: Remote) -> Self {
        Self {
            inner: Arc::new(Inner::Remote(remote)),
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
    /// [`DoorError::NotADoor`] (EBADF) with the descriptor closed, if it is not a packet socket at all.
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
        if !socket::is_packet_socket(&descriptor) {
            return Err(DoorError::NotADoor);
        }
        // A door that came without stamps (from a C program, say) must name its senders too.
        socket::name_senders(&descriptor).map_err(|e| system("set up the descriptor", e))?;
        Ok(Self::remote(Remote::new(descriptor, None, false)))
    }

    /// Calls the door with data and descriptors, and waits for the results as long as it takes.
    ///
    /// Lent descriptors stay open here, released ones are closed with the call, whether it succeeds or not. A process
    /// may call its own door, also from inside its procedure.
    ///
    /// # Blocking
    /// Until the server procedure returns. While no server thread is free the call waits; each step of the protocol
    /// itself is bounded by 5 s. See [`call_until`](Self::call_until) for a bound on all of it.
    ///
    /// # Errors
    /// [`CallError`] with the condition; [`CallError::call_state`] tells whether the procedure may have run.
    ///
    /// # Death
    /// If the server dies or is killed the call ends with [`CallCondition::ServerDied`], within milliseconds. If this
    /// process is forked the child's copy of the door opens a session of its own. If this process dies, the procedure
    /// goes on; its invocation sees [`is_cancelled`](crate::Invocation::is_cancelled). A signal that is handled
    /// meanwhile does not end the call.
    ///
    /// # Examples
    /// ```
    /// use std::fs::File;
    /// use std::os::fd::AsFd;
    ///
    /// use doors::{Door, DoorAttributes};
    ///
    /// let length = Door::create(
    ///     |mut call| {
    ///         let file = call.take_descriptors().pop().map(File::from);
    ///         let length = file.and_then(|file| file.metadata().ok()).map_or(0, |found| found.len());
    ///         call.door_return(&length.to_le_bytes(), vec![])
    ///     },
    ///     DoorAttributes::empty(),
    /// )?;
    /// let file = File::open("/proc/self/exe")?;
    /// let reply = length.call(&[], vec![file.as_fd().into()])?;
    /// assert_eq!(reply.data, file.metadata()?.len().to_le_bytes());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "door_call")]
    pub fn call(&self, data: &[u8], descriptors: Vec<DoorDesc<'_>>) -> Result<Reply, CallError> {
        let mut reply = Reply::default();
        reply.descriptors = self.call_into(data, descriptors, None, &mut reply.data)?;
        Ok(reply)
    }

    /// As [`call`](Self::call), with a deadline (monotonic clock).
    ///
    /// # Blocking
    /// Until the server procedure returns, at most until the deadline. One that has passed already makes no call.
    ///
    /// # Errors
    /// As [`call`](Self::call), and [`CallCondition::TimedOut`], which tells whether the server had taken the call. A
    /// call that was taken goes on in the server; its invocation sees
    /// [`is_cancelled`](crate::Invocation::is_cancelled), and its results are thrown away.
    ///
    /// # Examples
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// use doors::{CallCondition, CallState, Door, DoorAttributes};
    ///
    /// let slow = Door::create(
    ///     |call| {
    ///         std::thread::sleep(Duration::from_millis(500));
    ///         call.door_return(&[], vec![])
    ///     },
    ///     DoorAttributes::empty(),
    /// )?;
    /// let deadline = Instant::now() + Duration::from_millis(20);
    /// let error = slow.call_until(&[], vec![], deadline).unwrap_err();
    /// assert!(matches!(error.condition, CallCondition::TimedOut { .. }));
    /// match error.call_state() {
    ///     CallState::NotExecuted => println!("safe to call again"),
    ///     CallState::MayHaveExecuted | CallState::Executed => println!("look before calling again"),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "door_call")]
    pub fn call_until(
        &self,
        data: &[u8],
        descriptors: Vec<DoorDesc<'_>>,
        deadline: Instant,
    ) -> Result<Reply, CallError> {
        let mut reply = Reply::default();
        reply.descriptors = self.call_into(data, descriptors, Some(deadline), &mut reply.data)?;
        Ok(reply)
    }

    /// As [`call`](Self::call), with the results appended to a buffer that can be used again; returns the descriptors.
    /// After an error the buffer may have grown by a part of the results.
    ///
    /// # Blocking
    /// As [`call_until`](Self::call_until) with a deadline, as [`call`](Self::call) without.
    ///
    /// # Errors
    /// As [`call_until`](Self::call_until).
    ///
    /// # Examples
    /// ```
    /// use doors::{Door, DoorAttributes};
    ///
    /// let door = Door::create(|call| call.door_return(b"word ", vec![]), DoorAttributes::empty())?;
    /// let mut words = Vec::new();
    /// for _ in 0..3 {
    ///     door.call_into(&[], vec![], None, &mut words)?;
    /// }
    /// assert_eq!(words, b"word word word ");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "door_call")]
    #[inline]
    pub fn call_into(
        &self,
        data: &[u8],
        descriptors: Vec<DoorDesc<'_>>,
        deadline: Option<Instant>,
        results: &mut Vec<u8>,
    ) -> Result<Vec<OwnedFd>, CallError> {
        let arguments = Arguments::new(data, descriptors, deadline);
        if arguments.is_over() {
            let condition = CallCondition::TimedOut { taken: false };
            return Err(CallError {
                door: self.label(),
                condition,
            });
        }
        let done = match &*self.inner {
            Inner::Remote(remote) => remote.call(&arguments, results),
            Inner::Own(own) => own.call(&arguments, results),
            Inner::InProcess(core) => call_in_process(core, &arguments, results),
        };
        done.map_err(|condition| CallError {
            door: self.label(),
            condition,
        })
    }

    /// A descriptor of the door, to be passed to another process by any means.
    ///
    /// Each is a reference of its own: the server learns when the last copy of each is gone. For a door of another
    /// process it is asked of that server; if the server is gone, it is a copy of our own. It is close-on-exec.
    ///
    /// # Blocking
    /// Not for a door of this process; at most 5 s for one of another.
    ///
    /// # Errors
    /// [`DoorError::NotCreator`] (EPERM) in a forked child of the creator; [`DoorError::NoRoom`] if the server or the
    /// quota of this user is short; [`DoorError::NotResponding`] if the server is stopped; [`DoorError::NotAllowed`];
    /// [`DoorError::NotADoor`] for a door without transport; [`DoorError::System`] if a socket pair cannot be made.
    pub fn descriptor(&self) -> Result<OwnedFd, DoorError> {
        match &*self.inner {
            Inner::Own(own) => {
                let runtime = own.runtime()?;
                runtime
                    .mint(&own.core, false, None)
                    .map_err(|e| system("make a reference", e))
            }
            Inner::Remote(remote) => remote.remint(),
            Inner::InProcess(_) => Err(DoorError::NotADoor),
        }
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

    /// Which door this is, for messages: its path if it was opened by one, else its unique id if it is known yet. Asks
    /// nobody.
    #[must_use]
    pub fn label(&self) -> DoorLabel {
        match &*self.inner {
            Inner::Own(own) => DoorLabel {
                path: None,
                id: Some(own.core.id),
            },
            Inner::InProcess(core) => DoorLabel {
                path: None,
                id: Some(core.id),
            },
            Inner::Remote(remote) => {
                let id = remote.id.load(Ordering::Relaxed);
                DoorLabel {
                    path: remote.path.clone(),
                    id: (id != 0).then_some(id),
                }
            }
        }
    }
}

impl Own {
    /// The runtime that serves the door; an error in a forked child.
    pub(crate) fn runtime(&self) -> Result<Arc<Runtime>, DoorError> {
        Runtime::existing()
            .filter(|runtime| runtime.life == self.core.life)
            .ok_or(DoorError::NotCreator)
    }

    fn call(
        &self,
        arguments: &Arguments<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Vec<OwnedFd>, CallCondition> {
        if let Some(remote) = &*self.to_self.load() {
            return if remote.life == fork::life() {
                remote.call(arguments, out)
            } else {
                Err(CallCondition::Forked)
            };
        }
        let runtime = self.runtime().map_err(|_| CallCondition::Forked)?;
        let token =
            runtime
                .mint(&self.core, true, None)
                .map_err(|source| CallCondition::System {
                    op: "make a reference",
                    source,
                    taken: false,
                })?;
        let remote = Arc::new(Remote::new(token, None, false));
        remote.id.store(self.core.id, Ordering::Relaxed);
        // Two threads may race: one's token is closed again, unused.
        self.to_self
            .compare_and_swap(&None::<Arc<Remote>>, Some(Arc::clone(&remote)));
        let remote = self.to_self.load_full().unwrap_or(remote);
        remote.call(arguments, out)
    }
}

impl Remote {
    pub(crate) fn new(token: OwnedFd, path: Option<Arc<Path>>, fresh: bool) -> Self {
        Self {
            token,
            path,
            link: ArcSwapOption::const_empty(),
            fresh: AtomicBool::new(fresh),
            shared: AtomicBool::new(false),
            life: fork::life(),
            id: AtomicU64::new(0),
        }
    }

    #[inline]
    fn call(
        &self,
        arguments: &Arguments<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Vec<OwnedFd>, CallCondition> {
        if let Some(link) = &*self.link.load()
            && link.is_live()
        {
            return call::call(link, arguments, out);
        }
        self.first_call(arguments, out)
    }

    #[cold]
    fn first_call(
        &self,
        arguments: &Arguments<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Vec<OwnedFd>, CallCondition> {
        let fresh = self.fresh.swap(false, Ordering::AcqRel)
            && !self.shared.load(Ordering::Relaxed)
            && self.life == fork::life();
        if fresh && first::fits(arguments) {
            return first::call(&self.token, &self.shared, arguments, out);
        }
        let connect = || {
            let link = self.connect(arguments.until);
            link.map_err(|error| arguments.not_begun(not_connected(error)))
        };
        let mut link = connect()?;
        if !link.is_live() {
            // Closed as unused at the moment when it was found.
            link = connect()?;
        }
        call::call(&link, arguments, out)
    }

    /// The way to call: the one we have, or a new one.
    pub(crate) fn connect(&self, until: Option<Instant>) -> Result<Arc<Link>, DoorError> {
        let known = || self.link.load_full().filter(|link| link.is_live());
        if let Some(link) = known() {
            return Ok(link);
        }
        establish(self.to_petition(), until, known, |link| {
            self.id.store(link.door, Ordering::Relaxed);
            self.link.store(Some(Arc::clone(link)));
        })
    }

    /// The connection, for something else than the first call: a call that goes on can no longer tell from a reset
    /// what lay unread.
    pub(crate) fn to_petition(&self) -> BorrowedFd<'_> {
        self.shared.store(true, Ordering::Release);
        self.token.as_fd()
    }

    fn remint(&self) -> Result<OwnedFd, DoorError> {
        let minted = Petition::send(self.to_petition(), &Message::Remint {}, None)
            .and_then(|mut petition| petition.receive());
        match minted {
            Ok(answer) => {
                let [token] = <[OwnedFd; 1]>::try_from(answer.fds)
                    .map_err(|_| DoorError::Protocol(Violation::Descriptors))?;
                if socket::is_packet_socket(&token) {
                    Ok(token)
                } else {
                    Err(DoorError::Protocol(Violation::Descriptors))
                }
            }
            Err(DoorError::NoDoor) => {
                // The connection is shared from now on: nothing may travel on it that expects an answer there.
                self.fresh.store(false, Ordering::Release);
                self.to_petition().try_clone_to_owned().map_err(|error| {
                    let number = error.raw_os_error().unwrap_or(0);
                    system("copy the descriptor", nix::errno::Errno::from_raw(number))
                })
            }
            Err(other) => Err(other),
        }
    }

    pub(crate) fn known_id(&self) -> Option<u64> {
        Some(self.id.load(Ordering::Relaxed)).filter(|id| *id != 0)
    }

    pub(crate) fn learn_id(&self, id: u64) {
        self.id.store(id, Ordering::Relaxed);
    }
}

/// A call that never left, because the door could not be reached.
#[expect(clippy::needless_pass_by_value, reason = "it becomes the other error")]
fn not_connected(error: DoorError) -> CallCondition {
    match error {
        DoorError::NotAllowed => CallCondition::NotAllowed,
        DoorError::NoRoom => CallCondition::NoRoom,
        DoorError::Draining => CallCondition::Draining,
        DoorError::NotResponding { within } => CallCondition::NotResponding {
            within,
            taken: false,
        },
        DoorError::Protocol(violation) => CallCondition::Protocol {
            violation,
            taken: false,
        },
        DoorError::System { op, source } => CallCondition::System {
            op,
            source,
            taken: false,
        },
        // The descriptor is no door's, or no more. The rest is said by verbs other than connecting.
        DoorError::NoDoor
        | DoorError::NotADoor
        | DoorError::NotCreator
        | DoorError::NotPrivate
        | DoorError::BadAttributes(_)
        | DoorError::BadParameter { .. }
        | DoorError::Name(_)
        | DoorError::Inherit(_) => CallCondition::NoDoor,
    }
}

/// Runs the procedure on the calling thread.
fn call_in_process(
    core: &Arc<Core>,
    arguments: &Arguments<'_>,
    out: &mut Vec<u8>,
) -> Result<Vec<OwnedFd>, CallCondition> {
    let count = u32::try_from(arguments.count).unwrap_or(u32::MAX);
    let bytes = u64::try_from(arguments.data.len()).unwrap_or(u64::MAX);
    if let Some(code) = core.refuses(bytes, count) {
        return Err(condition(code, arguments));
    }
    if arguments.count > DESCRIPTORS {
        return Err(condition(Failure::TooManyDescriptors, arguments));
    }
    let me = Credentials::of_this_process().map_err(|source| CallCondition::System {
        op: "read our own credentials",
        source,
        taken: false,
    })?;
    let fds = crate::local::copies(arguments.take()).map_err(|_| CallCondition::NoRoom)?;
    let mailbox = Arc::new(Mailbox::default());
    let line = Line::Local(Box::new(LocalCall::new(
        Arc::new(Caller::Known(me)),
        &mailbox,
    )));
    crate::server::desk::run_here(core, line, arguments.data, fds);
    // Only a call that was held can still be open here, and only it can be given up.
    match mailbox.take(arguments.until) {
        None => Err(CallCondition::TimedOut { taken: true }),
        Some(Ok((data, descriptors))) => {
            out.extend_from_slice(&data);
            Ok(descriptors)
        }
        Some(Err(failure)) => Err(condition(failure, arguments)),
    }
}

impl Drop for Own {
    /// Tokens and names keep the door alive; without any it ends here.
    fn drop(&mut self) {
        if self.core.life == fork::life() {
            self.core.release(Kind::Owner);
        }
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
