//! The part of a channel that one owner carries around.
//!
//! The duty is the private state of the conversation. It is always in exactly one place: in the slot of a quiet
//! channel, in the pool's queue, on the desk of the thread that staffs the channel, or inside a held invocation.
//! Only who has it stores into the channel's words.

mod area;
mod waiting;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) use self::waiting::{Arrival, Event};
use super::channel::Channel;
use super::core::Core;
use super::reply::Prepared;
use super::runtime::Runtime;
use super::session::{Paid, Registration};
use crate::channel::ends::{ReplyHead, low};
use crate::channel::gear::Gear;
use crate::channel::pair::Pair;
use crate::channel::parts::Cursor;
use crate::channel::wait::Patience;
use crate::primitive::{Ordering, fence};
use crate::sys::dense::Dense;
use crate::wire::code::{Answer, Failure};
use crate::wire::message::Violation;

/// A channel without calls gives its thread back after this time; after up to eight times as long where calls came often
/// before (`pool/watch.rs`).
pub(crate) const QUIET_AFTER: Duration = Duration::from_millis(50);

/// The private state of a channel.
pub(crate) struct Duty {
    pub(crate) channel: Arc<Channel>,
    /// The last turn that was answered.
    pub(crate) turn: u64,
    /// The generation of the call that is going on, or went on last.
    pub(crate) generation: u64,
    pub(crate) patience: Patience,
    pub(crate) gear: Gear,
    /// The last sleep and the last answer.
    pub(crate) recent: Recent,
    /// The registration that was called last: most callers call one door.
    pub(crate) last: Option<Dense<Registration>>,
    /// The pair whose area the current turn uses.
    pub(crate) area: Arc<Pair>,
    /// Where the next part of the results goes in it.
    pub(crate) cursor: Cursor,
    /// No turn came for as long as a channel is given.
    pub(crate) has_rested: bool,
    /// When the area of the quiet channel may be asked back.
    pub(crate) spare_from: Option<Instant>,
    /// The invocation has left the channel's thread.
    pub(crate) has_left: bool,
    pub(crate) progress: Progress,
    /// The reply that was handed over and is not yet published.
    pub(crate) reply: Option<Prepared>,
    /// The invocation has set a callback for the caller's going.
    pub(crate) callback_set: bool,
}

/// What the next sleep has to know of the last one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Recent {
    /// The sleep was short.
    brisk: bool,
    /// The answer has woken the client.
    woke: bool,
    /// The thread has not followed although its caller was elsewhere.
    stayed: bool,
    /// When the caller has ended it, on the monotonic clock.
    at: u64,
    /// Sleeps still to come whose beginning nobody looks at the clock for.
    untimed: u32,
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
    pub(crate) registration: Dense<Registration>,
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
    /// Whoever waits for the end of all calls waits for these too.
    pub(crate) _unsent: Unsent,
    /// How much of it the client has.
    pub(crate) sent: usize,
    /// Size of the results in all.
    pub(crate) total: u64,
    /// Descriptors of the results, announced with the last part.
    pub(crate) descriptors: u32,
}

/// Results that are on their way, until dropped. The call is not active any more, but its results are lost with the
/// session.
pub(crate) struct Unsent(Arc<Runtime>);

impl Unsent {
    /// Counted before the call is not active any more, so that one of the two counts has it at any time.
    pub(crate) fn begun(runtime: &Arc<Runtime>) -> Self {
        runtime.results_begun();
        Self(Arc::clone(runtime))
    }
}

impl Drop for Unsent {
    fn drop(&mut self) {
        self.0.results_gone();
    }
}

/// A call counted as active, until dropped.
pub(crate) struct Active(Dense<Core>);

impl Active {
    /// For a call that `Core::begin` has counted.
    pub(crate) fn begun(core: &Dense<Core>) -> Self {
        Self(Dense::clone(core))
    }

