//! A channel as the client has it.

mod socket;

use std::sync::{Arc, Mutex};
use std::time::Instant;

use nix::errno::Errno;
use try_lock::{Locked, TryLock};

use super::cancel::Cancel;
use super::session::Session;
use crate::channel::ends::{CallHead, ClientEnd, Presence, low};
use crate::channel::pair::Pair;
use crate::channel::parts::Cursor;
use crate::channel::wait::{Patience, Peer, Spent};
use crate::lock::lock;
use crate::primitive::{AtomicBool, AtomicU64, Ordering, fence};
use crate::sys::shared::Shared;
use crate::sys::{cpu, futex};
use crate::waiting::Waiting;
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
    /// Who has the lock has the channel. Nobody ever waits for it, so that letting go is a plain store.
    state: TryLock<State>,
    /// Who has this may have the channel too, for a moment and not for a call: the watcher.
    visit: Mutex<()>,
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
    /// Where the next part goes in it.
    pub(crate) cursor: Cursor,
    /// Bytes that went through the channel, each time many, since it last asked for a larger area.
    pub(crate) moved: usize,
    /// The last call was given up: descriptors of its reply may have come.
    pub(crate) given_up: bool,
}

impl State {
    /// Uses another area from now on; gives the one before back.
    pub(super) fn use_area(&mut self, area: Arc<Pair>) -> Arc<Pair> {
        self.cursor = Cursor::default();
        std::mem::replace(&mut self.area, area)
    }
}

/// How waiting for an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// The answer is there.
    Answered,
    /// The deadline passed, or the call was given up before.
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
            state: TryLock::new(State {
                turn: 0,
                patience: Patience::new(Waiting::of_process()),
                area,
                cursor: Cursor::default(),
                moved: 0,
                given_up: false,
            }),
            visit: Mutex::new(()),
            socket: Mutex::new(None),
            socket_lost: AtomicBool::new(false),
        }
    }

    /// Takes the channel if it is free, belongs to the pool, and its last turn is answered: a call that was given up
    /// keeps it until the server is done with it.
    #[inline]
    pub(crate) fn try_take(&self, pool: u64) -> Option<Locked<'_, State>> {
        if self.pool.load(Ordering::Relaxed) != pool {
            return None;
        }
        let state = self.try_take_any()?;
        // Under the lock: two doors of different pools do not both get it.
        (self.pool.load(Ordering::Relaxed) == pool).then_some(state)
    }

    /// Takes the channel for a pool if it is free and belongs to none.
    pub(crate) fn adopt(&self, pool: u64) -> Option<Locked<'_, State>> {
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
    #[inline]
    pub(crate) fn try_take_any(&self) -> Option<Locked<'_, State>> {
        let state = self.state.try_lock().or_else(|| self.try_without_visit())?;
        self.end.answered(state.turn).then_some(state)
    }

    /// Takes the channel once the watcher is not there, if it was: a caller that took it for another's call would go to
    /// another channel, stay there, and have the session grow by what it has here already.
    ///
    /// The watcher has `visit` before it tries for the channel, and until it has let go of it. So it does not have the
    /// channel while somebody else has `visit`: whoever has it then is a caller.
    #[cold]
    fn try_without_visit(&self) -> Option<Locked<'_, State>> {
        let _no_visit = lock(&self.visit);
        self.state.try_lock()
    }

    /// Lets go of an area that the server has not seen in use for a while; false if a call is going on, or it is another's.
    pub(crate) fn let_go(&self, pair: u32) -> bool {
        let visit = lock(&self.visit);
        let free = self
            .state
            .try_lock()
            .filter(|state| self.end.answered(state.turn));
        let Some(mut state) = free else {
            return false;
        };
        let own = self.end.0.pair();
        if state.area.number != pair || pair == own.number {
            return false;
        }
        let spare = state.use_area(Arc::clone(own));
        drop(state);
        drop(visit);
        // Unmapped outside the locks: the call takes its time.
        drop(spare);
        true
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

    /// Publishes a turn and waits for its answer; does something between the two.
    #[inline]
    pub(crate) fn exchange(
        &self,
        session: &Session,
        state: &mut State,
        head: &CallHead,
        (until, cancel): (Option<Instant>, Option<&Cancel>),
        meanwhile: impl FnOnce(&mut State),
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
        meanwhile(state);
        let end = &self.end;
        let spent = state.patience.spend(
            || (cpu, end.peer_cpu()),
            || end.answered(turn),
            || session.is_dead(),
            match presence {
                Presence::Woken => Peer::Woken,
                Presence::Awake | Presence::Quiet => Peer::Awake,
            },
        );
        match spent {
            Spent::Seen | Spent::Yielded { .. } => Waited::Answered,
            Spent::Blown | Spent::Nothing => self.sleep(session, state, last, until, cancel),
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
        cancel: Option<&Cancel>,
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
            let word = self.end.sleep_word();
            slept = match cancel {
                None => futex::wait(word, low(last), until),
                Some(cancel) => cancel.wait(word, low(last), until),
            };
            let over = slept == futex::Slept::TimedOut || cancel.is_some_and(Cancel::is_cancelled);
            if over && !self.end.answered(turn) {
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
