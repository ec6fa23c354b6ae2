//! The threads that do what futures wait for.
//!
//! A *look* is a thread's question what is next, under the lock. It is *owed* from the moment when a thread was asked for it until a thread
//! makes it, whichever does. A thread that does no piece is *free*: it was started, or woken, or comes from the end of a piece, and will look; or it
//! sleeps. Three things hold whenever nobody has the lock:
//!
//! | | what | by |
//! |---|---|---|
//! | 1 | there are as many free threads that will look as looks are owed | one is only asked for if there are more free threads than looks owed, or is started. If all free threads that will look are owed, then another one sleeps, and the notification wakes it: it entered the queue under the lock under which it had found nothing |
//! | 2 | while a piece may begin, a look is owed | who pushes a piece and who takes one ask for another look where more wait than looks are owed, and [`Lines::may_begin_beside`] these. That takes all of them for pieces of every line, which is too many; but then one is owed, and whoever makes that one asks again, or finds that none may begin |
//! | 3 | while a piece with a deadline waits, the watch sleeps no longer than until then; or a look is owed for each that waits | whoever pushes or looks calls on the watch (`watch.rs`) |
//!
//! Where no thread can be started, 2 is put off until the next push, the end of a piece, or the watch, which tries again every 100 ms; and 3 is why such
//! a piece ends in time. The pieces that go on may never end, so one that nobody would look after is refused: there is no thread, or none can be
//! started for it and none for the watch.
//!
//! A piece stops going on before its future is woken: whoever begins the next piece then has this thread do it, which is not asleep yet, and not another.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

use super::lines::{Lines, Ticket};
use crate::door::Origin;
use crate::foreign::{forget, shielded, stay_out};
use crate::lock::lock;
use crate::sys::clock::after;
use crate::sys::{fork, thread};

/// Pieces of work on their way at once: as many as tokio has threads for such things. So one server gets 256, the channels of a session.
const MOST: usize = 512;
/// Pieces that may wait for one server. Each belongs to a future that somebody holds, so they are few unless nobody gives up.
const MOST_WAITING: usize = 65_536;
/// A thread without work ends after this time.
pub(super) const LINGER: Duration = Duration::from_secs(1);
/// How long nobody tries to start a thread after one could not be started.
const AGAIN: Duration = Duration::from_millis(100);

/// A piece of work.
pub(super) trait Piece: Send {
    /// Does it; then has `done` run, before anybody hears of it.
    fn work(self: Box<Self>, done: &dyn Fn());
    /// Says that its time was over before it was begun.
    fn end_late(self: Box<Self>);
}

/// A piece of work has no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::typed) enum Refused {
    /// So many wait for the same server that no more may.
    Full,
    /// There is no thread and none can be started.
    NoThread,
}

/// The threads of one process.
pub(super) struct Threads {
    pub(super) life: u64,
    pub(super) state: Mutex<State>,
    /// There may be something to do.
    more: Condvar,
    /// There is another first deadline.
    pub(super) sooner: Condvar,
}

pub(super) struct State {
    pub(super) lines: Lines<Box<dyn Piece>>,
    threads: usize,
    pub(super) owed: usize,
    /// When to try again to start a thread that a piece lacks.
    pub(super) again: Option<Instant>,
    /// How long the watch sleeps; nothing if there is none.
    pub(super) watched: Option<Instant>,
}

static CURRENT: ArcSwapOption<Threads> = ArcSwapOption::const_empty();

impl Threads {
    /// Those of this process.
    pub(super) fn current() -> Arc<Self> {
        let life = fork::life();
        loop {
            let current = CURRENT.load_full();
            if let Some(threads) = &current
                && threads.life == life
            {
                return Arc::clone(threads);
            }
            CURRENT.compare_and_swap(&current, Some(Self::new(MOST, MOST_WAITING)));
            // After a fork it is the parent's, and so is what waits there.
            forget(current);
        }
    }

