//! The one thread that receives on all session sockets and learns of the death of servers.
//!
//! A futex waiter is not woken when its peer dies. The watcher sees the hang-up of the session socket, and the pidfd
//! for the case that a forked child keeps a dead server's socket open; it marks the session dead and wakes the
//! session's sleepers until each has left. It sleeps without a timeout while nothing happens.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::process::ClientProcess;
use super::session::Session;
use crate::event;
use crate::foreign;
use crate::lock::lock;
use crate::primitive::{AtomicU64, Ordering};
use crate::sys::socket::sent_by;
use crate::sys::table::Table;
use crate::sys::{self, closer, thread};
use crate::wire::limits::{CONTROL_BYTES, SESSION_CHANNELS};
use crate::wire::message::{Message, Violation};

/// Packets taken from one session before the others get their turn.
const PACKETS_A_TURN: usize = 16;

/// Watches the sessions of one process.
#[derive(Debug)]
pub(crate) struct Watcher {
    epoll: Epoll,
    next_session: AtomicU64,
    /// Sessions by number. Each has a range of keys: its socket, its process, and the descriptor sockets of its channels.
    watched: Mutex<HashMap<u64, Arc<Session>>>,
    table: Mutex<Table>,
}

/// What was heard of a server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    All,
    /// The next packet brings descriptors for which there may be no room.
    HeldUp,
}

/// Keys of one session.
const KEYS: u64 = 512;
/// The first of them: the session socket.
const SOCKET: u64 = 0;
/// The server's process.
const PROCESS: u64 = 1;
/// The descriptor socket of the first channel; the others follow.
const CHANNELS: u64 = 2;
const _: () = assert!(KEYS >= CHANNELS + 256 && SESSION_CHANNELS == 256);

