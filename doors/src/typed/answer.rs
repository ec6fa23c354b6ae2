//! Answers that a method gives otherwise than by returning a value.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use super::buffer::Buffer;
use super::keep::Watch;
use super::server::{Outgoing, whole};
use crate::desc::DoorDesc;
use crate::held::Held;
use crate::invocation::{Invocation, Returned};
use crate::lock::lock;
use crate::pieces::Pieces;

/// Puts a method's value into bytes and descriptors; made by the macro.
pub(super) type Put<T> = fn(T, &mut Outgoing<'_>);

/// What a method returns that answers otherwise than by its end: `Answer<T>` instead of `T`.
///
/// There are three ways to one: [`Answer::from`] a value, which is the same as to return it; [`Call::door_reply_now`], after which the caller
/// goes on while the method does what is left to do; and [`Call::hold`], with a [`Promise`] that is kept later, by any thread. What the
/// method returns is what its caller gets, so no call has two answers, and none is without one for ever.
///
/// Callers see `T`: it is nothing that they need to know. A method with an error of its own returns `Answer<Result<T, E>>`.
///
/// [`Call::hold`]: super::Call::hold
/// [`Call::door_reply_now`]: super::Call::door_reply_now
#[must_use = "the caller gets what the method returns"]
pub struct Answer<T>(Given<T>);

enum Given<T> {
    Value(T),
    /// The caller has it, or will with the end of the method.
    Already,
    Later(Later<T>),
}

/// An answer that is due: whoever has it answers the call, once, from any thread and whenever it likes.
///
/// Dropped without an answer, also by a panic, it gives the caller
/// [`CallCondition::Unanswered`](crate::CallCondition::Unanswered). One that is forgotten in some corner leaves its caller
/// waiting until the caller's deadline, if it has one: what a server promises, it keeps account of.
#[must_use = "dropped, it answers the caller that there is no answer"]
pub struct Promise<T>(Shared<T>);

/// The other half, which the method returns.
struct Later<T>(Shared<T>);

struct Shared<T>(Arc<Mutex<Due<T>>>);

/// Where an answer that is due stands. Values, and a held call, are taken out before they are used or dropped: their code is foreign, or
/// takes locks.
enum Due<T> {
    /// The method has not returned, the promise is open; who is to be told when nobody waits any more, if the call does not know yet.
    Open(Option<Arc<Watch>>),
    /// The promise was kept before the method has returned.
    Kept(T),
    /// The promise was broken before.
    Broken,
    /// The method has returned.
    Held(Held, Put<T>),
    /// There is nothing to answer: the method has returned something else, or it is over.
    Void,
}

impl<T> From<T> for Answer<T> {
    fn from(value: T) -> Self {
        Self(Given::Value(value))
    }
}

impl<T> Answer<T> {
    pub(super) fn already() -> Self {
        Self(Given::Already)
    }

    /// Answers the call, now or later.
    pub(super) fn give(self, invocation: Invocation<'_>, put: Put<T>) -> Returned {
        match self.0 {
            Given::Value(value) => put_into(value, put, |results, descriptors| {
                invocation.return_pieces(results, descriptors)
            }),
            // Unless it was another call's: then this one has none.
            Given::Already => Returned::before(),
            Given::Later(later) => later.hold(invocation, put),
        }
    }
}

/// An answer that is due, in its two halves; or that is no more.
pub(super) fn due<T>(is_open: bool) -> (Promise<T>, Answer<T>) {
    let due = if is_open { Due::Open(None) } else { Due::Void };
    let shared = Arc::new(Mutex::new(due));
    let later = Later(Shared(Arc::clone(&shared)));
    (Promise(Shared(shared)), Answer(Given::Later(later)))
}

pub(super) fn put_into<T, R>(
    value: T,
    put: Put<T>,
    then: impl FnOnce(Pieces<'_>, Vec<DoorDesc<'_>>) -> R,
) -> R {
    let mut results = Buffer::take();
    let mut descriptors = Vec::new();
    let mut outgoing = Outgoing::new(&mut results.0, &mut descriptors);
    put(value, &mut outgoing);
    let front = outgoing.front;
    then(whole(front.as_deref(), &results.0), descriptors)
}

impl<T> Promise<T> {
    /// Answers the call; the caller goes on at once, or when the method has returned, if it has not yet. A caller that has gone is no
    /// error.
    ///
    /// # Blocking
    /// Never.
    ///
    /// # Errors
    /// None here: if the answer cannot be handed over, the caller gets
    /// [`CallCondition::ReplyLost`](crate::CallCondition::ReplyLost).
    pub fn door_return(self, value: T) {
        let mut due = self.0.lock();
        match std::mem::replace(&mut *due, Due::Void) {
            Due::Open(_) => *due = Due::Kept(value),
            Due::Held(held, put) => {
                drop(due);
                put_into(value, put, |results, descriptors| {
                    if let Err((held, error)) = held.return_pieces(results, descriptors) {
                        held.lose(&error);
                    }
                });
            }
            // The method has returned something else.
            Due::Void | Due::Kept(_) | Due::Broken => drop(due),
        }
    }

    /// Whether nobody waits for the answer any more: the caller has given up or died, or the method has returned another answer.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        match &*self.0.lock() {
            Due::Open(_) | Due::Kept(_) | Due::Broken => false,
            Due::Held(held, _) => held.is_cancelled(),
            Due::Void => true,
        }
    }

    /// Tells when nobody waits any more. It is asked for once, and before a waker is there: what is told at once wakes nobody.
    pub(super) fn watch(&self, watch: &Arc<Watch>) {
        let mut due = self.0.lock();
        match &mut *due {
            Due::Open(slot) => *slot = Some(Arc::clone(watch)),
            Due::Held(..) => {
                // The method's half is gone, so nobody else looks meanwhile. What the callback replaces is foreign.
                let held = std::mem::replace(&mut *due, Due::Void);
                drop(due);
                if let Due::Held(mut held, put) = held {
                    let told = Arc::clone(watch);
                    held.on_cancel(move || told.end());
                    if held.is_cancelled() {
                        watch.end();
                    }
                    *self.0.lock() = Due::Held(held, put);
                }
            }
            Due::Kept(_) | Due::Broken => {}
            Due::Void => watch.end(),
        }
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, Due<T>> {
        lock(&self.0)
    }
}

