//! The server threads of a process, or of one private door.
//!
//! A thread is *idle* (parked here, without a channel), *waiting* (staffing a channel, no call at the moment) or busy.
//! Idle and waiting threads together are what Solaris calls parked. The thread that takes a call and leaves nobody
//! parked runs the creation callback itself, before the server procedure (depletion).

mod creation;
mod job;
mod life;
mod limits;
mod place;
mod queue;
mod sleep;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};

pub(crate) use creation::Creator;
pub(crate) use job::Job;
pub use limits::PoolLimits;
pub(crate) use place::leaves;
pub use place::{ServerThread, unbind};
pub(crate) use sleep::Sleeper;

use crate::lock::lock;
use crate::primitive::{AtomicBool, AtomicUsize, Ordering};
use crate::server::ages::Oldest;
use crate::server::channel::Channel;
use crate::server::meter::Running;
use life::Parker;

/// The id of the pool of all doors that are not private.
pub(crate) const PROCESS_POOL: u64 = 0;

/// The threads that serve one set of doors.
pub(crate) struct Pool {
    pub(crate) id: u64,
    creator: Mutex<Creator>,
    /// Idle and waiting threads.
    parked: AtomicUsize,
    /// Jobs in the queue; looked at by threads that wait on a channel.
    queued: AtomicUsize,
    /// A new thread was asked for and has not begun.
    creating: AtomicBool,
    /// The library's own callback could not start a thread.
    failed: AtomicBool,
    state: Mutex<State>,
}

struct State {
    limits: PoolLimits,
    queue: VecDeque<Job>,
    /// Last parked, first used.
    idle: Vec<Arc<Parker>>,
    /// Channels on which a thread sleeps; the one that fell asleep first comes first.
    sleepers: Vec<Arc<Channel>>,
    threads: usize,
    desks: Vec<Arc<Running>>,
    closed: bool,
}

impl Pool {
    pub(crate) fn new(id: u64, limits: PoolLimits, creator: Option<Creator>) -> Arc<Self> {
        Arc::new(Self {
            id,
            creator: Mutex::new(creator.unwrap_or_else(|| Arc::new(creation::start_default))),
            parked: AtomicUsize::new(0),
            queued: AtomicUsize::new(0),
            creating: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            state: Mutex::new(State {
                limits,
                queue: VecDeque::new(),
                idle: Vec::new(),
                sleepers: Vec::new(),
                threads: 0,
                desks: Vec::new(),
                closed: false,
            }),
        })
    }

    /// Changes floor and ceiling for what happens from now on.
    pub(crate) fn set_limits(&self, limits: PoolLimits) {
        lock(&self.state).limits = limits;
    }

    /// How many threads the pool has.
    pub(crate) fn threads(&self) -> usize {
        lock(&self.state).threads
    }

    /// The calling thread begins to wait for calls.
    #[inline]
    pub(crate) fn park(&self) {
        self.parked.fetch_add(1, Ordering::Relaxed);
    }

    /// The calling thread stops waiting. True: it was the last parked one.
    #[inline]
    pub(crate) fn unpark(&self) -> bool {
        self.parked.fetch_sub(1, Ordering::Relaxed) == 1
    }

    /// Adds the calls on a door that run on threads of the pool to those that run.
    pub(crate) fn tell_running(&self, door: u64, oldest: &mut Oldest) {
        let desks = lock(&self.state).desks.clone();
        for since in desks.iter().filter_map(|running| running.began(door)) {
            oldest.add(since);
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
