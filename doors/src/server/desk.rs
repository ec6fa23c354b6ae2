//! What a server thread does with a turn.
//!
//! After a pause all code and data of a call have gone cold: each page of code that it is spread over costs 10 ns, each line 2, a jump
//! by way of a table or a global offset more. So what each call does, from the end of a sleep to the beginning of the next, is one run of
//! code: all of it is inlined into [`Desk::serve`], and what is seldom done lies apart (`cold`, or by the name of `_apart`). At 300 us
//! between calls of a leaf door that is 0.3 us of 5.4. The same holds for the caller's side, in `Door::call_into`.

mod counted;
mod first;
mod here;
mod parts;

use std::any::Any;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

pub(crate) use first::Unsent;
pub(crate) use here::run_here;

use super::core::Core;
use super::duty::{Active, Arrival, Collecting, Duty, Event, Progress};
use super::footing::Footing;
use super::line::Line;
use super::meter::Running;
use super::session::{Paid, Registration};
use crate::channel::ends::{CallHead, low};
use crate::channel::small::unpack;
use crate::foreign::{shielded, stay_out};
use crate::invocation::Invocation;
use crate::pool::{Bed, Job, Pool};
use crate::primitive::{Ordering, fence};
use crate::sys::dense::Dense;
use crate::wire::code::{Failure, Move};
use crate::wire::layout::{SMALL_CALL_BYTES, usize_of};
use crate::wire::limits::{DESCRIPTORS, LARGEST_CALL_BYTES};
use crate::wire::message::Violation;

/// A private copy above this size is paid for, and given back when its channel falls quiet.
const KEEP_BYTES: usize = 1024 * 1024;
/// One above this size is given back after its call.
const WARM_BYTES: usize = 64 * 1024 * 1024;

/// The private memory of one server thread.
pub(crate) struct Desk {
    /// The arguments of the current call: copied once, never re-read from the window.
    data: Vec<u8>,
    /// Who pays for that memory while it is large: a page that is touched for the first time costs more than its copy, so
    /// it stays for the next call of the channel.
    paid: Option<Paid>,
    /// The way back to the caller, while the invocation has not taken it.
    line: Option<Line>,
    /// What this thread does, for those who look from outside.
    running: Arc<Running>,
    /// Where the thread runs.
    footing: Footing,
    /// Answers are published by whoever uses the desk, and not with the procedure's end.
    defers: bool,
    /// What an answer that was deferred says if the procedure gave none.
    without: Failure,
}

/// What became of a turn.
enum Step {
    /// Answered, or the client has to go on; the thread stays on the channel.
    Stay(Box<Duty>),
    /// The invocation was held or answered early: the thread has no channel any more.
    Free,
}

impl Desk {
    pub(crate) fn new(running: Arc<Running>, footing: Footing) -> Self {
        Self {
            footing,
            data: Vec::new(),
            paid: None,
            line: None,
            running,
            defers: false,
            without: Failure::Unanswered,
        }
    }

    /// The thread stops serving, by whatever way: what comes is none of the callers' business.
    pub(crate) fn widen(&mut self) {
        self.footing.widen();
    }

    /// Does a job. The thread counts as parked when it comes; it may still when it leaves.
    pub(crate) fn serve(&mut self, pool: &Arc<Pool>, job: Job) {
        match job {
            Job::Channel(duty) => {
                self.staff(pool, duty);
                self.cool();
            }
            Job::Packet(call) => self.packet(pool, call),
        }
        self.footing.widen();
    }

    /// Serves one channel until it falls quiet, is lost, or the thread is needed elsewhere.
    fn staff(&mut self, pool: &Arc<Pool>, mut duty: Box<Duty>) {
        let _staffing = pool.staff(&self.running);
        duty.channel.end.say_awake();
        self.running.look_at_clock();
        let mut bed = Bed::new(pool);
        let mut looked = true;
        loop {
            match duty.await_turn(pool, &mut bed, &mut self.footing) {
                Event::Turn(when) => {
                    match when {
                        Arrival::Soon if looked => {}
                        Arrival::Soon | Arrival::Late => self.running.look_at_clock(),
                        Arrival::At(now) => self.running.look_at(now),
                    }
                    self.running.say_parked(false);
                    match self.turn(pool, duty) {
                        Step::Stay(same) => duty = same,
                        Step::Free => return,
                    }
                    self.park();
                    // After the answer, while its caller is busy with it: the next call comes soon. A caller that is followed goes
                    // on when this thread sleeps.
                    looked = !duty.gear.follows();
                    if looked {
                        self.running.look_at_clock();
                    }
                    // Somebody else has no thread: a channel that is never idle must not keep this one. It waits
                    // behind the others.
                    let between_calls = matches!(duty.progress, Progress::Idle);
                    if !between_calls {
                        pool.rouse_if_queued();
                    }
                    let gives_way = between_calls && pool.has_queue();
                    if gives_way || crate::pool::leaves() {
                        // The thread goes; the channel waits for another.
                        if let Some(same) = duty.go_quiet() {
                            let session = Arc::clone(&same.channel.session);
                            session.route(same);
                        }
                        break;
                    }
                    if duty.channel.session.is_dead() {
                        break;
                    }
                }
                Event::Leave => match duty.go_quiet() {
                    Some(same) => {
                        // If somebody called it away, another has to go instead.
                        pool.pass_eviction_on();
                        duty = same;
                    }
                    None => break,
                },
                Event::Dead => break,
            }
        }
    }