    fn new(most: usize, most_waiting: usize) -> Arc<Self> {
        Arc::new(Self {
            life: fork::life(),
            state: Mutex::new(State {
                lines: Lines::new(most, most_waiting),
                threads: 0,
                owed: 0,
                again: None,
                watched: None,
            }),
            more: Condvar::new(),
            sooner: Condvar::new(),
        })
    }

    /// Has a piece done when it is its turn, unless its time is over before.
    pub(super) fn push(
        self: &Arc<Self>,
        origin: &Origin,
        until: Option<Instant>,
        piece: Box<dyn Piece>,
    ) -> Result<Ticket, Refused> {
        let mut state = lock(&self.state);
        let pushed = state.lines.push(origin, until, piece);
        let Ok(ticket) = pushed else {
            drop(state);
            return Err(Refused::Full);
        };
        let is_cared_for = self.look_after(state, until.is_some());
        // What is not there any more has been begun after all.
        if !is_cared_for && self.remove(&ticket) {
            return Err(Refused::NoThread);
        }
        Ok(ticket)
    }

    /// Takes a piece back; whether it had not begun.
    pub(super) fn remove(&self, ticket: &Ticket) -> bool {
        let piece = lock(&self.state).lines.remove(ticket);
        // Outside of the lock: it may be the last that knows a door.
        let was_there = piece.is_some();
        drop(piece);
        was_there
    }

    /// Keeps 2 and 3 of the head of this module. False: there is no thread, or none that watches over what has a deadline or lacks a thread.
    pub(super) fn look_after<'a>(
        self: &'a Arc<Self>,
        mut state: MutexGuard<'a, State>,
        has_deadline: bool,
    ) -> bool {
        let mut has_thread = true;
        let is_short = state.lines.waiting() > state.owed;
        if is_short && state.lines.may_begin_beside(state.owed) {
            let free = state.threads.saturating_sub(state.lines.going());
            if free > state.owed {
                state.owed = state.owed.saturating_add(1);
                self.more.notify_one();
            } else {
                (state, has_thread) = self.add(state);
            }
        }
        if !has_thread {
            state.again = Some(after(Instant::now(), AGAIN));
        }
        let is_watched = self.watch(&mut state) || has_thread && !has_deadline;
        state.threads > 0 && is_watched
    }

    /// Starts a thread, which will look. False: it could not be.
    fn add<'a>(
        self: &'a Arc<Self>,
        mut state: MutexGuard<'a, State>,
    ) -> (MutexGuard<'a, State>, bool) {
        state.threads = state.threads.saturating_add(1);
        state.owed = state.owed.saturating_add(1);
        drop(state);
        let threads = Arc::clone(self);
        let started = thread::start("door-awaited", move || threads.work());
        let mut state = lock(&self.state);
        if started.is_err() {
            state.threads = state.threads.saturating_sub(1);
            state.owed = state.owed.saturating_sub(1);
        }
        (state, started.is_ok())
    }

    /// The life of a thread.
    fn work(self: &Arc<Self>) {
        let mut is_over = false;
        loop {
            let mut state = lock(&self.state);
            state.owed = state.owed.saturating_sub(1);
            if let Some((origin, piece)) = state.lines.next() {
                self.look_after(state, false);
                self.do_one(&origin, piece);
                is_over = false;
                continue;
            }
            // The look that was owed is no more.
            self.watch(&mut state);
            if is_over {
                state.threads = state.threads.saturating_sub(1);
                return;
            }
            let waited = self.more.wait_timeout(state, LINGER);
            let (woken, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            drop(woken);
            is_over = waited.timed_out();
        }
    }

    fn do_one(&self, origin: &Origin, piece: Box<dyn Piece>) {
        let done = || {
            self.stay_with_the_parent();
            lock(&self.state).lines.done(origin);
        };
        let _panicked = shielded(|| piece.work(&done));
        self.stay_with_the_parent();
    }

    /// Foreign code may have forked.
    pub(super) fn stay_with_the_parent(&self) {
        if fork::life() != self.life {
            stay_out();
        }
    }
}

#[cfg(test)]
mod tests;
