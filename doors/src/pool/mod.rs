//! The server threads of a process, or of one private door.
//!
//! A thread is *idle* (parked here, without a channel), *waiting* (staffing a channel, no call at the moment) or busy.
//! Idle and waiting threads together are what Solaris calls parked. The thread that takes a call and leaves nobody
//! parked runs the creation callback itself, before the server procedure (depletion).
//!
//! A call that finds nobody parked waits in the queue. Who comes for it depends on how it came that nobody is; where
//! nobody would, a thread is *owed*: the callback is asked, on a thread of its own, once a call waits while nobody is
//! parked, nobody is on the way and the ceiling is not reached.
//!
//! | nobody is parked, because | who comes for a call that waits |
//! |---|---|
//! | the last parked thread took a call | the thread for which it asks the callback; any that ends its call |
//! | ... while a thread was on its way | that one: nobody is asked twice at a time |
//! | ... at the ceiling | any that ends its call; owed, should the ceiling rise or a thread leave |
//! | the last parked thread unbound, others are busy | the thread for which it asks the callback as it leaves; any of the others |
//! | the last parked thread retired, others are busy | any of them; owed, so that none is made for nothing every time |
//! | the last thread of all unbound or retired while a call waits | the thread for which it asks the callback as it leaves |
//! | ... while no call waits | owed |
//! | the callback declined or panicked | any that ends its call, or joins: it is not asked again before the next depletion |
//! | ... and the last thread of all has left since it was asked | owed: its answer was about another state |
//! | the library's own callback found no thread to start | any that ends its call, or joins; owed, and the leader tries again while a call waits |
//! | the first creation declined | whoever joins |
//! | the pool is closed | nobody: callers are told at once |
//!
//! Ordering: a thread that is about to be busy first lowers the count of the parked ones and then, if it was the last,
//! locks the state to ask, unless somebody has parked in between. Whoever queues a call does so under that lock and looks at the count there. So either the
//! count is seen, or the asking thread comes after and finds the call in the queue. The count itself is relaxed.

mod creation;
mod job;
mod life;
mod limits;
mod place;
mod queue;
mod sleep;
mod watch;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) use creation::Creator;
pub(crate) use job::Job;
pub use limits::PoolLimits;
pub(crate) use place::leaves;
pub use place::{ServerThread, unbind};
pub(crate) use sleep::Sleeper;
pub(crate) use watch::{Watch, Watched};

use crate::lock::lock;
use crate::primitive::{AtomicUsize, Ordering};
use crate::server::ages::Oldest;
use crate::server::channel::Channel;
use crate::server::meter::Running;
use crate::sys::fork;
use creation::Creation;
use life::Parker;

/// The id of the pool of all doors that are not private.
pub(crate) const PROCESS_POOL: u64 = 0;

/// The threads that serve one set of doors.
pub(crate) struct Pool {
    pub(crate) id: u64,
    /// The life of the process that made it (`sys::fork::life`).
    life: u64,
    creator: Mutex<Creator>,
    /// Idle and waiting threads.
    parked: AtomicUsize,
    /// Jobs in the queue; looked at by threads that wait on a channel.
    queued: AtomicUsize,
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
    creation: Creation,
    /// An idle thread above the floor ends after this time.
    retire_after: Duration,
    closed: bool,
}

impl Pool {
    pub(crate) fn new(id: u64, limits: PoolLimits, creator: Option<Creator>) -> Arc<Self> {
        Arc::new(Self {
            id,
            life: fork::life(),
            creator: Mutex::new(creator.unwrap_or_else(|| Arc::new(creation::start_default))),
            parked: AtomicUsize::new(0),
            queued: AtomicUsize::new(0),
            state: Mutex::new(State {
                limits,
                queue: VecDeque::new(),
                idle: Vec::new(),
                sleepers: Vec::new(),
                threads: 0,
                desks: Vec::new(),
                creation: Creation::default(),
                retire_after: life::RETIRE_AFTER,
                closed: false,
            }),
        })
    }

    /// Changes floor and ceiling: for threads that are parked, and for calls that wait, too.
    pub(crate) fn set_limits(self: &Arc<Self>, limits: PoolLimits) {
        {
            let mut state = lock(&self.state);
            state.limits = limits;
            // Those that were the floor's sleep without an end.
            for parker in state.idle.iter().skip(limits.floor) {
                parker.thread.unpark();
            }
        }
        self.create_owed();
    }

    /// Whether it is the pool of the process that forked this one: its threads do not exist here, and its state may
    /// be locked for ever.
    fn is_inherited(&self) -> bool {
        self.life != fork::life()
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

    /// Whether no thread is parked.
    fn is_depleted(&self) -> bool {
        self.parked.load(Ordering::Relaxed) == 0
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
