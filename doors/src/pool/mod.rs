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
//! | in a crowd, somebody is parked, but busy channels have enough threads | one that looks, or is called away; an idle one if none does (`crowd.rs`) |
//! | the pool is closed | nobody: callers are told at once |
//!
//! Ordering: each thread says itself whether it is parked, in a word of its own, so that a call on a warm channel touches no
//! word that other threads store. A thread that is about to be busy first stores that it is not parked, passes a `SeqCst`
//! fence (the one with which it takes the call), and then looks whether anybody else is. Of two threads that leave
//! nobody parked, the one whose fence comes second sees the store of the first, so at least one finds the pool depleted.
//! It then locks the state to ask, unless somebody has parked in between. Whoever queues a call does so under that lock and
//! looks there too. So either nobody is seen parked, or the asking thread comes after and finds the call in the queue.
//!
//! The list of idle threads spares most looks. Its length is stored under the lock; a thread says that it is parked before it is
//! in the list, and that it is not after it was taken out. So a length above 0 that is too old means a thread that
//! has been taken out and has not looked yet: it looks after us, with its own call.

mod creation;
mod crowd;
mod job;
mod lent;
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

use arc_swap::ArcSwap;

pub(crate) use creation::Creator;
use crowd::Crowd;
pub(crate) use job::Job;
pub(crate) use lent::Lent;
pub use limits::PoolLimits;
pub(crate) use place::leaves;
pub use place::{ServerThread, unbind};
use sleep::Listed;
pub(crate) use sleep::{Bed, Sleeper};
pub(crate) use watch::{Watch, Watched};

use crate::lock::lock;
use crate::primitive::{AtomicUsize, Ordering};
use crate::server::ages::Oldest;
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
    /// The library's own.
    own_creator: Creator,
    /// Length of the list of idle threads.
    idle: AtomicUsize,
    /// What each of the threads does.
    desks: ArcSwap<Vec<Arc<Running>>>,
    /// Jobs in the queue; looked at by threads that wait on a channel.
    queued: AtomicUsize,
    crowd: Crowd,
    state: Mutex<State>,
}

struct State {
    limits: PoolLimits,
    queue: VecDeque<Job>,
    /// Last parked, first used.
    idle: Vec<Arc<Parker>>,
    /// Channels on which a thread may sleep.
    sleepers: Vec<Listed>,
    /// The number of the next of them.
    next_listed: u64,
    threads: usize,
    creation: Creation,
    /// An idle thread above the floor ends after this time.
    retire_after: Duration,
    closed: bool,
    /// The limits have changed since the last look of a thread whose place was lent then.
    relimited: bool,
}

impl Pool {
    pub(crate) fn new(id: u64, limits: PoolLimits, creator: Option<Creator>) -> Arc<Self> {
        let own: Creator = Arc::new(creation::start_default);
        Arc::new(Self {
            id,
            life: fork::life(),
            creator: Mutex::new(creator.unwrap_or_else(|| Arc::clone(&own))),
            own_creator: own,
            idle: AtomicUsize::new(0),
            desks: ArcSwap::default(),
            queued: AtomicUsize::new(0),
            crowd: Crowd::default(),
            state: Mutex::new(State {
                limits,
                queue: VecDeque::new(),
                idle: Vec::new(),
                sleepers: Vec::new(),
                next_listed: 0,
                threads: 0,
                creation: Creation::default(),
                retire_after: life::RETIRE_AFTER,
                closed: false,
                relimited: false,
            }),
        })
    }

    /// Changes floor and ceiling: for threads that are parked, and for calls that wait, too.
    pub(crate) fn set_limits(self: &Arc<Self>, limits: PoolLimits) {
        {
            let mut state = lock(&self.state);
            state.limits = limits;
            state.relimited = true;
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

    /// Whether no thread is parked. A thread asks after it has said that it is not and passed a `SeqCst` fence.
    #[inline]
    pub(crate) fn is_depleted(&self) -> bool {
        self.idle.load(Ordering::Relaxed) == 0 && self.nobody_waits()
    }

    /// Looks for a thread that waits on a channel.
    #[cold]
    fn nobody_waits(&self) -> bool {
        !self.desks.load().iter().any(|desk| desk.is_parked())
    }

    /// Adds the calls on a door that run on threads of the pool to those that run.
    pub(crate) fn tell_running(&self, door: u64, oldest: &mut Oldest) {
        for since in self
            .desks
            .load()
            .iter()
            .filter_map(|running| running.began(door))
        {
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
