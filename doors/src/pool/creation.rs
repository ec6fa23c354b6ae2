//! Asking for a thread.

use std::sync::Arc;

use super::crowd::room;
use super::{Pool, ServerThread, State};
use crate::event;
use crate::foreign::{shielded, stay_out};
use crate::lock::lock;
use crate::server::runtime::Runtime;
use crate::sys::thread;

/// Makes a thread for a pool.
pub(crate) type Creator = Arc<dyn Fn(ServerThread) + Send + Sync>;

/// What is known about the next thread of a pool.
#[derive(Debug, Default)]
pub(super) struct Creation {
    /// A thread was asked for and has not parked for the first time.
    pub(super) under_way: bool,
    /// The callback is to be asked once a call waits: see the table in the module's comment.
    pub(super) owed: bool,
    /// A thread could not be started, and none has come since.
    pub(super) lacking: bool,
}

impl Pool {
    /// Replaces the creation callback; returns the one before.
    pub(crate) fn replace_creator(&self, creator: Creator) -> Creator {
        std::mem::replace(&mut lock(&self.creator), creator)
    }

    /// Runs the creation callback, unless a thread is on its way or the ceiling is reached.
    #[cold]
    pub(crate) fn create_thread(self: &Arc<Self>, depleted: bool) {
        let asked = lock(&self.state).ask();
        if asked {
            self.run_creator(ServerThread::asked(self, depleted));
        }
    }

    /// The calling thread has taken a call that leaves nobody parked. Whoever has parked since, perhaps the thread that
    /// was on its way until now, tells so itself when it takes a call.
    ///
    /// The callback may fork: the child must not go on with the parent's call.
    #[cold]
    pub(crate) fn tell_depletion(self: &Arc<Self>) {
        let asked = {
            let mut state = lock(&self.state);
            self.is_depleted() && state.ask()
        };
        if asked {
            self.run_creator(ServerThread::asked(self, true));
        }
        if self.is_inherited() {
            stay_out();
        }
    }

    /// Asks for the thread that is owed, if a call waits for it.
    ///
    /// On a thread of its own: the calling one may be the leader, and a callback may do what needs the leader.
    #[cold]
    pub(crate) fn create_owed(self: &Arc<Self>) {
        let asked = {
            let mut state = lock(&self.state);
            state.creation.owed && !state.queue.is_empty() && self.is_depleted() && state.ask()
        };
        if !asked {
            return;
        }
        let (pool, place) = (Arc::clone(self), ServerThread::asked(self, true));
        let started = thread::start("door-creator", move || pool.run_creator(place));
        if let Err(error) = started {
            self.creation_failed(&error);
        }
    }

    /// Has the leader make a thread for a call that waits although threads will come for it: threads inherit the processors and the
    /// priority of whoever starts them, and the calling one may be the program's.
    #[cold]
    pub(super) fn want_for_speed(self: &Arc<Self>) {
        if let Some(runtime) = Runtime::existing()
            && runtime.starved.want(self)
        {
            runtime.wake();
        }
    }

    /// Makes the thread that was wanted for speed.
    pub(crate) fn create_for_speed(self: &Arc<Self>) {
        let asked = {
            let mut state = lock(&self.state);
            self.grows(&state) && state.ask()
        };
        if asked {
            start_default(ServerThread::asked(self, false));
        }
    }

    /// Whether a call that waits is to have a further thread although threads will come for it. A foreign callback is asked where nobody is
    /// parked, and not for speed.
    pub(super) fn grows(&self, state: &State) -> bool {
        let creation = &state.creation;
        state.idle.is_empty()
            && !creation.under_way
            && !creation.lacking
            && state.threads < room().min(state.limits.ceiling)
            && Arc::ptr_eq(&lock(&self.creator), &self.own_creator)
    }

    /// The callback is foreign, run on a thread that may have somebody's call in its hands: one that panics has
    /// declined.
    fn run_creator(&self, place: ServerThread) {
        let creator = Arc::clone(&lock(&self.creator));
        let _declined = shielded(move || creator(place));
    }

    /// Whoever was asked for a thread makes none.
    pub(super) fn declined(self: &Arc<Self>) {
        lock(&self.state).creation.under_way = false;
        // The last thread may have left in the meantime.
        self.create_owed();
    }

    /// A thread could not be started: the lack may be over when it is tried again.
    fn creation_failed(self: &Arc<Self>, error: &std::io::Error) {
        let (told, waited_for) = {
            let mut state = lock(&self.state);
            state.creation.owed = true;
            let told = std::mem::replace(&mut state.creation.lacking, true);
            (told, !state.queue.is_empty())
        };
        if !told {
            event::no_thread(error);
        }
        if waited_for && let Some(runtime) = Runtime::existing() {
            runtime.starved.add(self);
            runtime.wake();
        }
    }
}

impl State {
    /// Whether the callback is to be asked now; it then has to be.
    fn ask(&mut self) -> bool {
        if self.closed || self.creation.under_way {
            return false;
        }
        // A ceiling of 0 would be a door that never answers.
        let room = self.threads < self.limits.ceiling.max(1);
        self.creation.under_way = room;
        self.creation.owed = !room;
        room
    }
}

/// The default creation callback: one detached thread. Lack of threads is not reported; callers wait.
pub(super) fn start_default(place: ServerThread) {
    let pool = Arc::clone(&place.pool);
    let started = thread::start("door-server", move || place.serve_as_ours());
    if let Err(error) = started {
        pool.creation_failed(&error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::{PROCESS_POOL, PoolLimits};
    use crate::primitive::{AtomicUsize, Ordering};
    use crate::server::meter::Running;

    /// A pool whose callback declines, and how often it was called.
    fn declining() -> (Arc<Pool>, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&asked);
        let creator: Creator = Arc::new(move |_declined| {
            seen.fetch_add(1, Ordering::Relaxed);
        });
        let pool = Pool::new(PROCESS_POOL, PoolLimits::default(), Some(creator));
        (pool, asked)
    }

    /// What a thread of the pool says that is parked.
    fn parked(pool: &Pool) -> Arc<Running> {
        let desk = Arc::new(Running::default());
        desk.say_parked(true);
        pool.change_desks(|desks| desks.push(Arc::clone(&desk)));
        desk
    }

    #[test]
    fn a_pool_in_which_a_thread_has_parked_since_is_not_depleted() {
        let (pool, asked) = declining();
        let (desk, other) = (parked(&pool), parked(&pool));
        other.say_parked(false);
        assert!(!pool.is_depleted());
        desk.say_parked(false);
        assert!(pool.is_depleted());
        pool.tell_depletion();
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        // The thread that was on its way: a thread that arrives comes without a call.
        other.say_parked(true);
        pool.tell_depletion();
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        // It tells so itself when it takes a call.
        other.say_parked(false);
        pool.tell_depletion();
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }
}
