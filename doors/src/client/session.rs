//! One server process as the client knows it.

mod asking;
mod windows;

use std::fmt;
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use nix::errno::Errno;

pub(crate) use self::asking::Granted;
use self::asking::{Inbox, Wish};
use super::channels::Channels;
use super::doorbell::heard;
use super::pools::Pools;
use crate::lock::lock;
use crate::primitive::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
use crate::sys::process::Process;
use crate::sys::shared::Shared;
use crate::sys::socket;
use crate::sys::unclaimed::Unclaimed;
use crate::wire::code::Failure;
use crate::wire::layout::{Shape, usize_of};
use crate::wire::message::{Message, Violation};

/// A conversation with one server process. What each call reads comes first, in one cache line.
#[repr(C, align(64))]
pub(crate) struct Session {
    pub(crate) life: u64,
    /// The channels that may be used. Grows only.
    pub(crate) channels: Channels,
    /// Threads that wait until some channel is free.
    pub(crate) starved: AtomicUsize,
    dead: AtomicBool,
    pub(crate) id: u128,
    /// The kernel's handle of the server's process.
    pub(crate) server: Process,
    /// Our end of the private pair. Any thread sends; only the watcher receives.
    pub(crate) socket: Arc<Shared>,
    /// Doors that are called through this session, or are about to be.
    pub(crate) holds: AtomicUsize,
    /// Another session with the same server is in its place: nobody finds this one any more.
    pub(super) replaced: AtomicBool,
    next_wanted: AtomicU64,
    pub(super) pools: Pools,
    inbox: Mutex<Inbox>,
    arrived: Condvar,
}

impl Session {
    pub(crate) fn new(id: u128, life: u64, server: Process, socket: Arc<Shared>) -> Arc<Self> {
        Arc::new(Self {
            id,
            life,
            server,
            socket,
            channels: Channels::new(),
            dead: AtomicBool::new(false),
            holds: AtomicUsize::new(0),
            replaced: AtomicBool::new(false),
            next_wanted: AtomicU64::new(1),
            pools: Pools::default(),
            starved: AtomicUsize::new(0),
            inbox: Mutex::new(Inbox::new()),
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
        self.socket.hang_up();
        let _inbox = lock(&self.inbox);
        self.arrived.notify_all();
    }

    /// Has the server look at all quiet channels; an error if it does not hear of it.
    pub(crate) fn ring(&self) -> Result<(), Errno> {
        heard(self.tell(&Message::Ring {}))
    }

    /// Tells the server something that needs no answer.
    pub(crate) fn tell(&self, message: &Message) -> Result<(), Errno> {
        socket::send(&*self.socket, &[&message.encode(0)], &[])
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
        // Whoever looks and then sleeps has the lock in between.
        drop(lock(&self.inbox));
        self.arrived.notify_all();
    }

    /// Tells the server of an area that is not used any more. If it cannot be told the memory stays there until the session
    /// ends, and nothing else.
    pub(super) fn say_unused(&self, pair: u32) {
        let _told = self.tell(&Message::Unused { pair });
    }

    /// Takes a packet of the server: from the watcher, or from the thread that opens the session. Descriptors that are
    /// not taken stay in `fds`.
    pub(crate) fn packet(
        self: &Arc<Self>,
        message: Message,
        fds: &mut Unclaimed,
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
            Message::Spare { channel, pair } => {
                let of = self.channels.get(usize_of(channel));
                if of.ok_or(Violation::Value)?.let_go(pair) {
                    self.say_unused(pair);
                }
                Ok(())
            }
            Message::Refused { wanted, code } => {
                let code = Failure::from_number(code).ok_or(Violation::Value)?;
                self.grant(wanted, None, Err(code))?;
                Ok(())
            }
            _ => Err(Violation::Turn),
        }
    }

    fn install(&self, wanted: u64, channel: u32, fds: &mut Unclaimed) -> Result<(), Violation> {
        let [socket] = fds.as_slice() else {
            return Err(Violation::Descriptors);
        };
        if !socket::is_packet_socket(socket.as_fd()) {
            return Err(Violation::Descriptors);
        }
        let of = self
            .channels
            .get(usize_of(channel))
            .ok_or(Violation::Value)?;
        let fd = fds.pop().ok_or(Violation::Descriptors)?;
        of.install_socket(fd, self.socket.account());
        // Without a request it is for the descriptors of a reply.
        if wanted == 0 {
            drop(lock(&self.inbox));
            self.arrived.notify_all();
            return Ok(());
        }
        self.grant(wanted, Some(Wish::Socket { channel }), Ok(Granted::Socket))
    }

    /// The descriptor socket of a channel.
    pub(crate) fn socket_of(&self, channel: u32) -> Option<Arc<Shared>> {
        self.channels.get(usize_of(channel))?.socket()
    }

    /// The server has closed the descriptor socket of a channel.
    pub(crate) fn socket_hung_up(&self, channel: u64) {
        let place = usize::try_from(channel).unwrap_or(usize::MAX);
        if let Some(channel) = self.channels.get(place) {
            channel.socket_hung_up();
        }
    }

    /// A packet of the server came without its descriptors, because our table is full: whoever waits for them is told
    /// so, and everything else goes on.
    pub(crate) fn lost(&self, message: Message) -> Result<(), Violation> {
        match message {
            Message::Windows {
                wanted,
                pair,
                channels,
                ..
            } => self.cannot_map(wanted, pair, channels),
            Message::Socket { wanted, channel } => {
                let channel = self
                    .channels
                    .get(usize_of(channel))
                    .ok_or(Violation::Value)?;
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
