//! One server process as the client knows it.

use std::collections::HashMap;
use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use nix::errno::Errno;

use super::channel::Channel;
use super::petition::deadline;
use crate::channel::ends::{ClientEnd, End};
use crate::channel::pair::Pair;
use crate::error::CallCondition;
use crate::lock::lock;
use crate::primitive::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
use crate::sys::closer::Shared;
use crate::sys::peer::Process;
use crate::sys::socket;
use crate::wire::code::Failure;
use crate::wire::layout::{Shape, usize_of};
use crate::wire::limits::{PROTOCOL_DEADLINE, SESSION_CHANNELS};
use crate::wire::message::{Message, Violation};

/// The first windows come without a request; they carry this number.
const FIRST_WANTED: u64 = 0;
/// The windows of more channels are at most this long: what a server creates unasked must not fill our memory.
const LONGEST_WINDOW_BYTES: usize = 16 * 1024 * 1024;

/// A conversation with one server process.
pub(crate) struct Session {
    pub(crate) id: u128,
    pub(crate) life: u64,
    /// The kernel's handle of the server's process.
    pub(crate) server: Process,
    /// Our end of the private pair. Any thread sends; only the watcher receives.
    pub(crate) socket: Shared,
    /// The channels that may be used. Grows only.
    pub(crate) channels: ArcSwap<Vec<Arc<Channel>>>,
    dead: AtomicBool,
    /// Doors that are called through this session, or are about to be.
    pub(crate) holds: AtomicUsize,
    next_wanted: AtomicU64,
    /// This side can use no more channels than it has, or will have once they are ready.
    pub(crate) no_more_channels: AtomicBool,
    /// Threads that wait until some channel is free.
    pub(crate) starved: AtomicUsize,
    inbox: Mutex<Inbox>,
    arrived: Condvar,
}

/// What has come on the session socket for threads that wait.
#[derive(Default)]
struct Inbox {
    /// Pairs that are mapped here and not sealed yet.
    offered: HashMap<u32, Offered>,
    /// What we have asked for and the server has not answered, by request number. Nothing else is taken.
    asked: HashMap<u64, Asked>,
    /// Answers for the threads that wait for them, by request number.
    granted: HashMap<u64, Result<Granted, Failure>>,
    /// A channel has become free, or there are more.
    freed: bool,
}

struct Offered {
    pair: Arc<Pair>,
    first: u32,
    wanted: u64,
}

/// A request that is on its way.
#[derive(Clone, Copy, Debug)]
struct Asked {
    what: Wish,
    /// The windows for it have come.
    offered: bool,
    /// A thread waits for the answer.
    awaited: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    /// The first channels (this comes with the session), or more of them.
    Channels,
    /// An area of this size for a channel.
    Area { channel: u32, bytes: u64 },
    /// A descriptor socket for a channel.
    Socket { channel: u32 },
}

impl Asked {
    fn by(message: &Message) -> Self {
        let what = match *message {
            Message::Grow {
                channel,
                area_bytes,
                ..
            } if area_bytes != 0 => Wish::Area {
                channel,
                bytes: area_bytes,
            },
            Message::WantSocket { channel, .. } => Wish::Socket { channel },
            _ => Wish::Channels,
        };
        Self {
            what,
            offered: false,
            awaited: true,
        }
    }
}

/// What a request brought.
#[derive(Clone, Debug)]
pub(crate) enum Granted {
    /// A pair that may be used: an area, or more channels.
    Pair(Arc<Pair>),
    /// A descriptor socket was installed in its channel.
    Socket,
}

impl Session {
    pub(crate) fn new(id: u128, life: u64, server: Process, socket: Shared) -> Arc<Self> {
        let first = Asked {
            what: Wish::Channels,
            offered: false,
            awaited: false,
        };
        let inbox = Inbox {
            asked: HashMap::from([(FIRST_WANTED, first)]),
            ..Inbox::default()
        };
        Arc::new(Self {
            id,
            life,
            server,
            socket,
            channels: ArcSwap::from_pointee(Vec::new()),
            dead: AtomicBool::new(false),
            holds: AtomicUsize::new(0),
            next_wanted: AtomicU64::new(1),
            no_more_channels: AtomicBool::new(false),
            starved: AtomicUsize::new(0),
            inbox: Mutex::new(inbox),
            arrived: Condvar::new(),
        })
    }

