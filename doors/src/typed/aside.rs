//! Work that blocks, for a future that waits for it.
//!
//! | the work | its place has | then |
//! |---|---|---|
//! | waits in its line | nothing | a thread takes it, or who keeps the watch over deadlines, or whoever drops the future: each by the one way out of [`lines`] |
//! | is done by a thread | nothing | the thread puts down what came of it, and wakes |
//! | was given up | nothing, and nobody looks | a thread that does it goes on to its end |
//! | is over | what came of it | the future takes it |
//!
//! The place has a lock of its own, in which the waker is put down or what came of the work is: whoever is second sees what the first has
//! put there.
//!
//! In a forked child there is no thread for what the parent has begun, and any lock may be held by a thread of the parent: a future that was
//! begun there ends at once, and takes none.

mod lines;
mod threads;
mod watch;

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

pub(super) use threads::Refused;

use crate::door::Origin;
use crate::foreign::shielded;
use crate::lock::lock;
use crate::sys::fork;
use lines::Ticket;
use threads::{Piece, Threads};

/// Why nothing came of a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// Its time was over before a thread had it. It was not begun, and never will be.
    Late,
    /// It panicked, or goes on in the process that forked this one.
    Unfinished,
}

struct Place<T> {
    outcome: Option<Result<T, Lost>>,
    waker: Option<Waker>,
}

impl<T> Place<T> {
    fn put(place: &Mutex<Self>, outcome: Result<T, Lost>) {
        let waker = {
            let mut place = lock(place);
            place.outcome = Some(outcome);
            place.waker.take()
        };
        // Foreign: outside of the lock.
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Work for a thread, and where what comes of it is put down.
struct Errand<F, T> {
    work: F,
    place: Arc<Mutex<Place<T>>>,
}

impl<F: FnOnce() -> T + Send, T: Send> Piece for Errand<F, T> {
    fn work(self: Box<Self>, done: &dyn Fn()) {
        let Self { work, place } = *self;
        let outcome = shielded(work).ok_or(Lost::Unfinished);
        done();
        Place::put(&place, outcome);
    }

    fn end_late(self: Box<Self>) {
        let Self { work, place } = *self;
        drop(work);
        Place::put(&place, Err(Lost::Late));
    }
}

/// The end of a piece of work. Dropped before any thread has it, there is no such work.
pub(super) struct Aside<T> {
    place: Arc<Mutex<Place<T>>>,
    threads: Arc<Threads>,
    ticket: Ticket,
}

impl<T: Send + 'static> Aside<T> {
    /// Has a thread do it, unless it has none until its time is over.
    ///
    /// # Errors
    /// [`Refused`]; there is no such work then.
    pub(super) fn begin(
        origin: &Origin,
        until: Option<Instant>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Self, Refused> {
        let place = Arc::new(Mutex::new(Place {
            outcome: None,
            waker: None,
        }));
        let errand = Box::new(Errand {
            work,
            place: Arc::clone(&place),
        });
        let threads = Threads::current();
        let ticket = threads.push(origin, until, errand)?;
        Ok(Self {
            place,
            threads,
            ticket,
        })
    }
}

impl<T> Aside<T> {
    /// Whether it was begun by the process that forked this one.
    fn is_the_parents(&self) -> bool {
        self.threads.life != fork::life()
    }
}

impl<T> Future for Aside<T> {
    type Output = Result<T, Lost>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.is_the_parents() {
            return Poll::Ready(Err(Lost::Unfinished));
        }
        // To copy a waker is foreign, and so is to drop one: outside of the lock.
        let waker = context.waker().clone();
        let mut place = lock(&self.place);
        if let Some(outcome) = place.outcome.take() {
            drop(place);
            return Poll::Ready(outcome);
        }
        let before = place.waker.replace(waker);
        drop(place);
        drop(before);
        Poll::Pending
    }
}

impl<T> Drop for Aside<T> {
    fn drop(&mut self) {
        if self.is_the_parents() || self.threads.remove(&self.ticket) {
            return;
        }
        let waker = lock(&self.place).waker.take();
        drop(waker);
    }
}
