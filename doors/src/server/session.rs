//! One client process as the server knows it.

mod numbers;
mod paid;
mod windows;

use std::fmt;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use nix::errno::Errno;

use self::numbers::ByNumber;
pub(crate) use self::paid::{Paid, Place};
use self::windows::Windows;
use super::channel::Channel;
use super::core::{Core, lock};
use super::duty::Duty;
use super::quota::Charge;
use super::runtime::Runtime;
use crate::cred::Caller;
use crate::event;
use crate::pool::{Job, Pool};
use crate::primitive::{AtomicBool, AtomicU64, Ordering, fence};
use crate::sys::dense::{Dense, Shelf, Shelved};
use crate::sys::process::Process;
use crate::sys::shared::Shared;
use crate::wire::code::Failure;
use crate::wire::layout::usize_of;
use crate::wire::message::{Message, Violation};

/// A door as one session calls it. It dies with the token by which it came.
#[derive(Debug)]
pub(crate) struct Registration {
    /// Never reused in its session.
    pub(crate) number: u64,
    pub(crate) core: Dense<Core>,
    live: AtomicBool,
}

impl Shelved for Registration {
    fn shelf() -> &'static Shelf<Self> {
        static SHELF: Shelf<Registration> = Shelf::new();
        &SHELF
    }
}

impl Registration {
    #[inline]
    pub(crate) fn is_live(&self) -> bool {
        self.live.load(Ordering::Relaxed)
    }
}

/// A conversation with one client process.
pub(crate) struct Session {
    /// Random: knowing it is part of being the client.
    pub(crate) id: u128,
    /// The kernel's handle of the client's process.
    pub(crate) client: Arc<Process>,
    pub(crate) runtime: Arc<Runtime>,
    /// Our end of the private pair.
    pub(crate) socket: Shared,
    /// Its keys in the leader's table: socket and pidfd.
    pub(crate) keys: Mutex<Vec<u64>>,
    caller: ArcSwap<Caller>,
    dead: AtomicBool,
    next_registration: AtomicU64,
    registrations: Mutex<ByNumber<Dense<Registration>>>,
    windows: Mutex<Windows>,
    charge: Mutex<Charge>,
}

impl Session {
    pub(crate) fn new(
        runtime: &Arc<Runtime>,
        id: u128,
        client: Arc<Process>,
        caller: Caller,
        socket: Shared,
        charge: Charge,
    ) -> Arc<Self> {
        Arc::new(Self {
            id,
            client,
            runtime: Arc::clone(runtime),
            socket,
            keys: Mutex::new(Vec::new()),
            caller: ArcSwap::from_pointee(caller),
            dead: AtomicBool::new(false),
            next_registration: AtomicU64::new(1),
            registrations: Mutex::default(),
            windows: Mutex::new(Windows::default()),
            charge: Mutex::new(charge),
        })
    }

