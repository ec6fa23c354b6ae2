//! What the user has given us to run or to drop, away from the threads on which everybody depends.
//!
//! The leader and the watcher serve all peers at once, so neither may run foreign code: a destructor, a callback or a
//! predicate may block, or call a door of its own process, which the leader would have to serve. They mark themselves
//! with [`keep_free`]. A server thread, or the one of the notices, runs what it is there for, but what ends with some
//! door has nothing to do with the call that it is serving: it is marked with [`end_nothing_here`]. Whatever comes to
//! foreign code asks by [`run`] or [`release`], which do it at once on every other thread, and elsewhere on these.
//!
//! The process may end before an errand has run, as it may before any detached thread has. In a forked child there are
//! none of the parent's errands.

mod crew;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arc_swap::ArcSwapOption;

pub(crate) use crew::Crew;

use crate::sys::fork;

/// Destructors and callbacks that may be stuck at the same time; what comes then waits.
const MOST_ERRANDS: usize = 16;
/// Events that may wait for the subscriber; those beyond are lost.
const MOST_EVENTS: usize = 256;

/// What foreign code a thread runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Runs {
    All,
    /// All but the destructors of what belonged to a door.
    NoEnds,
    Nothing,
}

thread_local! {
    static RUNS: Cell<Runs> = const { Cell::new(Runs::All) };
}

/// Restores what the thread runs.
#[derive(Debug)]
#[must_use = "dropping it restores what the thread runs"]
pub(crate) struct Restore(Runs);

impl Drop for Restore {
    fn drop(&mut self) {
        RUNS.set(self.0);
    }
}

/// The crews of one process.
#[derive(Debug)]
struct Crews {
    life: u64,
    errands: Arc<Crew>,
    /// One thread, so that events keep their order.
    events: Arc<Crew>,
}

static CURRENT: ArcSwapOption<Crews> = ArcSwapOption::const_empty();

/// From now on the calling thread runs no foreign code.
pub(crate) fn keep_free() {
    RUNS.set(Runs::Nothing);
}

/// Until what it returns is dropped, no door ends on the calling thread.
pub(crate) fn end_nothing_here() -> Restore {
    let before = RUNS.get();
    if before == Runs::All {
        RUNS.set(Runs::NoEnds);
    }
    Restore(before)
}

/// Until what it returns is dropped, the calling thread, which was kept free, runs what a server thread does.
pub(crate) fn serve_here() -> Restore {
    Restore(RUNS.replace(Runs::NoEnds))
}

/// Whether the calling thread runs no foreign code.
pub(crate) fn is_kept_free() -> bool {
    RUNS.get() == Runs::Nothing
}

/// Runs foreign code: here, or elsewhere if this thread is kept free of it. A panic is its own affair.
pub(crate) fn run(errand: impl FnOnce() + Send + 'static) {
    if is_kept_free() {
        crews().errands.push(Box::new(errand));
    } else {
        shielded(errand);
    }
}

/// Drops what may run foreign code at its end, where [`run`] would run it.
pub(crate) fn discard<T: Send + 'static>(value: T) {
    run(move || drop(value));
}

/// Drops what may run foreign code at its end: here, or elsewhere if no door ends on this thread. A panic is its own
/// affair.
pub(crate) fn release<T: Send + 'static>(value: T) {
    if RUNS.get() == Runs::All {
        shielded(|| drop(value));
    } else {
        crews().errands.push(Box::new(move || drop(value)));
    }
}

/// Tells the subscriber of an event, from a thread that is kept free. An event is worth less than the memory that a
/// subscriber who is stuck would make a flood of them cost.
#[cfg_attr(not(feature = "tracing"), expect(dead_code, reason = "nobody listens"))]
pub(crate) fn tell(event: impl FnOnce() + Send + 'static) {
    let events = &crews().events;
    if events.waiting() < MOST_EVENTS {
        events.push(Box::new(event));
    }
}

