//! Who leads while the thread that led runs a first call.
//!
//! A first call comes, is answered and is over in less time than it takes to wake a thread for it. So the thread that has
//! read it may run it itself, if another stands by that leads as soon as anything else happens: nobody leads *and* runs
//! foreign code (I15).
//!
//! | the leader's state is | the thread that read the call | the deputy |
//! |---|---|---|
//! | with the thread that leads | waits for events, does turns | sleeps at the bell, which does not ring |
//! | in the seat | runs a procedure | sleeps at the bell, which rings at the next event |
//! | ... an event comes | runs it still | takes the state: **leads** from here on |
//! | ... the procedure is over first | takes the state, and silences the bell: leads on | sleeps, or finds the seat empty |
//! | with the former deputy | comes back to an empty seat: is the **deputy** | leads |
//!
//! The state is in one place, under a lock that is held for the move only. The bell is an epoll of its own that holds the
//! leader's: it costs a system call to set it and one to silence it, and a wake only if something happens. What falls due
//! meanwhile is an event, too: an alarm, which is set only if none is set that goes off before.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::core::lock;
use super::desk::Unsent;
use super::known::Known;
use super::leader::{Leader, live};
use super::packet::PacketCall;
use super::runtime::{Runtime, Source};
use super::token::Token;
use crate::foreign;
use crate::pool::{Job, Lent, Pool};
use crate::primitive::{AtomicBool, Ordering};
use crate::sys::process::Process;
use crate::sys::{self, thread};

/// If no deputy could be had at the start, one is sought at every so manieth first call.
const SOUGHT_EVERY: u32 = 64;

/// What the thread that leads leaves to its deputy.
#[derive(Default)]
pub(super) struct Seat {
    left: Mutex<Option<Box<Leader>>>,
    post: OnceLock<Post>,
    /// A deputy was started.
    started: AtomicBool,
    /// The deputy is at the bell. Only a state in the seat makes it leave.
    deputy: AtomicBool,
}

/// Where the deputy sleeps.
struct Post {
    bell: Epoll,
    alarm: TimerFd,
}

/// A first call that runs on the thread that read it.
pub(super) struct Here {
    lent: Lent,
    call: Box<PacketCall>,
}

impl Here {
    /// It, in the place of an idle thread of the pool; the call comes back if there is none.
    pub(super) fn new(pool: &Arc<Pool>, call: Box<PacketCall>) -> Result<Self, Box<PacketCall>> {
        match pool.lend() {
            Some(lent) => Ok(Self { lent, call }),
            None => Err(call),
        }
    }

    /// The connection by which it came.
    pub(super) fn token(&self) -> &Token {
        self.call.token()
    }

    /// Runs the call: foreign code. Whoever led does not any more.
    fn serve(self) -> Option<Unsent> {
        let _restore = foreign::serve_here();
        self.lent.serve(self.call)
    }

    /// Leaves the call to the thread whose place it has.
    pub(super) fn leave(self) {
        self.lent.give(Job::Packet(self.call));
    }
}

impl Post {
    fn new(runtime: &Runtime) -> sys::Result<Self> {
        let post = Self {
            bell: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            alarm: TimerFd::new(
                ClockId::CLOCK_MONOTONIC,
                TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK,
            )?,
        };
        post.bell.add(&runtime.epoll.0, silent())?;
        runtime.watch_at(runtime.next_key(), &post.alarm, Source::Alarm)?;
        Ok(post)
    }
}

fn silent() -> EpollEvent {
    EpollEvent::new(EpollFlags::EPOLLONESHOT, 0)
}

impl Seat {
    /// Whether a deputy stands by.
    pub(super) fn has_deputy(&self) -> bool {
        self.deputy.load(Ordering::Acquire)
    }

    /// Makes what a deputy needs, once; false if that cannot be.
    fn furnish(&self, runtime: &Runtime) -> bool {
        if self.post.get().is_none()
            && let Ok(post) = Post::new(runtime)
        {
            let _first = self.post.set(post);
        }
        self.post.get().is_some()
    }

