//! Closes what others have sent us, on threads that nobody waits for.
//!
//! The last close(2) of a descriptor can block for as long as its owner likes: a TCP socket lingers over bytes that
//! nobody takes (`SO_LINGER`, socket(7)), a file on a FUSE or NFS mount is flushed. The same holds for a unix socket in
//! whose queue such a descriptor lies, and for a recvmsg(2) that has no room to install one. So the leader and the
//! watcher, on which everybody depends, do none of that themselves.
//!
//! A thread that is long in one close is given up for lost, and another takes its place. What one user sends cannot take
//! all of the threads that there may be.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

use super::account::Account;
use super::clock::after;
use super::{fork, thread};
use crate::lock::lock;

mod state;

use state::{Next, STUCK_AFTER, State, Task};

/// A closer without work ends after this time.
const LINGER: Duration = Duration::from_secs(1);

/// The closers of one process.
#[derive(Debug, Default)]
struct Closers {
    life: u64,
    state: Mutex<State>,
    /// There is work, or less of it.
    more: Condvar,
    /// Something was closed that somebody waits for.
    closed: Condvar,
}

static CURRENT: ArcSwapOption<Closers> = ArcSwapOption::const_empty();

/// Closes descriptors, soon and elsewhere; they count in the account of who sent them until they are closed.
pub(crate) fn close(fds: Vec<OwnedFd>, account: &Account) {
    if !fds.is_empty() {
        account.add(fds.len());
        Closers::current().put(account, fds.into_iter().map(Task::Close));
    }
}

/// Does something elsewhere that may end up in the last close of a descriptor; it counts as one.
pub(crate) fn run(account: &Account, task: impl FnOnce() + Send + 'static) {
    account.add(1);
    let task = Task::Run(Box::new(task));
    Closers::current().put(account, std::iter::once(task));
}

/// Waits until an account is not over its bound any more, no longer than until its closes count as stuck, nor than
/// `until`; false if it still is.
///
/// What others have us close may be in front, until it counts as stuck: that is not this account's fault, which has as
/// long from then on.
pub(crate) fn wait_for(account: &Account, until: Option<Instant>) -> bool {
    let closers = Closers::current();
    let stuck = after(Instant::now(), STUCK_AFTER.saturating_mul(2));
    let until = until.map_or(stuck, |until| until.min(stuck));
    let mut state = closers.lock();
    state.waiters = state.waiters.saturating_add(1);
    while account.is_over() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let waited = closers.closed.wait_timeout(state, left);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
    state.waiters = state.waiters.saturating_sub(1);
    drop(state);
    !account.is_over()
}

/// Whether something waits for a thread that could not be started.
pub(crate) fn is_short() -> bool {
    let closers = CURRENT.load_full();
    closers.is_some_and(|closers| closers.life == fork::life() && closers.lock().is_short())
}

/// Tries again to start a thread that could not be.
pub(crate) fn try_again() {
    if is_short() {
        let closers = Closers::current();
        let number = closers.lock().joins();
        if let Some(number) = number {
            closers.start(number);
        }
    }
}

impl Closers {
    /// The closers of this process; the threads of a forked child's parent do not exist in the child.
    fn current() -> Arc<Self> {
        let life = fork::life();
        let seen = CURRENT.load_full();
        if let Some(closers) = &seen
            && closers.life == life
        {
            return Arc::clone(closers);
        }
        let fresh = Arc::new(Self {
            life,
            ..Self::default()
        });
        CURRENT.compare_and_swap(&seen, Some(Arc::clone(&fresh)));
        // Two threads may race: both use what the first has stored.
        CURRENT.load_full().unwrap_or(fresh)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn put(self: &Arc<Self>, account: &Account, tasks: impl Iterator<Item = Task>) {
        let number = {
            let mut state = self.lock();
            state.put(account, tasks);
            state.joins()
        };
        match number {
            Some(number) => self.start(number),
            None => self.more.notify_one(),
        }
    }

    /// Starts a thread that was counted already.
    fn start(self: &Arc<Self>, number: u64) {
        let worker = Arc::clone(self);
        if thread::start("door-closer", move || worker.work(number)).is_err() {
            // No thread can be had. Another closer finds the queue, or the next that has something to close does; in a
            // server the leader tries again.
            let mut state = self.lock();
            state.coming = state.coming.saturating_sub(1);
            state.threads = state.threads.saturating_sub(1);
        }
    }

    /// The life of a closer.
    fn work(self: &Arc<Self>, number: u64) {
        let mut state = self.lock();
        state.coming = state.coming.saturating_sub(1);
        loop {
            let rest = match state.take(number, Instant::now()) {
                Next::Job(job) => {
                    let joins = state.joins();
                    drop(state);
                    if let Some(joining) = joins {
                        self.start(joining);
                    }
                    let account = job.account.clone();
                    job.run();
                    state = self.lock();
                    state.finish(number, &account);
                    if state.waiters > 0 {
                        self.closed.notify_all();
                    }
                    continue;
                }
                Next::Wait(rest) => rest,
            };
            state.idle = state.idle.saturating_add(1);
            let waited = self.more.wait_timeout(state, rest.min(LINGER));
            let (woken, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle = state.idle.saturating_sub(1);
            if waited.timed_out() && !state.has_work() {
                state.threads = state.threads.saturating_sub(1);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
