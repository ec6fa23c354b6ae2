//! A channel as its server has it: what any thread may touch.

use std::sync::{Arc, Mutex};

use super::core::lock;
use super::descriptors::ChannelSocket;
use super::duty::{Duty, Progress, Recent};
use super::promise::{Promise, Settled};
use super::session::{Registration, Session};
use crate::channel::ends::{ServerEnd, low};
use crate::channel::gear::Gear;
use crate::channel::pair::Pair;
use crate::channel::parts::Cursor;
use crate::channel::wait::Patience;
use crate::foreign;
use crate::pool::Sleeper;
use crate::primitive::{AtomicU64, Ordering};
use crate::sys::dense::Dense;
use crate::sys::futex;
use crate::waiting::Waiting;
use crate::wire::code::Move;

/// The part of a channel that any thread of the server may touch.
pub(crate) struct Channel {
    pub(crate) session: Arc<Session>,
    pub(crate) index: u32,
    pub(crate) end: ServerEnd,
    slot: Mutex<Slot>,
    /// The last call that needs no promise any more.
    pub(crate) settled: Settled,
    /// Our end of the channel's descriptor socket.
    pub(crate) socket: Mutex<Option<Arc<ChannelSocket>>>,
    cancelled: AtomicU64,
    on_cancel: Mutex<Option<(u64, CancelCallback)>>,
    /// Whether the thread that staffs the channel sleeps here.
    pub(crate) sleeper: Sleeper,
}

/// What lies at a channel until somebody takes it.
#[derive(Default)]
struct Slot {
    /// The duty, while the channel is quiet.
    duty: Option<Box<Duty>>,
    /// What is owed to a call whose registration has died.
    promise: Option<Promise>,
}

/// What an invocation wants to run when its caller gives up.
pub(crate) type CancelCallback = Box<dyn FnOnce() + Send>;

impl Channel {
    /// A quiet channel of a fresh pair; its duty is in the slot.
    pub(crate) fn new(session: &Arc<Session>, index: u32, end: ServerEnd) -> Arc<Self> {
        let area = Arc::clone(end.0.pair());
        let channel = Arc::new(Self {
            session: Arc::clone(session),
            index,
            end,
            slot: Mutex::default(),
            settled: Settled::default(),
            socket: Mutex::new(None),
            cancelled: AtomicU64::new(0),
            on_cancel: Mutex::new(None),
            sleeper: Sleeper::default(),
        });
        let waiting = Waiting::of_process();
        let duty = Duty {
            channel: Arc::clone(&channel),
            turn: 0,
            generation: 0,
            patience: Patience::for_calls(waiting),
            gear: Gear::new(waiting),
            recent: Recent::default(),
            last: None,
            area,
            cursor: Cursor::default(),
            has_rested: false,
            spare_from: None,
            has_left: false,
            progress: Progress::Idle,
            reply: None,
            callback_set: false,
        };
        lock(&channel.slot).duty = Some(Box::new(duty));
        channel
    }

    /// Takes the duty of a quiet channel on which a call waits.
    pub(crate) fn take_waiting(&self) -> Option<Box<Duty>> {
        lock(&self.slot)
            .duty
            .take_if(|duty| self.end.turn() != low(duty.turn))
    }

    /// Puts the duty of a channel that falls quiet into its slot. What the channel must not keep while it rests comes
    /// back, to be dropped outside the lock.
    ///
    /// A quiet channel may stay so for as long as its session lives: it must not keep a door alive that nobody
    /// refers to. `Registration::live` is cleared before [`Self::forget`] locks the slot, so one of the two sees it.
    pub(super) fn put_down(&self, mut duty: Box<Duty>) -> impl Sized {
        let mut slot = lock(&self.slot);
        let stale = duty.last.take_if(|last| !last.is_live());
        let kept = slot
            .promise
            .take_if(|promise| !promise.is_for(duty.turn.wrapping_add(1)));
        slot.duty = Some(duty);
        (stale, kept)
    }

    /// The area of a channel that has been quiet for a while, if it may be asked back.
    pub(super) fn spare_area(&self) -> Option<Arc<Pair>> {
        lock(&self.slot).duty.as_mut()?.spare_area()
    }