    /// Waits until there is a state to lead with.
    pub(super) fn stand_by(&self) -> Box<Leader> {
        self.deputy.store(true, Ordering::Release);
        loop {
            if let Some(post) = self.post.get() {
                let mut events = [EpollEvent::empty()];
                let _woken = post.bell.wait(&mut events, EpollTimeout::NONE);
            }
            // Under the lock: whoever led finds the seat empty after that, and says that it is the deputy.
            let mut left = lock(&self.left);
            if let Some(leader) = left.take() {
                self.deputy.store(false, Ordering::Release);
                return leader;
            }
        }
    }

    /// Runs a call while the deputy looks after everything else; the state, unless that leads now.
    pub(super) fn run(&self, mut leader: Box<Leader>, here: Here) -> Option<Box<Leader>> {
        let Some(post) = self.post.get() else {
            here.leave();
            return Some(leader);
        };
        let runtime = Arc::clone(&leader.runtime);
        let rings = leader.set_alarm(&post.alarm).is_ok();
        *lock(&self.left) = Some(leader);
        let mut rung = EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLONESHOT, 0);
        let unsent = if rings && post.bell.modify(&runtime.epoll.0, &mut rung).is_ok() {
            here.serve()
        } else {
            here.leave();
            None
        };
        let mut left = lock(&self.left).take();
        if let Some(leader) = &mut left {
            leader.brief.is_keen = true;
            let _silenced = post.bell.modify(&runtime.epoll.0, &mut silent());
        }
        // Now, since the caller goes on with it: what it does next, be it only to close the connection, would call the
        // deputy. The lead must not be lost with it.
        let _sent = foreign::shielded(|| drop(unsent));
        left
    }

    /// What has rung is read, so that it can ring again.
    pub(super) fn alarm_was_heard(&self) {
        if let Some(post) = self.post.get() {
            // It is not blocking, and EAGAIN means that it was set again meanwhile.
            let mut count = [0_u8; 8];
            let _read = nix::unistd::read(&post.alarm, &mut count);
        }
    }
}

/// Starts a deputy, if there is none and one can be had: a server without does the same, and takes longer.
pub(super) fn deputize(seat: &Arc<Seat>, runtime: &Runtime) {
    if !seat.started.load(Ordering::Relaxed) && seat.furnish(runtime) {
        let theirs = Arc::clone(seat);
        let started = thread::start("door-deputy", move || live(&theirs, None));
        seat.started.store(started.is_ok(), Ordering::Relaxed);
    }
}

/// What a leader knows of its alarm, and of its deputy.
#[derive(Default)]
pub(super) struct Watch {
    /// When the alarm goes off.
    at: Option<Instant>,
    first_calls: u32,
    /// Who has called last, until the alarm.
    last: Option<Known>,
}

impl Watch {
    /// One more first call. True: if no deputy could be had, one may be sought again.
    pub(super) fn first_call(&mut self) -> bool {
        self.first_calls = self.first_calls.wrapping_add(1);
        self.first_calls.is_multiple_of(SOUGHT_EVERY)
    }

    /// Somebody calls, on a connection of its own; [`Self::set`] follows.
    pub(super) fn saw(&mut self, token: &Token, process: &Arc<Process>) {
        self.last = Known::by(token, process);
    }

    /// Who has made this connection, if that is who has called last.
    pub(super) fn knows(&self, token: &Token) -> Option<Arc<Process>> {
        self.last.as_ref()?.is_at(token)
    }

    /// The alarm went off.
    pub(super) fn is_over(&mut self) {
        self.at = None;
        self.last = None;
    }

    /// Has the alarm go off at `due`, if it does not before.
    pub(super) fn set(&mut self, alarm: &TimerFd, due: Option<Instant>) -> sys::Result<()> {
        let Some(due) = due else {
            if self.at.is_none() {
                // The caller has gone before its call began: nothing is due, and nobody would forget it.
                self.last = None;
            }
            return Ok(());
        };
        if self.at.is_some_and(|at| at <= due) {
            return Ok(());
        }
        let left = due.saturating_duration_since(Instant::now());
        // A time of zero would never come (timerfd_settime(2)).
        let left = left.max(std::time::Duration::from_nanos(1));
        alarm.set(
            Expiration::OneShot(TimeSpec::from_duration(left)),
            TimerSetTimeFlags::empty(),
        )?;
        self.at = Some(due);
        Ok(())
    }
}