    #[inline]
    fn turn(&mut self, pool: &Arc<Pool>, mut duty: Box<Duty>) -> Step {
        let next = duty.turn.wrapping_add(1);
        if duty.channel.end.turn() != low(next) {
            return self.violation(pool, duty, Violation::Turn);
        }
        let head = duty.channel.end.read();
        match Move::from_number(head.step) {
            Some(Move::Call) => self.call(pool, duty, &head),
            Some(Move::Arguments) => self.arguments(pool, duty, &head),
            Some(Move::Next) => match duty.send_next(&head) {
                Ok(()) => Step::Stay(duty),
                Err(found) => self.violation(pool, duty, found),
            },
            None => self.violation(pool, duty, Violation::Value),
        }
    }

    /// A call begins.
    #[inline]
    fn call(&mut self, pool: &Arc<Pool>, mut duty: Box<Duty>, head: &CallHead) -> Step {
        if head.generation != duty.turn.wrapping_add(1) || !duty.choose_area(head) {
            return self.violation(pool, duty, Violation::Value);
        }
        let part = usize_of(head.part);
        if !duty.holds(head) || u64::from(head.part) > head.total {
            return self.violation(pool, duty, Violation::Value);
        }
        duty.generation = head.generation;
        duty.progress = Progress::Idle;
        let Some(registration) = duty.registration(head.registration) else {
            // With a session that is over everything is gone, and nothing is to be said of a door alone: it may live
            // on in a successor.
            if !duty.channel.session.is_dead() {
                duty.fail(Failure::NoDoor);
            }
            return Step::Stay(duty);
        };
        let core = &registration.core;
        if core.pool.id != pool.id {
            // The channel served doors of this pool so far, or came here by a hint that was wrong.
            self.footing.widen();
            let session = Arc::clone(&duty.channel.session);
            session.route(duty);
            return Step::Free;
        }
        if let Some(code) = size_refused(core, head) {
            duty.refuse(code, core.limit(code, head.total));
            return Step::Stay(duty);
        }
        core.begin();
        // Another look before the call is marked as taken. A thread that has lost its processor since the last look
        // would else mark a call that it refuses, long after whoever drains has found none active: should the session
        // end before the refusal is there, the client had to think that the call was executed.
        if let Some(code) = core.closed() {
            core.end();
            duty.fail(code);
            return Step::Stay(duty);
        }
        duty.channel.settled.settle(head.generation);
        // The fence inside `take` also orders the count before the looks at the registration and the door below.
        let given_up = !duty.channel.end.take(head.generation);
        let closed = if given_up {
            Some(Failure::Abandoned)
        } else {
            let known = registration.is_live() || duty.was_promised(registration.number);
            // The door last, and it counts first: a registration may have died because the door was handed over.
            core.closed().or((!known).then_some(Failure::NoDoor))
        };
        if let Some(failure) = closed {
            core.end();
            duty.fail(failure);
            return Step::Stay(duty);
        }
        // That fence also orders what the thread said of itself before this look at the others.
        self.tell_taken(pool);
        self.data.clear();
        let in_parts = u64::from(head.part) < head.total;
        let taken = if head.total <= SMALL_CALL_BYTES {
            unpack(&head.small, part, &mut self.data)
        } else {
            (!in_parts || self.make_room(&duty, head.total)) && duty.load(head, &mut self.data)
        };
        if !taken {
            core.end();
            duty.fail(Failure::NoRoom);
            return Step::Stay(duty);
        }
        if in_parts {
            let paid = self.paid.take();
            let paid = paid.unwrap_or_else(|| Paid::nothing(&duty.channel.session));
            let collecting = Collecting {
                paid,
                active: Active::begun(core),
                registration: Dense::clone(&registration),
                total: head.total,
                data: std::mem::take(&mut self.data),
                descriptors: head.descriptors,
            };
            duty.ask_more(collecting);
            return Step::Stay(duty);
        }
        self.run(pool, duty, registration, head.descriptors)
    }

    /// The peer broke the protocol: its session ends. Who hears of that event is foreign, too.
    #[cold]
    fn violation(&mut self, pool: &Pool, duty: Box<Duty>, found: Violation) -> Step {
        self.footing.widen();
        fence(Ordering::SeqCst);
        pool.rouse_if_queued();
        duty.channel.session.violated(found);
        Step::Stay(duty)
    }

