//! The server threads of a process, or of one private door.
//!
//! A thread is *idle* (parked here, without a channel), *waiting* (staffing a channel, no call at the moment) or busy.
//! Idle and waiting threads together are what Solaris calls parked. The thread that takes a call and leaves nobody
//! parked runs the creation callback itself, before the server procedure (depletion).

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::event;
use crate::primitive::{AtomicBool, AtomicUsize, Ordering};
use crate::server::core::lock;
use crate::server::desk::Desk;
use crate::server::duty::{Channel, Duty};
use crate::server::meter::Running;
use crate::server::packet::PacketCall;

/// An idle thread above the floor ends after this time.
const RETIRE_AFTER: Duration = Duration::from_secs(10);

/// How many threads a pool keeps and how many it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolLimits {
    /// Idle threads that never end by themselves.
    pub floor: usize,
    /// Threads at most; calls beyond it wait for one.
    pub ceiling: usize,
}

impl Default for PoolLimits {
    /// Two threads stay (one to serve, one so that the pool is not empty meanwhile), 1,024 may be.
    fn default() -> Self {
        Self {
            floor: 2,
            ceiling: 1024,
        }
    }
}

impl PoolLimits {
    /// Limits with this floor and this ceiling (at least 1).
    #[must_use]
    pub fn new(floor: usize, ceiling: usize) -> Self {
        Self {
            floor,
            ceiling: ceiling.max(1),
        }
    }
}

/// A thread that a pool asks for; the creation callback receives it.
///
/// Whoever makes the thread calls [`serve`](Self::serve) on it. Dropping the value declines: callers then wait
/// for the threads that there are.
#[derive(Debug)]
#[must_use = "the pool waits for this thread; `serve` on a new thread joins it, dropping declines"]
pub struct ServerThread {
    pool: Arc<Pool>,
    depleted: bool,
}

impl ServerThread {
    /// Serves calls on the calling thread until the pool needs it no more: the thread was idle for long, or the
    /// private door is gone.
    #[doc(alias = "door_return")]
    pub fn serve(self) {
        let pool = Arc::clone(&self.pool);
        drop(self);
        pool.serve();
    }

    /// A place in a pool for a thread that exists.
    pub(crate) fn of(pool: &Arc<Pool>) -> Self {
        Self {
            pool: Arc::clone(pool),
            depleted: false,
        }
    }

    /// Whether the pool ran out of threads (`DOOR_DEPLETION_CB`); false for the first thread of a pool.
    #[must_use]
    pub fn is_depletion(&self) -> bool {
        self.depleted
    }

    /// The door that the pool is private to, by its unique id; `None` for the pool of the process.
    #[must_use]
    pub fn private_to(&self) -> Option<u64> {
        (self.pool.id != PROCESS_POOL).then_some(self.pool.id)
    }
}

impl Drop for ServerThread {
    fn drop(&mut self) {
        self.pool.creating.store(false, Ordering::Release);
    }
}

thread_local! {
    static LEAVES: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Has the calling server thread leave its pool when the server procedure that it runs has returned
/// (`door_unbind`); [`ServerThread::serve`] then returns. Without effect on a thread that serves nothing.
#[doc(alias = "door_unbind")]
pub fn unbind() {
    LEAVES.set(true);
}

/// Whether [`unbind`] was called by the procedure that has just run.
#[inline]
pub(crate) fn leaves() -> bool {
    LEAVES.get()
}

/// Whether [`unbind`] was called since the last look.
pub(crate) fn leave_asked() -> bool {
    LEAVES.replace(false)
}

/// Makes a thread for a pool.
pub(crate) type Creator = Arc<dyn Fn(ServerThread) + Send + Sync>;

/// The id of the pool of all doors that are not private.
pub(crate) const PROCESS_POOL: u64 = 0;

/// What a thread is given to do.
pub(crate) enum Job {
    /// A call is there on a quiet channel: staff it.
    Channel(Box<Duty>),
    /// A first call that came as a packet.
    Packet(Box<PacketCall>),
}

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
    state: Mutex<State>,
}