impl Watcher {
    pub(crate) fn new() -> sys::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            next_session: AtomicU64::new(0),
            watched: Mutex::new(HashMap::new()),
            table: Mutex::new(Table::open()),
        }))
    }

    /// Starts the thread.
    pub(crate) fn start(watcher: &Arc<Self>) -> sys::Result<()> {
        let watcher = Arc::clone(watcher);
        let started = thread::start("door-watcher", move || {
            foreign::keep_free();
            loop {
                // As for the leader: a panic costs one turn, not the death notices of all sessions.
                if catch_unwind(AssertUnwindSafe(|| watcher.turn())).is_err() {
                    event::panicked("door-watcher");
                }
            }
        });
        started
            .map(drop)
            .map_err(|e| e.raw_os_error().map_or(Errno::EAGAIN, Errno::from_raw))
    }

    /// Watches a session from now on.
    pub(crate) fn watch(&self, session: &Arc<Session>) -> sys::Result<()> {
        let number = self.next_session.fetch_add(1, Ordering::Relaxed);
        let (socket, process) = (key(number, SOCKET), key(number, PROCESS));
        lock(&self.watched).insert(number, Arc::clone(session));
        let added = self
            .epoll
            .add(
                &*session.socket,
                EpollEvent::new(EpollFlags::EPOLLIN, socket),
            )
            .and_then(|()| {
                self.epoll.add(
                    &session.server,
                    EpollEvent::new(EpollFlags::EPOLLIN, process),
                )
            });
        if added.is_err() {
            self.forget(session);
        }
        added
    }

    fn forget(&self, session: &Arc<Session>) {
        let _gone = self.epoll.delete(&*session.socket);
        let _gone = self.epoll.delete(&session.server);
        lock(&self.watched).retain(|_, other| !Arc::ptr_eq(other, session));
    }

    fn turn(self: &Arc<Self>) {
        let mut events = [EpollEvent::empty(); 32];
        let count = self
            .epoll
            .wait(&mut events, EpollTimeout::NONE)
            .unwrap_or(0);
        for event in events.iter().take(count) {
            let number = event.data().checked_div(KEYS).unwrap_or(0);
            let Some(session) = lock(&self.watched).get(&number).cloned() else {
                continue;
            };
            match event.data().checked_rem(KEYS).unwrap_or(0) {
                SOCKET => {
                    if self.receive(number, &session, false) == Heard::HeldUp {
                        self.receive_elsewhere(number, &session);
                    }
                }
                PROCESS => {
                    // What it said before counts: a reply may wait for it. But nothing may hold up the news of the death.
                    self.receive(number, &session, false);
                    self.bury(&session);
                }
                channel => session.socket_hung_up(channel.saturating_sub(CHANNELS)),
            }
        }
    }

    /// Watches the descriptor socket that a channel has got, for the end of it.
    ///
    /// Once, since the end is reported once: a call that is going on keeps the socket, and the next one finds out.
    fn watch_descriptors(&self, number: u64, session: &Session, channel: u32) {
        if let Some(socket) = session.socket_of(channel) {
            let key = key(number, CHANNELS.saturating_add(u64::from(channel)));
            // Without it the socket stays until the channel is used again.
            let _watched = self
                .epoll
                .add(&*socket, EpollEvent::new(EpollFlags::EPOLLONESHOT, key));
        }
    }

    /// As [`Self::receive`], on a thread that may be held up: what does not fit our table the kernel closes before
    /// recvmsg(2) returns. The session is not watched meanwhile, so that one thread receives at a time.
    fn receive_elsewhere(self: &Arc<Self>, number: u64, session: &Arc<Session>) {
        let _gone = self.epoll.delete(&*session.socket);
        let (watcher, session) = (Arc::clone(self), Arc::clone(session));
        let account = session.socket.account().clone();
        closer::run(&account, move || {
            watcher.receive(number, &session, true);
            let event = EpollEvent::new(EpollFlags::EPOLLIN, key(number, SOCKET));
            let _added = watcher.epoll.add(&*session.socket, event);
            // Forgotten meanwhile: its hang-up would be reported for ever.
            if !lock(&watcher.watched).contains_key(&number) {
                let _gone = watcher.epoll.delete(&*session.socket);
            }
        });
    }

    /// Takes what the server has said; up to a packet whose receive might last, unless we may wait.
    fn receive(&self, number: u64, session: &Arc<Session>, may_wait: bool) -> Heard {
        let mut buffer = [0_u8; CONTROL_BYTES];
        for _ in 0..PACKETS_A_TURN {
            if session.socket.account().is_over() {
                // No honest server has us close so many.
                event::protocol_broken(session.server.pid(), &Violation::Descriptors);
                self.bury(session);
                return Heard::All;
            }
            if !may_wait && lock(&self.table).might_hold_up(&session.socket, Instant::now()) {
                return Heard::HeldUp;
            }
            // A server that ends with a ring of ours unread may have sent something before.
            let done = match session.socket.receive_past_reset(&mut buffer) {
                Ok(Some(mut received)) => {
                    lock(&self.table).took(received.fds.len());
                    let bytes = buffer.get(..received.len).unwrap_or_default();
                    if received.cut {
                        Err(Violation::Length)
                    } else if sent_by(&mut received, &session.server) {
                        Message::decode(bytes).and_then(|(message, _)| {
                            if received.fds_lost {
                                return session.lost(message);
                            }
                            session.packet(message, &mut received.fds)?;
                            if let Message::Socket { channel, .. } = message {
                                self.watch_descriptors(number, session, channel);
                            }
                            Ok(())
                        })
                    } else {
                        Err(Violation::Sender)
                    }
                }
                Err(Errno::EAGAIN) => break,
                Ok(None) | Err(_) => {
                    self.bury(session);
                    break;
                }
            };
            if let Err(found) = done {
                event::protocol_broken(session.server.pid(), &found);
                self.bury(session);
                break;
            }
        }
        Heard::All
    }

    /// The server is dead, or as good as dead to us.
    fn bury(&self, session: &Arc<Session>) {
        self.forget(session);
        session.die();
        if let Some(process) = ClientProcess::existing() {
            process.leave(session);
        }
        let mut rounds = 0_u32;
        loop {
            let sleepers: Vec<_> = session
                .channels
                .iter()
                .filter(|channel| channel.is_waited_on())
                .collect();
            if sleepers.is_empty() {
                return;
            }
            for channel in sleepers {
                channel.wake();
            }
            rounds = rounds.saturating_add(1);
            if rounds < 32 {
                std::thread::yield_now();
            } else {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

fn key(session: u64, place: u64) -> u64 {
    session.saturating_mul(KEYS).saturating_add(place)
}
