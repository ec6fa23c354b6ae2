//! The one thread that watches everything which is not a staffed channel.
//!
//! All clients of all doors depend on it, so it *never runs foreign code and never blocks*. (It may put its work down, for
//! another thread to take up, and then run a first call that it has read: `seat.rs`.) It is marked as kept free
//! (`foreign/mod.rs`), and what falls due here goes elsewhere:
//!
//! | what | where it goes |
//! |---|---|
//! | the procedure, the notice, the policy and the thread callback of a door, dropped with the last reference to it | an errand (`Drop for Core`) |
//! | the policy of a name, dropped with it or its last connection | an errand (`Drop` of `Attached` and of `Token`) |
//! | what an invocation wants to run when its caller goes | an errand (`server/channel.rs`, `server/packet.rs`) |
//! | a callback of the program's that makes server threads | an errand (`Pool::create_thread`) |
//! | the predicates of a policy | the jury of the door; the petition waits (`server/parked.rs`) |
//! | a `tracing` subscriber | the thread of the events (`event.rs`) |
//! | the notice that a door is unreferenced | its own thread (`unref.rs`) |
//! | the close of a descriptor that a peer has sent, or of a socket in which one lies | the closers (`sys/closer.rs`) |
//! | a recvmsg(2) that may have no room for what comes | a closer (`server/elsewhere.rs`) |
//! | fstat(2) of a name, on a file system that may not answer | the looker (`server/names.rs`) |
//!
//! What is left are system calls that do not wait (packet sockets with `MSG_DONTWAIT`, whoever may have changed their
//! flags; epoll, eventfd, memfds, pidfds, netlink to the kernel, files of `/proc`), the start of a thread, and
//! locks under which nobody runs foreign code or waits. Credentials are the kernel's numbers: no user database is asked.
//! What cannot be kept away is the program's allocator, its panic hook in case of a mistake of ours, and its signal
//! handlers, which the kernel may run on any thread that does not block them.

mod ends;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::timerfd::TimerFd;

use super::brief::Brief;
use super::hangup::Hangups;
use super::kept::{self, Kept};
use super::names::Taken;
use super::resting::Resting;
use super::runtime::{Attached, Runtime, Source};
use super::seat::{Here, Seat, Watch, deputize};
use super::unfinished::Unfinished;
use super::untold::Untold;
use crate::event;
use crate::foreign;
use crate::sys::clock::after;
use crate::sys::table::Table;
use crate::sys::{self, closer, ids, thread};
use crate::wire::limits::{CONTROL_BYTES, PACKET_DATA_BYTES};

/// Packets taken from one source before the others get their turn.
pub(super) const PACKETS_A_TURN: usize = 16;
/// A wake that missed its thread is repeated after this time.
const REPEAT_AFTER: Duration = Duration::from_millis(1);
/// After this time a thread that could not be had is sought again.
const THREADS_AFTER: Duration = Duration::from_millis(50);
/// How long a listener rests whose connections there is no room for.
const DEAF_FOR: Duration = Duration::from_millis(20);
/// How long what is due on references is put off while they are handed over. The end of that wakes the leader.
const PUT_OFF: Duration = Duration::from_millis(20);

/// The leader's own state.
pub(crate) struct Leader {
    pub(crate) runtime: Arc<Runtime>,
    pub(super) buffer: Vec<u8>,
    pub(super) untold: Untold,
    /// Some thread that was called off its channel has not left yet.
    calls_away: bool,
    hangups: Hangups,
    kept: Kept,
    /// References on which nothing is read for a while.
    pub(super) resting: Resting,
    pub(super) table: Table,
    /// Handshakes that have not come to their end.
    pub(crate) unfinished: Unfinished,
    /// Listeners with connections that there is no room to take, and when they are looked at again.
    deaf: Vec<(Arc<Attached>, Instant)>,
    /// References are being handed over: nothing is done about them.
    stands_still: bool,
    /// Somebody who does what the leader does not do itself lacks a thread.
    short: bool,
    seat: Arc<Seat>,
    pub(super) watch: Watch,
    pub(super) brief: Brief,
    /// The time of this turn, as long as it is a short one.
    pub(super) now: Option<Instant>,
    /// A call that the thread of this turn runs after it.
    pub(super) here: Option<Here>,
    /// Given up when the descriptor table is full, so that a connection can be taken and refused.
    reserve: Option<nix::sys::eventfd::EventFd>,
}