    /// The client could not be asked for the area.
    pub(super) fn keep_area(&self, area: Arc<Pair>) {
        if let Some(duty) = &mut lock(&self.slot).duty {
            duty.keep_area(area);
        }
    }

    /// A registration has died: a quiet channel that was used for it last lets go of it.
    pub(crate) fn forget(&self, dead: &Registration) {
        let mut slot = lock(&self.slot);
        let stale = slot.duty.as_mut().and_then(|duty| {
            duty.last
                .take_if(|last| std::ptr::eq(&raw const **last, dead))
        });
        // The door, and all that its procedure owns, may end with it.
        drop(slot);
        drop(stale);
    }

    /// Promises the call that is published now that it will run, if it is one on this registration, which has died.
    /// A promise that was made before comes back, to be dropped outside all locks.
    pub(super) fn promise(&self, dead: &Dense<Registration>) -> Option<Promise> {
        let mut slot = lock(&self.slot);
        let settled = self.settled.last();
        let turn = self.end.turn();
        let head = self.end.read();
        let is_call = Move::from_number(head.step) == Some(Move::Call);
        if !is_call || head.registration != dead.number {
            return None;
        }
        let promise = if settled == turn {
            Promise::settled(turn, dead)
        } else {
            Promise::counted(turn, dead)
        };
        slot.promise.replace(promise)
    }

    /// The dead registration whose call was promised to run, if it is the call of this turn.
    pub(super) fn promised(&self, turn: u64, number: u64) -> Option<Dense<Registration>> {
        let slot = lock(&self.slot);
        let promise = slot.promise.as_ref()?;
        promise.registration(turn, number)
    }

    /// The dead registration to whose call something is owed here.
    pub(super) fn owes(&self) -> Option<Dense<Registration>> {
        let slot = lock(&self.slot);
        slot.promise.as_ref().and_then(Promise::owed)
    }

    /// Takes the promise to the call of this turn, if there is one.
    pub(super) fn redeem(&self, turn: u64, number: u64) -> Option<Promise> {
        lock(&self.slot)
            .promise
            .take_if(|promise| promise.is_for(turn) && promise.number == number)
    }

    /// The call of this turn is over without having been taken: what was promised to it is not owed any more.
    pub(super) fn renounce(&self, turn: u64) {
        self.settled.settle(turn);
        let promise = lock(&self.slot)
            .promise
            .take_if(|promise| promise.is_for(turn));
        drop(promise);
    }

    /// The number of the registration that the waiting call names, as far as it can be told from outside.
    pub(super) fn registration_hint(&self) -> u64 {
        self.end.read().registration
    }

    /// Lets go of what a dead session's quiet channel still holds.
    pub(crate) fn clear(&self) {
        // Dropped outside the lock: the end of a half-collected call may run a notice.
        let left = std::mem::take(&mut *lock(&self.slot));
        drop(left);
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
        let forgotten = lock(&self.slot)
            .duty
            .as_mut()
            .map(|duty| duty.forget_given_up());
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

    /// Whether the caller of this generation has given up.
    pub(super) fn is_given_up(&self, generation: u64) -> bool {
        self.cancelled.load(Ordering::Acquire) == generation
    }

    /// Whether the caller of this generation has given up or died.
    pub(crate) fn is_cancelled(&self, generation: u64) -> bool {
        self.is_given_up(generation) || self.session.is_dead()
    }

    /// Sets the callback of an invocation; runs it at once if the caller has already gone.
    pub(crate) fn set_on_cancel(&self, generation: u64, callback: CancelCallback) {
        let before = lock(&self.on_cancel).replace((generation, callback));
        foreign::discard(before);
        if self.is_cancelled(generation) {
            self.cancel_any();
        }
    }

    /// The invocation is over: its callback must not run any more.
    pub(crate) fn clear_on_cancel(&self) {
        // Dropped outside the lock: what it owns may do anything at its end, and the answer comes after it.
        let callback = lock(&self.on_cancel).take();
        if callback.is_some() {
            foreign::discard(callback);
        }
    }
}

/// A callback is foreign code, and this is the leader, or the thread of the invocation itself.
fn run_callback(callback: Option<(u64, CancelCallback)>) {
    if let Some((_, callback)) = callback {
        foreign::run(callback);
    }
}
