//! Work that blocks, for a future that waits for it.
//!
//! A thread of its own for each piece of work that is on its way, up to [`MOST`]; those beyond wait in line. How many there are
//! is counted down before the future is woken: whoever begins the next piece then does not have another thread started, which
//! only finds that the first is free again.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use arc_swap::ArcSwapOption;
use nix::errno::Errno;

use crate::foreign::{Crew, forget};
use crate::lock::lock;
use crate::primitive::{AtomicUsize, Ordering};
use crate::sys::fork;

/// Pieces of work on their way at once: as many as tokio has threads for such things.
const MOST: usize = 512;

/// The threads of one process.
#[derive(Debug)]
struct Threads {
    life: u64,
    crew: Arc<Crew>,
    /// Pieces of work that were begun and are not done.
    going: AtomicUsize,
}

static CURRENT: ArcSwapOption<Threads> = ArcSwapOption::const_empty();

fn threads() -> Arc<Threads> {
    let life = fork::life();
    let fresh = || {
        Arc::new(Threads {
            life,
            crew: Crew::new("door-awaited", MOST),
            going: AtomicUsize::new(0),
        })
    };
    loop {
        let current = CURRENT.load_full();
        if let Some(threads) = &current
            && threads.life == life
        {
            return Arc::clone(threads);
        }
        CURRENT.compare_and_swap(&current, Some(fresh()));
        // After a fork it is the parent's, and so is what waits there.
        forget(current);
    }
}

/// A piece of work and what becomes of it.
enum Stage<T> {
    /// No thread has it yet.
    Queued(Box<dyn FnOnce() -> T + Send>),
    /// A thread has it; who is woken at its end.
    Begun,
    /// What came of it; nothing if it panicked.
    Done(Option<T>),
}

struct Place<T> {
    stage: Stage<T>,
    waker: Option<Waker>,
}

/// The end of a piece of work. Dropped before any thread has it, there is no such work.
pub(super) struct Aside<T>(Arc<Mutex<Place<T>>>);

impl<T: Send + 'static> Aside<T> {
    /// Has a thread do it.
    ///
    /// # Errors
    /// If there is no thread and none can be started.
    pub(super) fn begin(work: impl FnOnce() -> T + Send + 'static) -> Result<Self, Errno> {
        let place = Arc::new(Mutex::new(Place {
            stage: Stage::Queued(Box::new(work)),
            waker: None,
        }));
        let threads = threads();
        let going = threads.going.fetch_add(1, Ordering::Relaxed);
        let errand = {
            let (place, threads) = (Arc::clone(&place), Arc::clone(&threads));
            move || {
                let mut end = End(&threads, &place, None);
                let stage = std::mem::replace(&mut lock(&place).stage, Stage::Begun);
                if let Stage::Queued(work) = stage {
                    end.2 = Some(work());
                }
            }
        };
        let aside = Self(place);
        let most = going.saturating_add(1).min(MOST);
        if threads.crew.push_within(Box::new(errand), most) {
            Ok(aside)
        } else {
            // What was queued is found empty by whichever thread comes first.
            Err(Errno::EAGAIN)
        }
    }
}

/// Puts down what came of the work, also if it panicked.
struct End<'a, T>(&'a Threads, &'a Mutex<Place<T>>, Option<T>);

impl<T> Drop for End<'_, T> {
    fn drop(&mut self) {
        // Before the waker: see the head of the module.
        self.0.going.fetch_sub(1, Ordering::Relaxed);
        let mut place = lock(self.1);
        place.stage = Stage::Done(self.2.take());
        let waker = place.waker.take();
        drop(place);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Future for Aside<T> {
    /// Nothing, if the work panicked.
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let mut place = lock(&self.0);
        if let Stage::Done(done) = &mut place.stage {
            return Poll::Ready(done.take());
        }
        let before = place.waker.replace(context.waker().clone());
        drop(place);
        // Foreign: outside of the lock.
        drop(before);
        Poll::Pending
    }
}

impl<T> Drop for Aside<T> {
    fn drop(&mut self) {
        let mut place = lock(&self.0);
        let waker = place.waker.take();
        let queued = match place.stage {
            Stage::Queued(_) => std::mem::replace(&mut place.stage, Stage::Done(None)),
            Stage::Begun | Stage::Done(_) => Stage::Begun,
        };
        drop(place);
        // Foreign, both of them: outside of the lock.
        drop((waker, queued));
    }
}