struct State {
    limits: PoolLimits,
    queue: VecDeque<Job>,
    /// Last parked, first used.
    idle: Vec<Arc<Parker>>,
    sleepers: Vec<Arc<Sleeper>>,
    threads: usize,
    desks: Vec<Arc<Running>>,
    closed: bool,
}

/// An idle thread.
struct Parker {
    thread: Thread,
    job: Mutex<Option<Job>>,
    dismissed: AtomicBool,
}

/// A thread that sleeps on the word of a channel.
pub(crate) struct Sleeper {
    pub(crate) channel: Arc<Channel>,
    /// Somebody else needs the thread.
    pub(crate) evicted: AtomicBool,
    left: AtomicBool,
}

impl Pool {
    pub(crate) fn new(id: u64, limits: PoolLimits, creator: Option<Creator>) -> Arc<Self> {
        Arc::new(Self {
            id,
            creator: Mutex::new(creator.unwrap_or_else(|| Arc::new(start_default))),
            parked: AtomicUsize::new(0),
            queued: AtomicUsize::new(0),
            creating: AtomicBool::new(false),
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

    /// Replaces the creation callback; returns the one before.
    pub(crate) fn replace_creator(&self, creator: Creator) -> Creator {
        std::mem::replace(&mut lock(&self.creator), creator)
    }

    /// Changes floor and ceiling for what happens from now on.
    pub(crate) fn set_limits(&self, limits: PoolLimits) {
        lock(&self.state).limits = limits;
    }

    /// How many threads the pool has.
    pub(crate) fn threads(&self) -> usize {
        lock(&self.state).threads
    }

    /// Runs the creation callback, unless a thread is on its way or the ceiling is reached.
    #[cold]
    pub(crate) fn create_thread(self: &Arc<Self>, depleted: bool) {
        {
            let state = lock(&self.state);
            if state.closed || state.threads >= state.limits.ceiling {
                return;
            }
        }
        if self.creating.swap(true, Ordering::AcqRel) {
            return;
        }
        let creator = Arc::clone(&lock(&self.creator));
        creator(ServerThread {
            pool: Arc::clone(self),
            depleted,
        });
    }

    /// Gives a job to the thread that was parked last, or queues it and frees a thread that waits on some channel.
    pub(crate) fn dispatch(&self, job: Job) {
        let mut state = lock(&self.state);
        if let Some(parker) = state.idle.pop() {
            *lock(&parker.job) = Some(job);
            parker.thread.unpark();
            return;
        }
        state.queue.push_back(job);
        self.queued.store(state.queue.len(), Ordering::SeqCst);
        let victim = state.sleepers.pop();
        drop(state);
        if let Some(sleeper) = victim {
            sleeper.evicted.store(true, Ordering::SeqCst);
            sleeper.wake_until_left();
        }
    }

    /// Whether a call waits for a thread.
    #[inline]
    pub(crate) fn has_queue(&self) -> bool {
        self.queued.load(Ordering::Relaxed) != 0
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

    /// Enters the calling thread in the list of those that sleep on a channel.
    pub(crate) fn enter_sleep(&self, channel: &Arc<Channel>) -> Arc<Sleeper> {
        let sleeper = Arc::new(Sleeper {
            channel: Arc::clone(channel),
            evicted: AtomicBool::new(false),
            left: AtomicBool::new(false),
        });
        lock(&self.state).sleepers.push(Arc::clone(&sleeper));
        sleeper
    }

    /// Takes the calling thread out of that list.
    pub(crate) fn leave_sleep(&self, sleeper: &Arc<Sleeper>) {
        sleeper.left.store(true, Ordering::Release);
        lock(&self.state)
            .sleepers
            .retain(|other| !Arc::ptr_eq(other, sleeper));
    }

    /// Wakes the threads that sleep on channels of which `chosen` is true, until they have left.
    pub(crate) fn wake_sleepers(&self, chosen: impl Fn(&Channel) -> bool) {
        let sleepers: Vec<_> = lock(&self.state)
            .sleepers
            .iter()
            .filter(|s| chosen(&s.channel))
            .cloned()
            .collect();
        for sleeper in sleepers {
            sleeper.wake_until_left();
        }
    }

    /// Ends the pool: its idle threads leave, queued calls are dropped (their callers are told).
    pub(crate) fn close(&self) {
        let (idle, queue, sleepers) = {
            let mut state = lock(&self.state);
            state.closed = true;
            self.queued.store(0, Ordering::SeqCst);
            (
                std::mem::take(&mut state.idle),
                std::mem::take(&mut state.queue),
                std::mem::take(&mut state.sleepers),
            )
        };
        for parker in idle {
            parker.dismissed.store(true, Ordering::Release);
            parker.thread.unpark();
        }
        for sleeper in sleepers {
            sleeper.evicted.store(true, Ordering::SeqCst);
            sleeper.wake_until_left();
        }
        drop(queue);
    }

    /// How long the oldest running call on a door has been running, in nanoseconds; 0 if none is.
    pub(crate) fn oldest_ns(&self, door: u64) -> u64 {
        let desks = lock(&self.state).desks.clone();
        desks
            .iter()
            .map(|running| running.age_ns(door))
            .max()
            .unwrap_or(0)
    }

    /// The life of a server thread.
    pub(crate) fn serve(self: &Arc<Self>) {
        let running = Arc::new(Running::default());
        {
            let mut state = lock(&self.state);
            state.threads = state.threads.saturating_add(1);
            state.desks.push(Arc::clone(&running));
        }
        let mut desk = Desk::new(Arc::clone(&running));
        while let Some(job) = self.next_job() {
            desk.serve(self, job);
            if leave_asked() {
                break;
            }
        }
        let mut state = lock(&self.state);
        state.threads = state.threads.saturating_sub(1);
        state.desks.retain(|other| !Arc::ptr_eq(other, &running));
    }

    fn next_job(&self) -> Option<Job> {
        let parker = {
            let mut state = lock(&self.state);
            if let Some(job) = state.queue.pop_front() {
                self.queued.store(state.queue.len(), Ordering::SeqCst);
                // As if parked for an instant: depletion is judged when the call is taken.
                self.park();
                return Some(job);
            }
            if state.closed {
                return None;
            }
            let parker = Arc::new(Parker {
                thread: thread::current(),
                job: Mutex::new(None),
                dismissed: AtomicBool::new(false),
            });
            state.idle.push(Arc::clone(&parker));
            self.park();
            parker
        };
        let job = self.wait_idle(&parker);
        if job.is_none() {
            self.unpark();
        }
        job
    }

    fn wait_idle(&self, parker: &Arc<Parker>) -> Option<Job> {
        let since = Instant::now();
        loop {
            if let Some(job) = lock(&parker.job).take() {
                return Some(job);
            }
            if parker.dismissed.load(Ordering::Acquire) {
                return None;
            }
            if self.stays(parker) {
                thread::park();
            } else if since.elapsed() >= RETIRE_AFTER {
                if self.retire(parker) {
                    return None;
                }
                // A job was put down at this very moment: the next turn finds it.
            } else {
                thread::park_timeout(RETIRE_AFTER.saturating_sub(since.elapsed()));
            }
        }
    }

    /// Whether this idle thread is among the floor's: those parked first stay.
    fn stays(&self, parker: &Arc<Parker>) -> bool {
        let state = lock(&self.state);
        state
            .idle
            .iter()
            .take(state.limits.floor)
            .any(|other| Arc::ptr_eq(other, parker))
    }

    fn retire(&self, parker: &Arc<Parker>) -> bool {
        let mut state = lock(&self.state);
        let before = state.idle.len();
        state.idle.retain(|other| !Arc::ptr_eq(other, parker));
        state.idle.len() < before
    }
}

impl Sleeper {
    /// Repeats the wake until the thread has left: one wake can fall between its last look and its sleep.
    fn wake_until_left(&self) {
        let mut rounds = 0_u32;
        while !self.left.load(Ordering::Acquire) {
            self.channel.wake_server();
            rounds = rounds.saturating_add(1);
            if rounds < 32 {
                thread::yield_now();
            } else {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

/// The default creation callback: one detached thread. Lack of threads is not reported; callers wait.
fn start_default(request: ServerThread) {
    let started = thread::Builder::new()
        .name("door-server".into())
        .spawn(move || request.serve());
    if let Err(error) = started {
        event::no_thread(&error);
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