    pub(crate) fn core(&self) -> &Dense<Core> {
        &self.0
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Duty {
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
        let rested = self.begin_rest();
        let later = self.spare_from.filter(|_| self.has_large_area());
        channel.end.say_quiet();
        let stale = channel.put_down(self);
        fence(Ordering::SeqCst);
        drop(stale);
        let back = channel.take_waiting();
        if let Some(duty) = &back {
            duty.channel.end.say_awake();
        } else if rested {
            channel.session.ask_back();
        } else if let Some(from) = later {
            channel
                .session
                .runtime
                .ask_back_from(&channel.session, from);
        }
        if channel.session.is_dead() {
            channel.clear();
        }
        back
    }

    /// Between two turns of a call that its client has given up: what was collected or is left to send.
    pub(super) fn forget_given_up(&mut self) -> Progress {
        if self.channel.is_given_up(self.generation) {
            if matches!(self.progress, Progress::Collecting(_)) {
                self.channel.discard_descriptors(self.generation);
            }
            std::mem::replace(&mut self.progress, Progress::Idle)
        } else {
            Progress::Idle
        }
    }

    /// Whether a turn came of a call that was forgotten meanwhile: its client published it, and then gave up.
    pub(super) fn was_forgotten(&self) -> bool {
        matches!(self.progress, Progress::Idle) && self.channel.is_given_up(self.generation)
    }

    /// Goes quiet from outside a server thread; a call that came meanwhile is given to its pool.
    pub(crate) fn retire(self: Box<Self>) {
        let session = Arc::clone(&self.channel.session);
        if let Some(duty) = self.go_quiet() {
            session.route(duty);
        }
    }

    /// Answers the turn that waits, on a channel to which no thread may ever come: the call was not executed. A
    /// call that was executed before keeps its right to the rest of its results.
    pub(crate) fn turn_away(mut self: Box<Self>) {
        let channel = Arc::clone(&self.channel);
        if channel.session.is_dead() {
            // The client learns of the end of the session, and that says it all: a door may be gone here because a
            // successor serves it.
            return;
        }
        if channel.end.turn() != low(self.turn.wrapping_add(1)) {
            return channel.session.violated(Violation::Turn);
        }
        let head = channel.end.read();
        let closed = self.calls().and_then(|known| known.core.closed());
        let code = closed.unwrap_or(Failure::NoDoor);
        match self.progress {
            Progress::Sending(_) => {
                if let Err(found) = self.send_next(&head) {
                    return channel.session.violated(found);
                }
            }
            Progress::Collecting(_) => self.fail(code),
            Progress::Idle => {
                self.generation = self.turn.wrapping_add(1);
                self.fail(code);
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
        let stale = channel.put_down(self);
        fence(Ordering::SeqCst);
        drop(stale);
        if channel.session.is_dead() {
            channel.clear();
        }
    }

    /// Publishes the answer to the turn that is going on.
    #[inline]
    pub(crate) fn answer(&mut self, head: &ReplyHead) {
        self.turn = self.turn.wrapping_add(1);
        let away = self.patience.looks_away();
        self.recent.woke = self.channel.end.publish(head, self.turn, away);
    }

    /// Publishes that the call ended without results.
    pub(crate) fn fail(&mut self, code: Failure) {
        self.refuse(code, 0);
    }

    /// As [`Self::fail`], with the limit that the call went beyond.
    pub(crate) fn refuse(&mut self, code: Failure, limit: u64) {
        self.progress = Progress::Idle;
        self.channel.discard_descriptors(self.generation);
        let head = ReplyHead {
            answer: Answer::Failed.number(),
            generation: self.generation,
            code: code.number(),
            total: limit,
            ..ReplyHead::default()
        };
        self.answer(&head);
        self.channel.renounce(self.turn);
    }

    /// The registration that the waiting call names: a hint which pool to use, checked by the thread that takes the
    /// call.
    pub(crate) fn calls(&self) -> Option<Dense<Registration>> {
        let number = self.channel.registration_hint();
        self.channel
            .session
            .registration(number)
            .or_else(|| self.channel.promised(self.turn.wrapping_add(1), number))
    }

    /// Whether the call of the next turn, whose registration is dead, was published before that died.
    #[cold]
    pub(crate) fn was_promised(&self, number: u64) -> bool {
        let channel = &self.channel;
        let turn = self.turn.wrapping_add(1);
        channel.session.was_promised(channel, turn, number)
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