    #[inline]
    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }

    /// The server died or broke the protocol: every waiting thread leaves. Called by the watcher, which then
    /// repeats the wake of sleeping threads until they have left.
    pub(crate) fn die(&self) {
        self.dead.store(true, Ordering::Release);
        // Pairs with the fence between a waiter's entry in its table and its look at the flag.
        fence(Ordering::SeqCst);
        // The server, and our own watcher, learn of it as of a death.
        let _gone = nix::sys::socket::shutdown(
            std::os::fd::AsRawFd::as_raw_fd(&self.socket.as_fd()),
            nix::sys::socket::Shutdown::Both,
        );
        let _inbox = lock(&self.inbox);
        self.arrived.notify_all();
    }

    /// Sends on the session socket. A full queue counts as sent for a ring: the leader scans all channels anyway.
    pub(crate) fn ring(&self) {
        let _rung = socket::send(&self.socket, &[&Message::Ring {}.encode(0)], &[]);
    }

    /// Tells the server something that needs no answer.
    pub(crate) fn tell(&self, message: &Message) -> Result<(), Errno> {
        socket::send(&self.socket, &[&message.encode(0)], &[])
    }

    /// Asks the server for something and waits for it, as long as a step of the protocol may take and no longer than
    /// `until`.
    pub(crate) fn ask(
        &self,
        until: Option<Instant>,
        message: impl FnOnce(u64) -> Message,
    ) -> Result<Granted, CallCondition> {
        let wanted = self.next_wanted.fetch_add(1, Ordering::Relaxed);
        let message = message(wanted);
        // Before it is sent: the watcher may have the answer before this thread goes on.
        lock(&self.inbox).asked.insert(wanted, Asked::by(&message));
        let granted = self.ask_for(wanted, &message, until);
        // An answer that comes too late is one that was asked for, and for nobody.
        let mut inbox = lock(&self.inbox);
        if let Some(asked) = inbox.asked.get_mut(&wanted) {
            asked.awaited = false;
        }
        let late = inbox.granted.remove(&wanted);
        drop((inbox, late));
        granted
    }

    fn ask_for(
        &self,
        wanted: u64,
        message: &Message,
        until: Option<Instant>,
    ) -> Result<Granted, CallCondition> {
        self.tell(message).map_err(|source| {
            lock(&self.inbox).asked.remove(&wanted);
            match source {
                Errno::EAGAIN => CallCondition::NoRoom,
                Errno::EPIPE | Errno::ECONNRESET => CallCondition::ServerDied { taken: false },
                source => CallCondition::System {
                    op: "send on the session socket",
                    source,
                    taken: false,
                },
            }
        })?;
        let protocol = deadline(PROTOCOL_DEADLINE);
        let until = until.map_or(protocol, |until| until.min(protocol));
        let mut inbox = lock(&self.inbox);
        loop {
            match inbox.granted.remove(&wanted) {
                Some(Ok(granted)) => return Ok(granted),
                Some(Err(_)) => return Err(CallCondition::NoRoom),
                None => {}
            }
            if self.is_dead() {
                return Err(CallCondition::ServerDied { taken: false });
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(CallCondition::NotResponding {
                    within: PROTOCOL_DEADLINE,
                    taken: false,
                });
            }
            inbox = self
                .arrived
                .wait_timeout(inbox, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Waits until something has changed that may free a channel or bring a descriptor socket; false when the time
    /// is over.
    pub(crate) fn wait_for_change(&self, until: Option<Instant>, ready: impl Fn() -> bool) -> bool {
        let mut inbox = lock(&self.inbox);
        loop {
            if ready() || self.is_dead() {
                return true;
            }
            let left = until.map(|at| at.saturating_duration_since(Instant::now()));
            inbox.freed = false;
            inbox = match left {
                Some(left) if left.is_zero() => return false,
                Some(left) => {
                    self.arrived
                        .wait_timeout(inbox, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
                None => self
                    .arrived
                    .wait(inbox)
                    .unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// A channel has become free while somebody waits for one.
    #[cold]
    pub(crate) fn channel_freed(&self) {
        lock(&self.inbox).freed = true;
        self.arrived.notify_all();
    }

    /// Takes a packet of the server: from the watcher, or from the thread that opens the session. Descriptors that are
    /// not taken stay in `fds`.
    pub(crate) fn packet(
        self: &Arc<Self>,
        message: Message,
        fds: &mut Vec<OwnedFd>,
    ) -> Result<(), Violation> {
        match message {
            Message::Socket { wanted, channel } => return self.install(wanted, channel, fds),
            Message::Windows {
                wanted,
                pair,
                first,
                channels,
                area_bytes,
                ..
            } => {
                let shape = Shape::new(channels, area_bytes).ok_or(Violation::Value)?;
                return self.map(wanted, pair, first, shape, fds);
            }
            _ => {}
        }
        if !fds.is_empty() {
            return Err(Violation::Descriptors);
        }
        match message {
            Message::Ready { wanted, pair } => self.ready(wanted, pair),
            Message::Refused { wanted, code } => {
                let code = Failure::from_number(code).ok_or(Violation::Value)?;
                self.grant(wanted, None, Err(code))?;
                Ok(())
            }
            _ => Err(Violation::Turn),
        }
    }

    /// A pair is offered: verify, map, acknowledge. It is not used before it is ready.
    ///
    /// Lack of memory here is no fault of the server: it costs the request, not the session.
    fn map(
        &self,
        wanted: u64,
        number: u32,
        first: u32,
        shape: Shape,
        fds: &[OwnedFd],
    ) -> Result<(), Violation> {
        let [call, reply] = fds else {
            return Err(Violation::Descriptors);
        };
        self.claim_offer(wanted, first, shape)?;
        // The server counts channels on from those that it has offered; without them these could not be named.
        if shape.channels() > 0 && self.no_more_channels.load(Ordering::Relaxed) {
            return self.cannot_map(wanted, shape.channels());
        }
        let pair = match Pair::map(number, shape, call, reply) {
            Ok(pair) => pair,
            Err(Errno::ENOMEM | Errno::EAGAIN | Errno::EMFILE | Errno::ENFILE) => {
                return self.cannot_map(wanted, shape.channels());
            }
            Err(_) => return Err(Violation::Memory),
        };
        let offered = Offered {
            pair: Arc::new(pair),
            first,
            wanted,
        };
        let before = lock(&self.inbox).offered.insert(number, offered);
        if before.is_some() {
            return Err(Violation::Turn);
        }
        match self.tell(&Message::Mapped { pair: number }) {
            // The server is busy, with hundreds of packets of ours unread.
            Err(Errno::EAGAIN) => {
                let unused = lock(&self.inbox).offered.remove(&number);
                drop(unused);
                self.cannot_map(wanted, shape.channels())
            }
            // The session's end is seen by whoever watches it.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Windows that the server has offered cannot be had here. It keeps their numbers, so that no further channels
    /// can come after channels that were lost.
    fn cannot_map(&self, wanted: u64, channels: u32) -> Result<(), Violation> {
        if channels > 0 {
            self.no_more_channels.store(true, Ordering::Relaxed);
        }
        self.grant(wanted, None, Err(Failure::NoRoom))
    }

    /// Whether windows are what was asked for under this number, and come for the first time.
    fn claim_offer(&self, wanted: u64, first: u32, shape: Shape) -> Result<(), Violation> {
        let mut inbox = lock(&self.inbox);
        let asked = inbox.asked.get_mut(&wanted).ok_or(Violation::Turn)?;
        let bytes = u64::try_from(shape.area_bytes()).unwrap_or(u64::MAX);
        let fits = match asked.what {
            Wish::Channels => shape.channels() > 0 && shape.window_bytes() <= LONGEST_WINDOW_BYTES,
            wish @ Wish::Area { .. } => {
                let channel = first;
                shape.channels() == 0 && wish == Wish::Area { channel, bytes }
            }
            Wish::Socket { .. } => false,
        };
        if !fits || std::mem::replace(&mut asked.offered, true) {
            return Err(Violation::Value);
        }
        Ok(())
    }

    fn ready(self: &Arc<Self>, wanted: u64, number: u32) -> Result<(), Violation> {
        let (pair, first, asked) = {
            let mut inbox = lock(&self.inbox);
            let offered = inbox.offered.remove(&number).ok_or(Violation::Turn)?;
            if offered.wanted != wanted {
                return Err(Violation::Value);
            }
            let asked = inbox.asked.remove(&wanted).ok_or(Violation::Turn)?;
            (offered.pair, offered.first, asked)
        };
        if pair.shape.channels() > 0 {
            let mut channels = Vec::clone(&self.channels.load());
            let all = channels
                .len()
                .saturating_add(usize_of(pair.shape.channels()));
            if usize_of(first) != channels.len() || all > usize_of(SESSION_CHANNELS) {
                return Err(Violation::Value);
            }
            for place in 0..pair.shape.channels() {
                let index = u32::try_from(channels.len()).unwrap_or(u32::MAX);
                let end = ClientEnd(End::new(Arc::clone(&pair), place));
                channels.push(Arc::new(Channel::new(index, end)));
            }
            self.channels.store(Arc::new(channels));
        }
        self.granted(wanted, asked, Ok(Granted::Pair(pair)));
        Ok(())
    }

    fn install(&self, wanted: u64, channel: u32, fds: &mut Vec<OwnedFd>) -> Result<(), Violation> {
        let [socket] = fds.as_slice() else {
            return Err(Violation::Descriptors);
        };
        if !socket::is_packet_socket(socket.as_fd()) {
            return Err(Violation::Descriptors);
        }
        let channels = self.channels.load();
        let of = channels.get(usize_of(channel)).ok_or(Violation::Value)?;
        let fd = fds.pop().ok_or(Violation::Descriptors)?;
        of.install_socket(fd);
        // Without a request it is for the descriptors of a reply.
        if wanted == 0 {
            drop(lock(&self.inbox));
            self.arrived.notify_all();
            return Ok(());
        }
        self.grant(wanted, Some(Wish::Socket { channel }), Ok(Granted::Socket))
    }

    /// The answer to a request has come; a violation if nothing was asked under this number, or something else.
    fn grant(
        &self,
        wanted: u64,
        wish: Option<Wish>,
        granted: Result<Granted, Failure>,
    ) -> Result<(), Violation> {
        let asked = lock(&self.inbox).asked.remove(&wanted);
        let asked = asked.ok_or(Violation::Turn)?;
        if wish.is_some_and(|wish| wish != asked.what) {
            return Err(Violation::Value);
        }
        self.granted(wanted, asked, granted);
        Ok(())
    }

    /// Whether the first windows could not be had: the session cannot begin.
    pub(crate) fn is_without_channels(&self) -> bool {
        self.no_more_channels.load(Ordering::Relaxed) && self.channels.load().is_empty()
    }

    /// Puts an answer down for the thread that asked, if it still waits, and wakes all that wait for any change.
    fn granted(&self, wanted: u64, asked: Asked, granted: Result<Granted, Failure>) {
        let mut inbox = lock(&self.inbox);
        if asked.awaited {
            inbox.granted.insert(wanted, granted);
        }
        drop(inbox);
        self.arrived.notify_all();
    }

    /// The descriptor socket of a channel.
    pub(crate) fn socket_of(&self, channel: u32) -> Option<Arc<Shared>> {
        self.channels.load().get(usize_of(channel))?.socket()
    }

    /// The server has closed the descriptor socket of a channel.
    pub(crate) fn socket_hung_up(&self, channel: u64) {
        let place = usize::try_from(channel).unwrap_or(usize::MAX);
        if let Some(channel) = self.channels.load().get(place) {
            channel.socket_hung_up();
        }
    }

    /// A packet of the server came without its descriptors, because our table is full: whoever waits for them is told
    /// so, and everything else goes on.
    pub(crate) fn lost(&self, message: Message) -> Result<(), Violation> {
        match message {
            Message::Windows {
                wanted, channels, ..
            } => self.cannot_map(wanted, channels),
            Message::Socket { wanted, channel } => {
                let channels = self.channels.load();
                let channel = channels.get(usize_of(channel)).ok_or(Violation::Value)?;
                channel.lose_socket();
                if wanted == 0 {
                    drop(lock(&self.inbox));
                    self.arrived.notify_all();
                    return Ok(());
                }
                self.grant(wanted, None, Err(Failure::NoRoom))
            }
            _ => Err(Violation::Descriptors),
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("server", &self.server.pid())
            .finish_non_exhaustive()
    }
}
