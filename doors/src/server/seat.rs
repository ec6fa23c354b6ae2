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
//!
//! Where first calls come one upon the other and are over at once, those two system calls are a twentieth of each. There nobody
//! sets the bell for a call that begins: the deputy looks at the seat every millisecond, and sets it *for the call that it
//! finds there*. So
//!
//! * a call that is over before the next look has held up others for less than that millisecond;
//! * any other has the bell from the next look on, and who sets it is told at once of what has happened before
//!   (`EPOLL_CTL_MOD` looks at what it is set for). Nobody is held up by one call for longer than a millisecond, and the time
//!   in which the deputy comes to its processor;
//! * one that was not over at once costs what comes after it the bell for many times as long: holding up others so is not for
//!   anybody to repeat.
//!
//! The deputy begins to look when the bell rings that was left set between two calls, and ends when nobody has called since its last look, when
//! a call stays from one look to the next, and when one has turned out not to be quick (`seat/left.rs`).

mod credit;
mod left;

use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use self::credit::{Credit, LOOKS_EVERY, longest};
use self::left::{Bell, Left, Task};
use super::core::lock;
use super::desk::Unsent;
use super::known::Known;
use super::leader::{Leader, live};
use super::near::Near;
use super::packet::PacketCall;
use super::runtime::{Runtime, Source};
use super::token::Token;
use crate::foreign;
use crate::pool::{Job, Lent};
use crate::primitive::{AtomicBool, Ordering};
use crate::sys::process::Process;
use crate::sys::{self, thread};

/// If no deputy could be had at the start, one is sought at every so manieth first call.
const SOUGHT_EVERY: u32 = 64;

/// What the thread that leads leaves to its deputy.
#[derive(Default)]
pub(super) struct Seat {
    left: Mutex<Left<Box<Leader>>>,
    post: OnceLock<Post>,
    /// A deputy was started.
    started: AtomicBool,
    /// The deputy is at the bell. Only a state in the seat makes it leave.
    deputy: AtomicBool,
}

/// Where the deputy sleeps.
struct Post {
    runtime: Arc<Runtime>,
    bell: Epoll,
    alarm: TimerFd,
}

/// A first call that runs on the thread that read it.
pub(super) struct Here {
    lent: Lent,
    call: Box<PacketCall>,
}

impl Here {
    /// It, in the place of an idle thread.
    pub(super) fn new(lent: Lent, call: Box<PacketCall>) -> Self {
        Self { lent, call }
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
    fn new(runtime: &Arc<Runtime>) -> sys::Result<Self> {
        let post = Self {
            runtime: Arc::clone(runtime),
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

    /// Has the bell ring at the next event, or at once if there is one; false if that cannot be.
    fn set(&self) -> bool {
        let mut rung = EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLONESHOT, 0);
        self.bell.modify(&self.runtime.epoll.0, &mut rung).is_ok()
    }

    fn silence(&self) {
        let _silenced = self.bell.modify(&self.runtime.epoll.0, &mut silent());
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
    fn furnish(&self, runtime: &Arc<Runtime>) -> bool {
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
        let mut wait = EpollTimeout::NONE;
        loop {
            let mut rung = false;
            if let Some(post) = self.post.get() {
                let mut events = [EpollEvent::empty()];
                rung = post
                    .bell
                    .wait(&mut events, wait)
                    .is_ok_and(|events| events > 0);
            }
            // Under the lock: whoever led finds the seat empty after that, and says that it is the deputy.
            let mut left = lock(&self.left);
            let leader = match left.look(rung) {
                Task::Lead(leader) => Some(leader),
                // Under the lock, too: whoever has run the call silences the bell after that.
                Task::Set if !self.sets_bell() => left.lead(),
                Task::Set | Task::Look => {
                    wait = EpollTimeout::from(LOOKS_EVERY);
                    None
                }
                Task::Sleep => {
                    wait = EpollTimeout::NONE;
                    None
                }
            };
            if let Some(mut leader) = leader {
                self.deputy.store(false, Ordering::Release);
                leader.watch.credit.lose(longest());
                return leader;
            }
        }
    }

    /// Sets the bell for the call in the seat, on the deputy's thread.
    fn sets_bell(&self) -> bool {
        self.post.get().is_some_and(Post::set)
    }

    /// Runs a call while the deputy looks after everything else; the state, unless that leads now.
    pub(super) fn run(&self, mut leader: Box<Leader>, here: Here) -> Option<Box<Leader>> {
        let Some(post) = self.post.get() else {
            here.leave();
            return Some(leader);
        };
        let is_keen = std::mem::replace(&mut leader.brief.is_keen, true);
        let mut credit = leader.watch.credit;
        let begun = here.call.begun();
        let has_alarm = leader.set_alarm(&post.alarm).is_ok();
        let wants_bell = lock(&self.left).put(leader);
        let unsent = if has_alarm && (!wants_bell || post.set()) {
            here.serve()
        } else {
            here.leave();
            None
        };
        let ended = Instant::now();
        let is_quick = credit.ran(is_keen, ended.saturating_duration_since(begun));
        let back = lock(&self.left).take_back(is_quick);
        let left = back.map(|(mut leader, bell)| {
            leader.watch.credit = credit;
            leader.brief.ended = Some(ended);
            if bell == Bell::Silence {
                post.silence();
            }
            leader
        });
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
pub(super) fn deputize(seat: &Arc<Seat>, runtime: &Arc<Runtime>) {
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
    /// Whether calls can be expected to be quick.
    credit: Credit,
    /// The alarm goes off before anything is due but what has come since it was set.
    pub(super) is_good: bool,
}

impl Watch {
    /// One more first call. True: if no deputy could be had, one may be sought again.
    pub(super) fn first_call(&mut self) -> bool {
        self.first_calls = self.first_calls.wrapping_add(1);
        self.first_calls.is_multiple_of(SOUGHT_EVERY)
    }

    /// Somebody calls, on a connection of its own; [`Self::set`] follows.
    pub(super) fn saw(&mut self, token: &Token, process: &Arc<Process>) {
        let known = self.last.as_mut();
        if !known.is_some_and(|known| known.again(token, process)) {
            self.last = Known::by(token, process);
        }
    }

    /// Who has made this connection, if that is who has called last.
    pub(super) fn knows(&self, token: &Token, near: &mut Near) -> Option<Arc<Process>> {
        self.last.as_ref()?.is_at(token, near)
    }

    /// Whether the alarm goes off at some time.
    pub(super) fn is_set(&self) -> bool {
        self.at.is_some()
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
        let left = left.max(Duration::from_nanos(1));
        alarm.set(
            Expiration::OneShot(TimeSpec::from_duration(left)),
            TimerSetTimeFlags::empty(),
        )?;
        self.at = Some(due);
        Ok(())
    }
}
