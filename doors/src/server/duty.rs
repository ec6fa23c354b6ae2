//! A channel as its server has it: what everybody may touch, and the duty that one owner carries around.
//!
//! The duty is the private state of the conversation. It is always in exactly one place: in the slot of a quiet
//! channel, in the pool's queue, on the desk of the thread that staffs the channel, or inside a held invocation.
//! Only who has it stores into the channel's words.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::core::{Core, lock};
use super::descriptors::ChannelSocket;
use super::line::Prepared;
use super::session::{Paid, Registration, Session};
use crate::channel::ends::{CallHead, ReplyHead, ServerEnd, low};
use crate::channel::pair::Pair;
use crate::channel::wait::Patience;
use crate::pool::{Pool, Sleeper};
use crate::primitive::{AtomicU64, Ordering, fence};
use crate::sys::futex;
use crate::wire::code::{Answer, Failure};
use crate::wire::layout::presence;
use crate::wire::message::Violation;

/// A channel without calls gives its thread back after this time.
pub(crate) const QUIET_AFTER: Duration = Duration::from_millis(50);

/// The part of a channel that any thread of the server may touch.
pub(crate) struct Channel {
    pub(crate) session: Arc<Session>,
    pub(crate) index: u32,
    pub(crate) end: ServerEnd,
    /// The duty, while the channel is quiet.
    slot: Mutex<Option<Box<Duty>>>,
    /// Our end of the channel's descriptor socket.
    pub(crate) socket: Mutex<Option<Arc<ChannelSocket>>>,
    cancelled: AtomicU64,
    on_cancel: Mutex<Option<(u64, CancelCallback)>>,
    /// Whether the thread that staffs the channel sleeps here.
    pub(crate) sleeper: Sleeper,
}

/// What an invocation wants to run when its caller gives up.
pub(crate) type CancelCallback = Box<dyn FnOnce() + Send>;

/// The private state of a channel.
pub(crate) struct Duty {
    pub(crate) channel: Arc<Channel>,
    /// The last turn that was answered.
    pub(crate) turn: u64,
    /// The generation of the call that is going on, or went on last.
    pub(crate) generation: u64,
    pub(crate) patience: Patience,
    /// The registration that was called last: most callers call one door.
    pub(crate) last: Option<Arc<Registration>>,
    /// The pair whose area the current turn uses.
    pub(crate) area: Arc<Pair>,
    pub(crate) progress: Progress,
    /// The reply that was handed over and is not yet published.
    pub(crate) reply: Option<Prepared>,
    /// The invocation has set a callback for the caller's going.
    pub(crate) callback_set: bool,
}

/// How far a call has got between two turns.
pub(crate) enum Progress {
    /// None is going on.
    Idle,
    /// The arguments come in parts.
    Collecting(Box<Collecting>),
    /// The results go in parts.
    Sending(Box<Sending>),
}

/// A call whose arguments have not all come.
pub(crate) struct Collecting {
    pub(crate) active: Active,
    pub(crate) registration: Arc<Registration>,
    pub(crate) total: u64,
    pub(crate) data: Vec<u8>,
    pub(crate) paid: Paid,
    pub(crate) descriptors: u32,
}

/// Results that have not all gone.
pub(crate) struct Sending {
    /// What did not fit the first part.
    pub(crate) rest: Vec<u8>,
    /// Who pays for it.
    pub(crate) _paid: Paid,
    /// How much of it the client has.
    pub(crate) sent: usize,
    /// Size of the results in all.
    pub(crate) total: u64,
    /// Descriptors of the results, announced with the last part.
    pub(crate) descriptors: u32,
}

/// A call counted as active, until dropped.
pub(crate) struct Active(Arc<Core>);

impl Active {
    /// For a call that `Core::begin` has counted.
    pub(crate) fn begun(core: &Arc<Core>) -> Self {
        Self(Arc::clone(core))
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.0
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Why a thread stops waiting on a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The client has published a turn.
    Turn,
    /// Nothing came for long, or the thread is needed elsewhere.
    Leave,
    /// The session is over.
    Dead,
}

impl Channel {
    /// A quiet channel of a fresh pair; its duty is in the slot.
    pub(crate) fn new(session: &Arc<Session>, index: u32, end: ServerEnd) -> Arc<Self> {
        let area = Arc::clone(end.0.pair());
        let channel = Arc::new(Self {
            session: Arc::clone(session),
            index,
            end,
            slot: Mutex::new(None),
            socket: Mutex::new(None),
            cancelled: AtomicU64::new(0),
            on_cancel: Mutex::new(None),
            sleeper: Sleeper::default(),
        });
        let duty = Duty {
            channel: Arc::clone(&channel),
            turn: 0,
            generation: 0,
            patience: Patience::new(),
            last: None,
            area,
            progress: Progress::Idle,
            reply: None,
            callback_set: false,
        };
        *lock(&channel.slot) = Some(Box::new(duty));
        channel
    }