/// Whether errands wait for a thread that could not be started.
pub(crate) fn is_short() -> bool {
    existing().is_some_and(|crews| crews.errands.is_short() || crews.events.is_short())
}

/// Tries again to start the threads that could not be.
pub(crate) fn try_again() {
    if let Some(crews) = existing() {
        crews.errands.staff();
        crews.events.staff();
    }
}

/// Runs foreign code on this thread; `None` if it panicked. What a panic carries is foreign too, and so is its drop.
pub(crate) fn shielded<R>(code: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(code)) {
        Ok(result) => Some(result),
        Err(carried) => {
            if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(carried))) {
                forget(again);
            }
            None
        }
    }
}

/// Foreign code has forked, and this is the child, on the only thread that it has: what comes next is the parent's.
#[cold]
pub(crate) fn stay_out() -> ! {
    loop {
        std::thread::park();
    }
}

fn existing() -> Option<Arc<Crews>> {
    CURRENT
        .load_full()
        .filter(|crews| crews.life == fork::life())
}

/// The crews of this process.
fn crews() -> Arc<Crews> {
    let life = fork::life();
    let seen = CURRENT.load_full();
    if let Some(crews) = &seen
        && crews.life == life
    {
        return Arc::clone(crews);
    }
    let fresh = Arc::new(Crews {
        life,
        errands: Crew::new("door-errand", MOST_ERRANDS),
        events: Crew::new("door-event", 1),
    });
    CURRENT.compare_and_swap(&seen, Some(Arc::clone(&fresh)));
    // The parent's errands are the parent's to run.
    forget(seen);
    // Two threads may race: both use what the first has stored.
    CURRENT.load_full().unwrap_or(fresh)
}

#[expect(clippy::mem_forget, reason = "its drop must not run")]
pub(crate) fn forget<T>(value: T) {
    std::mem::forget(value);
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::thread::{self, ThreadId};

    use super::{end_nothing_here, is_kept_free, keep_free, release, run, shielded};

    /// Tells on which thread it is dropped.
    struct Tell(Sender<ThreadId>);

    impl Drop for Tell {
        fn drop(&mut self) {
            assert!(!is_kept_free());
            self.0.send(thread::current().id()).unwrap();
        }
    }

    fn told() -> (Tell, Receiver<ThreadId>) {
        let (sender, receiver) = channel();
        (Tell(sender), receiver)
    }

    #[test]
    fn what_is_dropped_on_a_thread_that_is_kept_free_is_dropped_elsewhere() {
        let (tell, receiver) = told();
        let kept = thread::spawn(|| {
            keep_free();
            release(tell);
            thread::current().id()
        });
        assert_ne!(receiver.recv().unwrap(), kept.join().unwrap());
    }

    #[test]
    fn what_is_dropped_on_any_other_thread_is_dropped_at_once() {
        let (tell, receiver) = told();
        release(tell);
        assert_eq!(receiver.try_recv(), Ok(thread::current().id()));
    }

    #[test]
    fn a_thread_on_which_no_door_ends_runs_the_rest_itself() {
        let (tell, receiver) = told();
        let served = thread::spawn(|| {
            let restore = end_nothing_here();
            release(tell);
            let here = thread::current().id();
            run(move || assert_eq!(thread::current().id(), here));
            drop(restore);
            let (tell, receiver) = told();
            release(tell);
            assert_eq!(receiver.try_recv(), Ok(here));
            here
        });
        assert_ne!(receiver.recv().unwrap(), served.join().unwrap());
    }

    #[test]
    fn what_panics_costs_only_itself() {
        /// Panics when it is dropped, as what a panic carries may.
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("once more");
            }
        }
        assert_eq!(shielded(|| std::panic::panic_any(Bomb)), None::<()>);
        let (tell, receiver) = told();
        let kept = thread::spawn(|| {
            keep_free();
            run(|| panic!("an errand that fails"));
            run(move || drop(tell));
        });
        kept.join().unwrap();
        receiver.recv().unwrap();
    }
}