/// Starts the leader of a runtime.
pub(crate) fn start(runtime: &Arc<Runtime>) -> sys::Result<()> {
    kept::wake_when_some_are();
    let seat = Arc::new(Seat::default());
    let leader = Box::new(Leader {
        runtime: Arc::clone(runtime),
        buffer: Vec::new(),
        untold: Untold::default(),
        calls_away: false,
        hangups: Hangups::default(),
        kept: Kept::default(),
        resting: Resting::default(),
        table: Table::open(),
        unfinished: Unfinished::default(),
        deaf: Vec::new(),
        stands_still: false,
        short: false,
        seat: Arc::clone(&seat),
        watch: Watch::default(),
        brief: Brief::default(),
        now: None,
        here: None,
        reserve: spare(),
    });
    let leads = Arc::clone(&seat);
    let started = thread::start("door-leader", move || live(&leads, Some(leader)));
    started.map_err(|error| error.raw_os_error().map_or(Errno::EAGAIN, Errno::from_raw))?;
    deputize(&seat, runtime);
    Ok(())
}

/// The life of a thread that leads, or stands by.
pub(super) fn live(seat: &Seat, mut state: Option<Box<Leader>>) -> ! {
    foreign::keep_free();
    ids::settle();
    let mut own = None;
    loop {
        let mut leader = state.take().unwrap_or_else(|| seat.stand_by());
        let runtime = own.get_or_insert_with(|| Arc::clone(&leader.runtime));
        // Nothing in a turn is known to panic. If something does, it costs that turn, not the service.
        if catch_unwind(AssertUnwindSafe(|| leader.turn(runtime))).is_err() {
            event::panicked("door-leader");
        }
        state = match leader.here.take() {
            None => Some(leader),
            Some(here) => seat.run(leader, here),
        };
    }
}

fn spare() -> Option<nix::sys::eventfd::EventFd> {
    nix::sys::eventfd::EventFd::from_flags(nix::sys::eventfd::EfdFlags::EFD_CLOEXEC).ok()
}

impl Leader {
    fn turn(&mut self, runtime: &Arc<Runtime>) {
        self.buffer
            .resize(PACKET_DATA_BYTES.saturating_add(CONTROL_BYTES), 0);
        let mut events = [EpollEvent::empty(); 16];
        let count = self.wait(&mut events);
        let pass = runtime.standstill.pass();
        self.stands_still = pass.is_none();
        let mut is_plain = self.watch.is_good && count == 1 && !self.stands_still;
        for event in events.iter().take(count) {
            // A source that was forgotten between the wait and now meets nobody.
            if let Some(source) = runtime.source(event.data()) {
                is_plain &= matches!(source, Source::Listener(_));
                self.event(source, event.events());
            }
        }
        if self.stands_still {
            self.brief.is_keen = false;
        } else {
            is_plain &= self.look_at_brief();
        }
        self.untold.forget_told();
        self.watch.is_good = is_plain && self.here.is_some();
        if !self.watch.is_good {
            self.look_after_the_rest(runtime, pass.is_some());
        }
    }

    /// What falls due, or was put down by others. In a turn that has brought a first call and nothing else it is left to a later one:
    /// whoever puts something down wakes the leader, which is an event, and so is the alarm, which is set whenever a
    /// first call is run, and goes off after 5 ms at the latest.
    fn look_after_the_rest(&mut self, runtime: &Arc<Runtime>, has_pass: bool) {
        let inbox = &runtime.inbox;
        for session in inbox.unseen() {
            session.scan();
        }
        for session in inbox.spare() {
            session.ask_back();
        }
        for id in inbox.graves() {
            self.end_session(id);
        }
        self.calls_away = inbox.repeat_wakes();
        runtime.starved.try_again();
        self.untold.tell();
        self.end_unfinished_sessions();
        self.kept.look(&runtime.quotas);
        if has_pass {
            self.look_after_references(runtime);
        }
        self.seek_threads();
    }

    fn look_after_references(&mut self, runtime: &Runtime) {
        for late in runtime.inbox.late() {
            self.arrived_late(late);
        }
        for decided in runtime.inbox.decided() {
            self.decided(decided);
        }
        for token in self.hangups.come_true() {
            self.end_token(&token);
        }
        self.wake_rested();
        for (token, uid) in runtime.inbox.newcomers() {
            self.unfinished.connected(&token, uid);
        }
        self.end_silent_connections();
        self.listen_again();
    }

    /// Those who do for the leader what it does not do itself may lack a thread; that may be over.
    fn seek_threads(&mut self) {
        let runtime = &self.runtime;
        let short = || {
            let here = runtime.looker.is_short() || runtime.notices.is_short();
            here || foreign::is_short() || closer::is_short()
        };
        if short() {
            foreign::try_again();
            closer::try_again();
            runtime.looker.try_again();
            runtime.notices.try_again(runtime);
        }
        self.short = short();
    }

    /// What time it is.
    pub(super) fn now(&self) -> Instant {
        self.now.unwrap_or_else(Instant::now)
    }