    /// Takes the duty of a quiet channel on which a call waits.
    pub(crate) fn take_waiting(&self) -> Option<Box<Duty>> {
        let mut slot = lock(&self.slot);
        let waits = slot
            .as_ref()
            .is_some_and(|duty| self.end.turn() != low(duty.turn));
        if waits { slot.take() } else { None }
    }

    /// Puts the duty of a channel that falls quiet into its slot. A registration that has died meanwhile comes
    /// back, to be dropped outside the lock.
    ///
    /// A quiet channel may stay so for as long as its session lives: it must not keep a door alive that nobody
    /// refers to. `Registration::live` is cleared before [`Self::forget`] locks the slot, so one of the two sees it.
    fn put_down(&self, mut duty: Box<Duty>) -> Option<Arc<Registration>> {
        let mut slot = lock(&self.slot);
        let stale = duty.last.take_if(|last| !last.is_live());
        *slot = Some(duty);
        stale
    }

    /// A registration has died: a quiet channel that was used for it last lets go of it.
    pub(crate) fn forget(&self, dead: &Registration) {
        let mut slot = lock(&self.slot);
        let stale = slot.as_mut().and_then(|duty| {
            duty.last
                .take_if(|last| std::ptr::eq(&raw const **last, dead))
        });
        // The door, and all that its procedure owns, may end with it.
        drop(slot);
        drop(stale);
    }

    /// The number of the registration that the waiting call names: a hint which pool to use, checked by the
    /// thread that takes the call.
    pub(crate) fn registration_hint(&self) -> u64 {
        self.end.read().registration
    }

    /// Lets go of what a dead session's quiet channel still holds.
    pub(crate) fn clear(&self) {
        // Dropped outside the lock: the end of a half-collected call may run a notice.
        let duty = lock(&self.slot).take();
        drop(duty);
        drop(lock(&self.socket).take());
    }

    /// Wakes a server thread that sleeps on this channel.
    pub(crate) fn wake_server(&self) {
        futex::wake(self.end.sleep_word());
    }

    /// Marks a generation as given up by its caller; runs the callback if the invocation has set one. A call that had
    /// not got beyond collecting arguments, or was sending results, is forgotten.
    pub(crate) fn cancel(&self, generation: u64) {
        self.cancelled.store(generation, Ordering::Release);
        let forgotten = lock(&self.slot).as_mut().map(|duty| duty.forget_given_up());
        drop(forgotten);
        let callback = {
            let mut slot = lock(&self.on_cancel);
            if slot.as_ref().is_some_and(|(of, _)| *of == generation) {
                slot.take()
            } else {
                None
            }
        };
        run_callback(callback);
    }

    /// The session died: whoever called has gone.
    pub(crate) fn cancel_any(&self) {
        let callback = lock(&self.on_cancel).take();
        run_callback(callback);
    }

    /// Whether the caller of this generation has given up or died.
    pub(crate) fn is_cancelled(&self, generation: u64) -> bool {
        self.cancelled.load(Ordering::Acquire) == generation || self.session.is_dead()
    }

    /// Sets the callback of an invocation; runs it at once if the caller has already gone.
    pub(crate) fn set_on_cancel(&self, generation: u64, callback: CancelCallback) {
        let before = lock(&self.on_cancel).replace((generation, callback));
        drop(before);
        if self.is_cancelled(generation) {
            self.cancel_any();
        }
    }

    /// The invocation is over: its callback must not run any more.
    pub(crate) fn clear_on_cancel(&self) {
        // Dropped outside the lock: what it owns may do anything at its end.
        let callback = lock(&self.on_cancel).take();
        drop(callback);
    }
}

/// A callback is foreign code: a panic in it must not end the leader.
fn run_callback(callback: Option<(u64, CancelCallback)>) {
    if let Some((_, callback)) = callback {
        let _panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(callback));
    }
}

impl Duty {
    /// Waits for the client's next turn.
    #[inline]
    pub(crate) fn await_turn(&mut self, pool: &Pool) -> Event {
        let channel = &self.channel;
        let (end, session) = (&channel.end, &channel.session);
        let last = low(self.turn);
        let stop = || pool.has_queue() || session.is_dead();
        if self
            .patience
            .spend(|| end.peer_cpu(), || end.turn() != last, stop)
        {
            return Event::Turn;
        }
        self.sleep(pool)
    }

    #[cold]
    fn sleep(&self, pool: &Pool) -> Event {
        let channel = &self.channel;
        let (end, last) = (&channel.end, low(self.turn));
        let until = Instant::now().checked_add(QUIET_AFTER);
        loop {
            if channel.session.is_dead() {
                return Event::Dead;
            }
            let round = pool.enter_sleep(channel);
            let mut slept = futex::Slept::Look;
            let alone = end.say_presence(presence::SLEEPING, self.turn);
            let wanted = channel.sleeper.is_evicted(round) || pool.has_queue();
            if alone && !wanted && !channel.session.is_dead() {
                slept = futex::wait(end.sleep_word(), last, until);
            }
            let evicted = pool.leave_sleep(channel, round);
            end.say_awake();
            if end.turn() != last {
                if evicted {
                    pool.pass_eviction_on();
                }
                return Event::Turn;
            }
            if channel.session.is_dead() {
                return Event::Dead;
            }
            let wanted = evicted || pool.has_queue();
            if wanted || slept == futex::Slept::TimedOut {
                return Event::Leave;
            }
        }
    }