impl<T> Later<T> {
    /// The method has returned: takes the call off its thread, unless there is an answer already.
    fn hold(self, mut invocation: Invocation<'_>, put: Put<T>) -> Returned {
        let mut due = self.0.lock();
        // A future that has the promise may come before this, or in between.
        while let Due::Open(slot) = &mut *due
            && let Some(watch) = slot.take()
        {
            drop(due);
            // The task is woken at once if the caller has gone: that is foreign.
            invocation.on_cancel(move || watch.end());
            due = self.0.lock();
        }
        match std::mem::replace(&mut *due, Due::Void) {
            Due::Open(_) => {
                let (held, returned) = invocation.hold_without_data();
                *due = Due::Held(held, put);
                returned
            }
            Due::Kept(value) => {
                drop(due);
                put_into(value, put, |results, descriptors| {
                    invocation.return_pieces(results, descriptors)
                })
            }
            Due::Broken | Due::Void | Due::Held(..) => {
                drop(due);
                drop(invocation);
                Returned::before()
            }
        }
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        let mut due = self.0.lock();
        let before = match &*due {
            Due::Open(_) => std::mem::replace(&mut *due, Due::Broken),
            Due::Held(..) => std::mem::replace(&mut *due, Due::Void),
            Due::Kept(_) | Due::Broken | Due::Void => return,
        };
        drop(due);
        // A held call tells its caller now.
        drop(before);
    }
}

impl<T> Drop for Later<T> {
    fn drop(&mut self) {
        let mut due = self.0.lock();
        let before = match &*due {
            Due::Open(_) | Due::Kept(_) => std::mem::replace(&mut *due, Due::Void),
            Due::Held(..) | Due::Broken | Due::Void => return,
        };
        drop(due);
        match before {
            Due::Open(Some(watch)) => watch.end(),
            before => drop(before),
        }
    }
}

impl<T> fmt::Debug for Answer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Given::Value(_) => "Answer(value)",
            Given::Already => "Answer(already given)",
            Given::Later(_) => "Answer(later)",
        })
    }
}

impl<T> fmt::Debug for Promise<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &*self.0.lock() {
            Due::Void => "Promise(void)",
            Due::Open(_) | Due::Kept(_) | Due::Broken | Due::Held(..) => "Promise(due)",
        })
    }
}
