//! A channel as the client has it.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::time::Instant;

use nix::errno::Errno;

use super::session::Session;
use crate::channel::descriptors::STALE_PACKETS;
use crate::channel::ends::{CallHead, ClientEnd, Presence, low};
use crate::channel::pair::Pair;
use crate::channel::wait::{Patience, Peer, Spent};
use crate::lock::lock;
use crate::primitive::{AtomicBool, AtomicU64, Ordering, fence};
use crate::sys::account::Account;
use crate::sys::shared::Shared;
use crate::sys::{cpu, futex, socket};
use crate::waiting::Waiting;
use crate::wire::limits::CONTROL_BYTES;
use crate::wire::message::Violation;

/// No pool yet: the first call decides.
const NO_POOL: u64 = u64::MAX;

/// A channel.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) index: u32,
    pub(crate) end: ClientEnd,
    /// The pool of server threads that this channel belongs to.
    pool: AtomicU64,
    /// A thread of ours waits here: the watcher's table.
    waited_on: AtomicBool,
    /// Who has the lock has the channel.
    state: Mutex<State>,
    socket: Mutex<Option<Arc<Shared>>>,
    /// A socket came that our full descriptor table could not take.
    socket_lost: AtomicBool,
}

/// The private state of a channel.
#[derive(Debug)]
pub(crate) struct State {
    /// The last turn that was published.
    pub(crate) turn: u64,
    pub(crate) patience: Patience,
    /// The pair whose area is in use.
    pub(crate) area: Arc<Pair>,
    /// The last call was given up: descriptors of its reply may have come.
    pub(crate) given_up: bool,
}

/// How waiting for an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// The answer is there.
    Answered,
    /// The deadline passed.
    TimedOut,
    /// The session is over.
    Dead,
    /// The server stored a turn that it cannot have.
    Broken(Violation),
    /// The server cannot be told that a turn is there.
    Unheard(Errno),
}

impl Channel {
    pub(crate) fn new(index: u32, end: ClientEnd) -> Self {
        let area = Arc::clone(end.0.pair());
        Self {
            index,
            end,
            pool: AtomicU64::new(NO_POOL),
            waited_on: AtomicBool::new(false),
            state: Mutex::new(State {
                turn: 0,
                patience: Patience::new(Waiting::of_process()),
                area,
                given_up: false,
            }),
            socket: Mutex::new(None),
            socket_lost: AtomicBool::new(false),
        }
    }