    /// Leaves the channel without a thread. If a call came at this moment, the duty comes back.
    ///
    /// Order: quiet is said first, then the duty goes into the slot, then a fence, then a last look. A client
    /// that published before the look is seen; one that publishes after it sees quiet, rings, and the leader
    /// finds the duty in the slot. Quiet is not stored after the duty is out of our hands: the next owner's
    /// own word would be overwritten.
    pub(crate) fn go_quiet(mut self: Box<Self>) -> Option<Box<Self>> {
        drop(self.forget_given_up());
        let channel = Arc::clone(&self.channel);
        channel.rest_socket();
        channel.end.say_quiet();
        let stale = channel.put_down(self);
        fence(Ordering::SeqCst);
        drop(stale);
        let back = channel.take_waiting();
        if let Some(duty) = &back {
            duty.channel.end.say_awake();
        }
        if channel.session.is_dead() {
            channel.clear();
        }
        back
    }

    /// Between two turns of a call that its client has given up: what was collected or is left to send.
    fn forget_given_up(&mut self) -> Progress {
        if self.channel.cancelled.load(Ordering::Acquire) == self.generation {
            if matches!(self.progress, Progress::Collecting(_)) {
                self.channel.discard_descriptors(self.generation);
            }
            std::mem::replace(&mut self.progress, Progress::Idle)
        } else {
            Progress::Idle
        }
    }

    /// Goes quiet from outside a server thread; a call that came meanwhile is given to its pool.
    pub(crate) fn retire(self: Box<Self>) {
        let session = Arc::clone(&self.channel.session);
        if let Some(duty) = self.go_quiet() {
            session.route(duty);
        }
    }

    /// Answers the turn that waits, on a channel for which there is no pool any more: the call was not executed. A
    /// call that was executed before keeps its right to the rest of its results.
    pub(crate) fn turn_away(mut self: Box<Self>) {
        let channel = Arc::clone(&self.channel);
        if channel.end.turn() != low(self.turn.wrapping_add(1)) {
            return channel.session.violated(Violation::Turn);
        }
        let head = channel.end.read();
        match self.progress {
            Progress::Sending(_) => {
                if let Err(found) = self.send_next(&head) {
                    return channel.session.violated(found);
                }
            }
            Progress::Collecting(_) => self.fail(Failure::NoDoor),
            Progress::Idle => {
                self.generation = self.turn.wrapping_add(1);
                self.fail(Failure::NoDoor);
            }
        }
        if let Some(duty) = self.go_quiet() {
            // The next turn has come at this very moment. It is the leader's, which has others to look after in
            // between: a caller that never pauses must not keep this thread.
            duty.put_down();
            channel.session.runtime.look_again(&channel.session);
        }
    }

    /// Puts the duty into the slot; whoever scans the session's channels finds the call that waits.
    fn put_down(self: Box<Self>) {
        let channel = Arc::clone(&self.channel);
        channel.end.say_quiet();
        *lock(&channel.slot) = Some(self);
        fence(Ordering::SeqCst);
        if channel.session.is_dead() {
            channel.clear();
        }
    }

    /// Publishes the answer to the turn that is going on.
    #[inline]
    pub(crate) fn answer(&mut self, head: &ReplyHead) {
        self.turn = self.turn.wrapping_add(1);
        self.channel.end.publish(head, self.turn);
    }

    /// Publishes that the call ended without results.
    pub(crate) fn fail(&mut self, code: Failure) {
        self.progress = Progress::Idle;
        self.channel.discard_descriptors(self.generation);
        let head = ReplyHead {
            answer: Answer::Failed.number(),
            generation: self.generation,
            code: code.number(),
            ..ReplyHead::default()
        };
        self.answer(&head);
    }

    /// The size of the area in use.
    pub(crate) fn area_bytes(&self) -> usize {
        self.area.shape.area_bytes()
    }

    /// Where the area in use lies, in both windows of its pair.
    #[inline]
    pub(crate) fn area_at(&self) -> usize {
        let own = self.channel.end.0.pair();
        let place = if self.area.number == own.number {
            self.channel.end.0.place()
        } else {
            0
        };
        self.area.shape.area_at(place)
    }

    /// Chooses the pair that a turn names; false if the channel has no such area.
    #[inline]
    pub(crate) fn choose_area(&mut self, head: &CallHead) -> bool {
        if head.pair == self.area.number {
            return true;
        }
        match self.channel.session.area_of(head.pair, self.channel.index) {
            Some(pair) => {
                self.area = pair;
                true
            }
            None => false,
        }
    }
}

impl fmt::Debug for Duty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Duty")
            .field("channel", &self.channel.index)
            .field("turn", &self.turn)
            .finish_non_exhaustive()
    }
}