    #[inline]
    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }

    /// Whether the client has not acknowledged its first windows.
    pub(crate) fn is_unfinished(&self) -> bool {
        !self.is_dead() && lock(&self.windows).channels.is_empty()
    }

    /// Who the client is.
    pub(crate) fn caller(&self) -> Arc<Caller> {
        self.caller.load_full()
    }

    /// Sends on the session socket; never blocks. A client that does not take its packets is not waited for.
    pub(crate) fn send(&self, packet: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), Errno> {
        self.socket.may_send(fds.len())?;
        self.socket.send(&[packet], fds)
    }

    /// The peer broke the protocol: the session is over.
    #[cold]
    pub(crate) fn violated(&self, found: Violation) {
        event::protocol_broken(self.client.pid(), &found);
        self.close();
    }

    /// No turn is taken any more; the leader does the rest.
    pub(crate) fn close(&self) {
        self.dead.store(true, Ordering::Release);
        fence(Ordering::SeqCst);
        self.runtime.bury(self.id);
    }

    /// Ends the session: threads leave its channels, invocations see that their caller has gone.
    /// Called by the leader only, once.
    pub(crate) fn end(&self) {
        self.dead.store(true, Ordering::Release);
        fence(Ordering::SeqCst);
        // The client hears of it now: the last close may have to wait, for calls that go on, or for a closer.
        self.socket.hang_up();
        let (channels, offered) = {
            let mut windows = lock(&self.windows);
            windows.pairs.clear();
            (
                std::mem::take(&mut windows.channels),
                (
                    std::mem::take(&mut windows.pending),
                    std::mem::take(&mut windows.unused),
                ),
            )
        };
        drop(offered);
        let registrations = std::mem::take(&mut *lock(&self.registrations));
        for registration in registrations.values() {
            registration.live.store(false, Ordering::Relaxed);
            self.leave(&registration.core.pool);
        }
        self.clear_all(&channels);
    }

    /// Takes this session's calls and threads out of a pool.
    fn leave(&self, pool: &Pool) {
        pool.wake_sleepers(|channel| channel.session.id == self.id);
        // Without a thread to take it, a call in the queue would keep the session.
        pool.discard(Job::is_dead);
    }

    /// The session is over: its channels let go of what they have.
    fn clear_all(&self, channels: &[Arc<Channel>]) {
        for channel in channels {
            channel.cancel_any();
            // The pool of a promised call is in no table any more.
            if let Some(registration) = channel.owes() {
                self.leave(&registration.core.pool);
            }
            channel.clear();
        }
    }

    /// Makes a door callable in this session.
    pub(crate) fn register(&self, core: &Dense<Core>) -> Dense<Registration> {
        let number = self.next_registration.fetch_add(1, Ordering::Relaxed);
        let registration = Dense::new(Registration {
            number,
            core: Dense::clone(core),
            live: AtomicBool::new(true),
        });
        lock(&self.registrations).insert(number, Dense::clone(&registration));
        registration
    }

    /// The token of a registration is gone. A call that was published before runs (`server/promise.rs`); the door is
    /// not weighed before it is over.
    pub(crate) fn unregister(&self, registration: &Dense<Registration>) {
        let channels = lock(&self.windows).channels.clone();
        let mut outdated = Vec::new();
        let mut registrations = lock(&self.registrations);
        registration.live.store(false, Ordering::Relaxed);
        // Pairs with the fence in which a server thread takes a call, before it looks at `live`.
        fence(Ordering::SeqCst);
        for channel in &channels {
            outdated.extend(channel.promise(registration));
        }
        let removed = registrations.remove(&registration.number);
        drop(registrations);
        drop((removed, outdated));
        for channel in &channels {
            channel.forget(registration);
        }
        self.scan();
        if self.is_dead() {
            self.clear_all(&channels);
        }
    }

    /// Whether a call on a registration that was found dead was published before that died: then it runs.
    #[cold]
    pub(crate) fn was_promised(&self, channel: &Channel, turn: u64, number: u64) -> bool {
        // Whoever ends the registration makes its promises under this lock.
        drop(lock(&self.registrations));
        channel.redeem(turn, number).is_some()
    }

    pub(crate) fn registration(&self, number: u64) -> Option<Dense<Registration>> {
        lock(&self.registrations).get(&number).cloned()
    }

    /// Gives every quiet channel on which a call waits to a server thread.
    pub(crate) fn scan(&self) {
        let channels = lock(&self.windows).channels.clone();
        for channel in channels {
            if let Some(duty) = channel.take_waiting() {
                duty.channel.end.say_awake();
                self.route(duty);
            }
        }
    }

    /// Gives a channel on which a call waits to the pool of the door that is called. A door that is gone has no pool
    /// to say so.
    pub(crate) fn route(&self, duty: Box<Duty>) {
        if self.is_dead() {
            return;
        }
        match duty.calls() {
            Some(registration) => {
                let core = &registration.core;
                core.pool.dispatch(Job::Channel(duty));
                if core.closed().is_some() {
                    core.pool.turn_away(core);
                }
            }
            None => duty.turn_away(),
        }
    }

    /// Does what a packet on the session socket asks for.
    pub(crate) fn packet(self: &Arc<Self>, message: Message) -> Result<(), Violation> {
        match message {
            // The leader looks at all quiet channels when it has read what there is.
            Message::Ring {} => Ok(()),
            Message::Mapped { pair } => self.mapped(pair),
            Message::Unmapped { pair } => self.unmapped(pair),
            Message::Unused { pair } => self.unused(pair),
            Message::Grow {
                wanted,
                channel,
                area_bytes,
            } => self.grow(wanted, channel, area_bytes),
            Message::WantSocket { wanted, channel } => self.give_socket(wanted, channel),
            Message::Cancel {
                channel,
                generation,
            } => {
                let channel = self.channel(channel).ok_or(Violation::Value)?;
                channel.cancel(generation);
                Ok(())
            }
            _ => Err(Violation::Turn),
        }
    }

    fn channel(&self, index: u32) -> Option<Arc<Channel>> {
        lock(&self.windows).channels.get(usize_of(index)).cloned()
    }

    fn give_socket(&self, wanted: u64, channel: u32) -> Result<(), Violation> {
        let channel = self.channel(channel).ok_or(Violation::Value)?;
        match channel.make_socket(wanted) {
            Ok(_) => Ok(()),
            Err(_) => self.refuse(wanted, Failure::NoRoom),
        }
    }

    fn refuse(&self, wanted: u64, code: Failure) -> Result<(), Violation> {
        let packet = Message::Refused {
            wanted,
            code: code.number(),
        }
        .encode(0);
        self.send(&packet, &[]).map_err(|_| Violation::Turn)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("client", &self.client.pid())
            .finish_non_exhaustive()
    }
}