    /// Takes the channel if it is free, belongs to the pool, and its last turn is answered: a call that was given up
    /// keeps it until the server is done with it.
    #[inline]
    pub(crate) fn try_take(&self, pool: u64) -> Option<MutexGuard<'_, State>> {
        if self.pool.load(Ordering::Relaxed) != pool {
            return None;
        }
        let state = self.try_take_any()?;
        // Under the lock: two doors of different pools do not both get it.
        (self.pool.load(Ordering::Relaxed) == pool).then_some(state)
    }

    /// Takes the channel for a pool if it is free and belongs to none.
    pub(crate) fn adopt(&self, pool: u64) -> Option<MutexGuard<'_, State>> {
        if self.pool.load(Ordering::Relaxed) != NO_POOL {
            return None;
        }
        let state = self.try_take_any()?;
        let adopted =
            self.pool
                .compare_exchange(NO_POOL, pool, Ordering::Relaxed, Ordering::Relaxed);
        adopted.is_ok().then_some(state)
    }

    /// Takes the channel if it is free and its last turn is answered, whatever pool it belongs to.
    ///
    /// A server thread of that pool may still be there: it gives the channel to the pool of the door that is called,
    /// which is slower and nothing else.
    pub(crate) fn try_take_any(&self) -> Option<MutexGuard<'_, State>> {
        let state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        self.end.answered(state.turn).then_some(state)
    }

    /// Has the channel belong to none, if it belongs to this pool, of which there is no door any more: a hint, for which
    /// one need not have the channel.
    pub(crate) fn leave(&self, pool: u64) {
        let _other =
            self.pool
                .compare_exchange(pool, NO_POOL, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Has the channel belong to another pool. Whoever calls this has the channel.
    pub(crate) fn move_to(&self, pool: u64) {
        self.pool.store(pool, Ordering::Relaxed);
    }

    /// Publishes a turn and waits for its answer.
    #[inline]
    pub(crate) fn exchange(
        &self,
        session: &Session,
        state: &mut State,
        head: &CallHead,
        until: Option<Instant>,
    ) -> Waited {
        let last = state.turn;
        let turn = last.wrapping_add(1);
        state.turn = turn;
        let cpu = cpu::current();
        let presence = self.end.publish(head, turn, cpu);
        if presence == Presence::Quiet
            && session.ring().is_err()
            && let Some(unheard) = self.ring_again(session, turn, until)
        {
            return unheard;
        }
        let end = &self.end;
        let spent = state.patience.spend(
            || (cpu, end.peer_cpu()),
            || end.answered(turn),
            || session.is_dead(),
            if presence == Presence::Woken {
                Peer::Woken
            } else {
                Peer::Awake
            },
        );
        match spent {
            Spent::Seen | Spent::Yielded { .. } => Waited::Answered,
            Spent::Blown | Spent::Nothing => self.sleep(session, state, last, until),
        }
    }

    /// Sleeps until the answer is there.
    #[cold]
    fn sleep(
        &self,
        session: &Session,
        state: &mut State,
        last: u64,
        until: Option<Instant>,
    ) -> Waited {
        let turn = state.turn;
        let begun = Instant::now();
        let mut slept = futex::Slept::Look;
        let _entry = Entry::new(&self.waited_on);
        let result = loop {
            if self.end.answered(turn) {
                break Waited::Answered;
            }
            if session.is_dead() {
                // The server may have answered before it died.
                break if self.end.answered(turn) {
                    Waited::Answered
                } else {
                    Waited::Dead
                };
            }
            if !self.end.say_waiting(true, low(last)) {
                let sound = self.end.answered(turn);
                break if sound {
                    Waited::Answered
                } else {
                    Waited::Broken(Violation::Turn)
                };
            }
            if session.is_dead() {
                continue;
            }
            slept = futex::wait(self.end.sleep_word(), low(last), until);
            if slept == futex::Slept::TimedOut && !self.end.answered(turn) {
                break Waited::TimedOut;
            }
        };
        self.end.say_waiting(false, low(last));
        if slept == futex::Slept::Woken {
            if self.end.peer_cpu() == cpu::current() {
                state.patience.learn_nap(begun.elapsed());
            } else {
                state.patience.learn_wake(self.end.woken_for_us());
            }
        }
        result
    }

    /// Whether a thread of ours sleeps, or is about to, or has not yet left.
    pub(crate) fn is_waited_on(&self) -> bool {
        self.waited_on.load(Ordering::Acquire)
    }

    /// Wakes our own sleeper: its peer never will.
    pub(crate) fn wake(&self) {
        futex::wake(self.end.sleep_word());
    }

    /// Our end of the channel's descriptor socket.
    pub(crate) fn socket(&self) -> Option<Arc<Shared>> {
        lock(&self.socket).clone()
    }

    /// The server has made a (new) descriptor socket.
    pub(crate) fn install_socket(&self, socket: OwnedFd, account: &Account) {
        *lock(&self.socket) = Some(Arc::new(Shared::new(socket, account)));
        self.socket_lost.store(false, Ordering::Release);
    }

    /// The server has made a socket of which we have no end.
    pub(crate) fn lose_socket(&self) {
        *lock(&self.socket) = None;
        self.socket_lost.store(true, Ordering::Release);
    }

    /// Whether a socket was lost since the last look; forgets it.
    pub(crate) fn take_socket_lost(&self) -> bool {
        self.socket_lost.swap(false, Ordering::AcqRel)
    }

    /// Whether a socket was lost.
    pub(crate) fn is_socket_lost(&self) -> bool {
        self.socket_lost.load(Ordering::Acquire)
    }

    /// Closes descriptors that nobody waits for. Whoever calls this has the channel, so none is on its way for another.
    pub(crate) fn discard_descriptors(&self) {
        if let Some(socket) = self.socket() {
            let mut buffer = [0_u8; CONTROL_BYTES];
            // A queue holds fewer packets; a server that fills it again and again is not followed.
            for _ in 0..STALE_PACKETS {
                if socket.account().is_over() {
                    // The rest goes with the socket; the server makes another.
                    return self.drop_socket(&socket);
                }
                let stale = socket.receive_past_reset(&mut buffer);
                if !matches!(stale, Ok(Some(_))) {
                    break;
                }
            }
        }
    }

    /// The server has closed its end of the descriptor socket: so does this side, with what may still be in it for a
    /// call that was given up. A call that is going on takes what is its own first, and leaves the socket to the next.
    pub(crate) fn socket_hung_up(&self) {
        if let Ok(_nobody) = self.state.try_lock() {
            let mut current = lock(&self.socket);
            if current
                .as_ref()
                .is_some_and(|socket| socket::is_hung_up(&**socket))
            {
                *current = None;
            }
        }
    }

    /// The other end is closed: forget it, unless a new one has come.
    pub(crate) fn drop_socket(&self, closed: &Arc<Shared>) {
        let mut socket = lock(&self.socket);
        if socket
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, closed))
        {
            *socket = None;
        }
    }
}

/// An entry in the watcher's table. It is made before the dead flag is looked at, with a fence between: either this
/// thread sees the flag, or the watcher sees the entry and wakes until it is gone.
struct Entry<'a>(&'a AtomicBool);

impl<'a> Entry<'a> {
    fn new(flag: &'a AtomicBool) -> Self {
        flag.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        Self(flag)
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