    /// Whether somebody leads if this thread does not.
    pub(super) fn may_leave(&mut self) -> bool {
        if self.watch.first_call() {
            deputize(&self.seat, &self.runtime);
        }
        self.seat.has_deputy()
    }

    /// Has the alarm go off when something is due.
    pub(super) fn set_alarm(&mut self, alarm: &TimerFd) -> sys::Result<()> {
        if !(self.watch.is_good && self.watch.is_set()) {
            // Of the call that is about to run it is told after 5 ms, and of each that comes later no earlier than that.
            let due = self.due();
            self.watch.set(alarm, due)?;
            self.watch.is_good = self.watch.is_set();
        }
        Ok(())
    }

    /// Sleeps for ever unless something wants another look at some time.
    pub(super) fn timeout(&self) -> EpollTimeout {
        match self.due() {
            None => EpollTimeout::NONE,
            Some(at) => {
                let left = at.saturating_duration_since(Instant::now());
                let millis = u16::try_from(left.as_millis()).unwrap_or(u16::MAX);
                EpollTimeout::from(millis.saturating_add(1))
            }
        }
    }

    /// When something wants another look.
    fn due(&self) -> Option<Instant> {
        let references = [
            self.hangups.due(),
            self.resting.due(),
            self.unfinished.due(),
            self.deaf.iter().map(|(_, at)| *at).min(),
        ];
        let put_off = self.stands_still.then(|| later(PUT_OFF));
        let references = references.into_iter().flatten();
        let references = references.map(|at| put_off.map_or(at, |then| at.max(then)));
        let others = [
            self.untold.due(),
            self.calls_away.then(|| later(REPEAT_AFTER)),
            self.short.then(|| later(THREADS_AFTER)),
            self.runtime.starved.due(),
            self.runtime.inbox.watch_due(),
            self.kept.due(),
            self.runtime.inbox.spare_due(),
        ];
        others.into_iter().flatten().chain(references).min()
    }

    fn event(&mut self, source: Source, flags: EpollFlags) {
        match source {
            Source::Wakeup => {
                let _spurious = self.runtime.wakeup.read();
            }
            Source::Names => self.names_changed(),
            Source::Alarm => {
                self.watch.is_over();
                self.seat.alarm_was_heard();
            }
            // Reported before they stood still: reported again, if it still is so, when they are served again.
            Source::Listener(_) if self.stands_still => {}
            Source::Token(token) if self.stands_still && token.is_reference() => {}
            Source::Listener(attached) => self.accept(&attached),
            Source::Token(token) => self.token(&token, flags),
            Source::Session(session) => self.session(&session),
            Source::Client(session) => self.end_session(session.id),
        }
    }

    /// Takes connections. Lack of descriptors costs the newest connection, never the server.
    fn accept(&mut self, attached: &Arc<Attached>) {
        // Whoever was refused last is closed elsewhere, perhaps only now: the place is the reserve's before anybody's. A
        // connection that took it would leave the later ones neither served nor refused.
        if self.reserve.is_none() {
            self.reserve = spare();
        }
        if self.reserve.is_none() {
            return self.be_deaf(attached);
        }
        // One, since it is rare that another waits, and that is reported again.
        match self.runtime.take_connection(attached) {
            Ok(Taken::One(token, uid)) => {
                self.table.took(1);
                self.brief.near.came_by(attached);
                self.greet(&token, uid);
            }
            Ok(Taken::Refused) => {}
            Ok(Taken::None) => self.brief.near.nobody_came(),
            // There is room, and it is reported again.
            Err(_full) if self.look_at_brief_for_room() => {}
            Err(_full) => {
                self.reserve = None;
                let refused = self.runtime.refuse_connection(attached);
                self.reserve = spare();
                if !refused {
                    self.be_deaf(attached);
                }
            }
        }
    }

    /// Not even the reserve was left. The connection would be reported for ever (epoll is level-triggered), so the
    /// listener leaves epoll for a while.
    fn be_deaf(&mut self, attached: &Arc<Attached>) {
        let _gone = self.runtime.epoll.delete(&attached.listener);
        self.brief.near.forget(attached);
        self.deaf.push((Arc::clone(attached), later(DEAF_FOR)));
    }

    fn listen_again(&mut self) {
        if self.deaf.is_empty() {
            return;
        }
        let now = Instant::now();
        let runtime = &self.runtime;
        self.deaf.retain(|(attached, at)| {
            if *at > now {
                return true;
            }
            runtime.watch_again(attached.key, &attached.listener);
            false
        });
    }

    /// A name was removed or replaced by somebody.
    fn names_changed(&mut self) {
        if let Some(names) = &self.runtime.names {
            let _events = names.read_events();
        }
        self.runtime.look_at_names();
    }
}

/// The time so long from now.
pub(super) fn later(pause: Duration) -> Instant {
    after(Instant::now(), pause)
}