    /// As [`Self::run`], where its code must not lie between that of a call that comes in a single part.
    #[inline(never)]
    fn run_apart(
        &mut self,
        pool: &Pool,
        duty: Box<Duty>,
        registration: Dense<Registration>,
        descriptors: u32,
    ) -> Step {
        self.run(pool, duty, registration, descriptors)
    }

    /// Runs the server procedure and publishes what it answered. The call is counted as active.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "one run of code: `server/desk.rs`")]
    fn run(
        &mut self,
        pool: &Pool,
        mut duty: Box<Duty>,
        registration: Dense<Registration>,
        descriptors: u32,
    ) -> Step {
        let core = &registration.core;
        let mut fds = Vec::new();
        if descriptors > 0 {
            match duty
                .channel
                .receive_descriptors(duty.generation, usize_of(descriptors))
            {
                Ok(all) => fds = all,
                Err(failure) => {
                    duty.fail(failure);
                    core.end();
                    return Step::Stay(duty);
                }
            }
        }
        if !core.is_leaf() {
            self.footing.widen();
        }
        self.line = Some(Line::Channel(duty));
        self.invoke(Some(pool), core, fds);
        match self.line.take() {
            Some(Line::Channel(mut duty)) => {
                core.end();
                duty.last = Some(registration);
                Step::Stay(duty)
            }
            // Held: the invocation's owner answers, ends the count and gives the channel back.
            _ => Step::Free,
        }
    }

    /// As [`Self::invoke`], for the same reason.
    #[inline(never)]
    fn invoke_apart(&mut self, pool: Option<&Pool>, core: &Dense<Core>, fds: Vec<OwnedFd>) {
        self.invoke(pool, core, fds);
    }

    /// Runs the procedure of a door for the line that is on the desk; publishes unless the line was taken away.
    ///
    /// The thread counts as parked again before the caller hears of the end: what it calls next finds no depletion.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "one run of code: `server/desk.rs`")]
    fn invoke(&mut self, pool: Option<&Pool>, core: &Dense<Core>, fds: Vec<OwnedFd>) {
        let timed = core.meter.call();
        self.running.begin(core.id);
        let invocation = Invocation::new(
            &mut self.line,
            &mut self.data,
            fds,
            core,
            &self.running,
            &mut self.footing,
        );
        // A procedure that panics must not take the thread, or the peers of its channel, with it.
        let outcome = catch_unwind(AssertUnwindSafe(|| (core.procedure)(invocation)));
        if core.is_inherited() {
            self.is_childs(pool, core);
        }
        self.running.end();
        if let Some(since) = timed {
            core.meter.timed(since.elapsed());
        }
        if self.data.capacity() > KEEP_BYTES && !self.stays_warm() {
            self.cool();
        }
        if self.line.is_some() {
            // What a panic carries may block when it is dropped: nobody counts on this thread until its next channel.
            if outcome.is_err() {
                self.running.say_staffing(false);
            }
            self.park();
        }
        let without = if outcome.is_ok() {
            Failure::Unanswered
        } else {
            Failure::Panicked
        };
        if let Some(line) = &mut self.line {
            // One that takes long is not for whoever waits until the desk is free.
            if self.defers && line.is_small() {
                self.without = without;
            } else {
                line.finish(without);
            }
        }
        if let Err(panic) = outcome {
            drop_shielded(panic);
        }
    }

    /// The procedure has forked, and this is the child.
    #[cold]
    fn is_childs(&mut self, pool: Option<&Pool>, core: &Core) {
        Line::disown(&mut self.line, core);
        if pool.is_some() {
            // No answer of the parent's call may come from here.
            stay_out();
        }
    }

    /// Whether large memory may be kept for the next call.
    fn stays_warm(&mut self) -> bool {
        let bytes = self.data.capacity();
        let paid = self.paid.as_mut();
        bytes <= WARM_BYTES && paid.is_some_and(|paid| paid.cover(bytes))
    }

    /// Gives large memory back.
    fn cool(&mut self) {
        if self.data.capacity() > KEEP_BYTES {
            self.data = Vec::new();
        }
        self.paid = None;
    }
}

/// What a panic carries is foreign, and so is its drop, and what a panic of that carries.
#[cold]
fn drop_shielded(panic: Box<dyn Any + Send>) {
    let _panicked = shielded(|| drop(panic));
}

/// What the sizes of a call are refused for, before a byte or a thread's time is spent on it.
#[inline]
fn size_refused(core: &Core, head: &CallHead) -> Option<Failure> {
    if head.total > LARGEST_CALL_BYTES {
        return Some(Failure::DataSize);
    }
    let refused = core.refuses(head.total, head.descriptors);
    if refused.is_none() && usize_of(head.descriptors) > DESCRIPTORS {
        return Some(Failure::TooManyDescriptors);
    }
    refused
}
