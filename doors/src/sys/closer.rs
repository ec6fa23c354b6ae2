//! Closes what others have sent us, on threads that nobody waits for.
//!
//! The last close(2) of a descriptor can block for as long as its owner likes: a TCP socket lingers over bytes that
//! nobody takes (`SO_LINGER`, socket(7)), a file on a FUSE or NFS mount is flushed. The same holds for a unix socket in
//! whose queue such a descriptor lies. So the leader and the watcher, on which everybody depends, close no descriptor
//! of a peer themselves.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;

use super::fork;

/// So many may be stuck in a close at the same time; what comes then waits.
const MOST_THREADS: usize = 16;
/// A closer without work ends after this time.
const LINGER: Duration = Duration::from_secs(1);

/// The closers of one process.
#[derive(Debug, Default)]
struct Closers {
    life: u64,
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<OwnedFd>,
    idle: usize,
    threads: usize,
}

static CURRENT: ArcSwapOption<Closers> = ArcSwapOption::const_empty();

/// Closes descriptors, soon and elsewhere.
pub(crate) fn close(fds: Vec<OwnedFd>) {
    if fds.is_empty() {
        return;
    }
    let closers = current();
    let started = {
        let mut state = closers.lock();
        state.queue.extend(fds);
        let starts = state.idle == 0 && state.threads < MOST_THREADS;
        if starts {
            state.threads = state.threads.saturating_add(1);
        }
        starts
    };
    if !started {
        closers.more.notify_one();
        return;
    }
    let worker = Arc::clone(&closers);
    let thread = std::thread::Builder::new().name("door-closer".into());
    if thread.spawn(move || worker.work()).is_err() {
        // No thread can be had. Another closer finds the queue, or the next call of this function does.
        let mut state = closers.lock();
        state.threads = state.threads.saturating_sub(1);
    }
}

/// The closers of this process; the threads of a forked child's parent do not exist in the child.
fn current() -> Arc<Closers> {
    let life = fork::life();
    let seen = CURRENT.load_full();
    if let Some(closers) = &seen
        && closers.life == life
    {
        return Arc::clone(closers);
    }
    let fresh = Arc::new(Closers {
        life,
        ..Closers::default()
    });
    CURRENT.compare_and_swap(&seen, Some(Arc::clone(&fresh)));
    // Two threads may race: both use what the first has stored.
    CURRENT.load_full().unwrap_or(fresh)
}

impl Closers {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut state = self.lock();
        loop {
            while let Some(fd) = state.queue.pop_front() {
                drop(state);
                drop(fd);
                state = self.lock();
            }
            state.idle = state.idle.saturating_add(1);
            let (woken, waited) = self
                .more
                .wait_timeout(state, LINGER)
                .unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle = state.idle.saturating_sub(1);
            if waited.timed_out() && state.queue.is_empty() {
                state.threads = state.threads.saturating_sub(1);
                return;
            }
        }
    }
}

/// A socket of ours in whose queue a peer may have put anything.
#[derive(Debug)]
pub(crate) struct Shared(OwnedFd);

impl From<OwnedFd> for Shared {
    fn from(socket: OwnedFd) -> Self {
        Self(socket)
    }
}

impl AsFd for Shared {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Drop for Shared {
    /// The copy keeps the socket open while our own descriptor is closed, so that this close is not the last one.
    /// Without room for a copy we have to close here.
    fn drop(&mut self) {
        if let Ok(copy) = self.0.try_clone() {
            close(vec![copy]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use super::{Shared, close};

    #[test]
    fn what_is_given_to_the_closers_is_closed() {
        let (one, mut other) = UnixStream::pair().unwrap();
        close(vec![one.into()]);
        assert_eq!(other.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn a_shared_socket_is_closed_for_good() {
        let (one, mut other) = UnixStream::pair().unwrap();
        drop(Shared::from(std::os::fd::OwnedFd::from(one)));
        assert_eq!(other.read(&mut [0]).unwrap(), 0);
    }
}
