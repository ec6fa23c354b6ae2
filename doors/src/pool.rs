//! The server threads of a process, or of one private door.
//!
//! A thread is *idle* (parked here, without a channel), *waiting* (staffing a channel, no call at the moment) or busy.
//! Idle and waiting threads together are what Solaris calls parked. The thread that takes a call and leaves nobody
//! parked runs the creation callback itself, before the server procedure (depletion).

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::event;
use crate::foreign;
use crate::lock::lock;
use crate::primitive::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use crate::server::ages::Oldest;
use crate::server::channel::Channel;
use crate::server::core::Core;
use crate::server::desk::Desk;
use crate::server::duty::{Duty, Progress};
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
    #[doc(alias = "DOOR_NO_DEPLETION_CB")]
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
    /// The pool asked for it; else a thread of the program's own offers itself.
    asked: bool,
}

impl ServerThread {
    /// Serves calls on the calling thread until [`unbind`] is called by a server procedure on it, or its private
    /// door is gone.
    ///
    /// A thread that the pool asked for also ends when it is above the floor and was idle for long. One that joined
    /// by [`join_pool`](crate::join_pool) or [`Door::bind`](crate::Door::bind) stays: it may be the main thread.
    ///
    /// # Blocking
    /// For as long as it serves. A private door is also gone when it was handed over; the process pool stays, even
    /// without any door. A panic of a server procedure ends its call and not the thread.
    #[doc(alias = "door_return")]
    pub fn serve(self) {
        let pool = Arc::clone(&self.pool);
        pool.serve(self);
    }

    /// A place in a pool for a thread that exists.
    pub(crate) fn of(pool: &Arc<Pool>) -> Self {
        Self {
            pool: Arc::clone(pool),
            depleted: false,
            asked: false,
        }
    }

    /// Whether the pool ran out of threads (`DOOR_DEPLETION_CB`); false for the first thread of a pool.
    #[doc(alias = "DOOR_DEPLETION_CB")]
    #[must_use]
    pub fn is_depletion(&self) -> bool {
        self.depleted
    }

    /// The door that the pool is private to, by its unique id; `None` for the pool of the process.
    #[doc(alias = "DOOR_QUERY")]
    #[must_use]
    pub fn private_to(&self) -> Option<u64> {
        (self.pool.id != PROCESS_POOL).then_some(self.pool.id)
    }
}

impl Drop for ServerThread {
    fn drop(&mut self) {
        if self.asked {
            self.pool.creating.store(false, Ordering::Release);
        }
    }
}

thread_local! {
    static LEAVES: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Has the calling server thread leave its pool when the server procedure that it runs has returned
/// (`door_unbind`); [`ServerThread::serve`] then returns. Without effect on a thread that serves nothing.
///
/// # Examples
/// A server that serves on its main thread until a call tells it to end:
/// ```no_run
/// use doors::{Door, DoorAttributes};
///
/// let door = Door::create(
///     |call| {
///         if call.data() == b"end" {
///             doors::unbind();
///         }
///         call.door_return(&[], vec![])
///     },
///     DoorAttributes::PRIVATE,
/// )?;
/// let _name = door.attach("/run/service", 0o600)?;
/// door.bind()?.serve();
/// # Ok::<(), doors::DoorError>(())
/// ```
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

/// An idle thread.
struct Parker {
    thread: Thread,
    job: Mutex<Option<Job>>,
    dismissed: AtomicBool,
    /// It never ends by itself.
    stays: bool,
}

/// Whether a thread sleeps on the word of a channel; part of the channel, so that a sleep allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Sleeper {
    /// Counts up at each beginning and at each end of a sleep: odd while a thread sleeps.
    round: AtomicU64,
    /// The sleep out of which somebody called the thread, because it is needed elsewhere.
    evicted: AtomicU64,
}

impl Pool {
    pub(crate) fn new(id: u64, limits: PoolLimits, creator: Option<Creator>) -> Arc<Self> {
        Arc::new(Self {
            id,
            creator: Mutex::new(creator.unwrap_or_else(|| Arc::clone(&DEFAULT))),
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
        let place = ServerThread {
            pool: Arc::clone(self),
            depleted,
            asked: true,
        };
        // Foreign code, run on a thread that has somebody's call in its hands: one that panics has declined. Our own
        // does not go elsewhere, where it would need another thread first.
        if Arc::ptr_eq(&creator, &DEFAULT) {
            start_default(place);
        } else {
            foreign::run(move || creator(place));
        }
    }

    /// Gives a job to the thread that was parked last, or queues it and frees a thread that waits on some channel.
    pub(crate) fn dispatch(self: &Arc<Self>, job: Job) {
        let mut state = lock(&self.state);
        if state.closed {
            drop(state);
            return job.turn_away();
        }
        if let Some(parker) = state.idle.pop() {
            *lock(&parker.job) = Some(job);
            parker.thread.unpark();
            return;
        }
        state.queue.push_back(job);
        self.queued.store(state.queue.len(), Ordering::SeqCst);
        let victim = state.evict();
        let bare = state.threads == 0;
        drop(state);
        if let Some((channel, round)) = victim {
            channel.call_away(round);
        }
        // Without a thread nobody would ever find the pool depleted. A callback that declined is not asked again;
        // a lack of threads may be over.
        if bare && self.failed.load(Ordering::Relaxed) {
            self.create_thread(true);
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

    /// Enters the calling thread in the list of those that sleep on a channel; the number of its sleep.
    pub(crate) fn enter_sleep(&self, channel: &Arc<Channel>) -> u64 {
        let round = channel.sleeper.turn_over();
        lock(&self.state).sleepers.push(Arc::clone(channel));
        round
    }

    /// Takes the calling thread out of that list. True: it was called away in the meantime.
    pub(crate) fn leave_sleep(&self, channel: &Arc<Channel>, round: u64) -> bool {
        channel.sleeper.turn_over();
        // Who evicts does so under the lock, and finds nobody here afterwards.
        lock(&self.state)
            .sleepers
            .retain(|other| !Arc::ptr_eq(other, channel));
        channel.sleeper.is_evicted(round)
    }

    /// A thread that was called away has found a call on its own channel at that moment: another has to go instead.
    #[cold]
    pub(crate) fn pass_eviction_on(&self) {
        let victim = {
            let mut state = lock(&self.state);
            if state.queue.is_empty() {
                return;
            }
            state.evict()
        };
        if let Some((channel, round)) = victim {
            channel.call_away(round);
        }
    }

    /// Wakes the threads that sleep on channels of which `chosen` is true, until they have left.
    pub(crate) fn wake_sleepers(&self, chosen: impl Fn(&Channel) -> bool) {
        let sleepers: Vec<_> = lock(&self.state)
            .sleepers
            .iter()
            .filter(|channel| chosen(channel))
            .map(|channel| (Arc::clone(channel), channel.sleeper.round()))
            .collect();
        for (channel, round) in sleepers {
            channel.call_away(round);
        }
    }

    /// Ends the pool: its threads leave, the callers of queued calls are told.
    pub(crate) fn close(&self) {
        let (idle, queue, sleepers) = {
            let mut state = lock(&self.state);
            state.closed = true;
            self.queued.store(0, Ordering::SeqCst);
            let sleepers: Vec<_> = std::iter::from_fn(|| state.evict()).collect();
            (
                std::mem::take(&mut state.idle),
                std::mem::take(&mut state.queue),
                sleepers,
            )
        };
        for parker in idle {
            parker.dismissed.store(true, Ordering::Release);
            parker.thread.unpark();
        }
        for (channel, round) in sleepers {
            channel.call_away(round);
        }
        for job in queue {
            job.turn_away();
        }
    }

    /// Tells the callers of queued calls on a door that it was revoked: they need no thread for that, and there may be
    /// none for long.
    ///
    /// Whoever queues a call looks at the door again afterwards and comes here if it was revoked: revoking stores the
    /// mark before it takes this lock, so either the call is found here or the mark is seen there.
    pub(crate) fn turn_away(&self, core: &Arc<Core>) {
        for job in self.take_out(|job| job.begins_on(core)) {
            job.turn_away();
        }
    }

    /// Takes jobs out of the queue that nobody waits for any more.
    pub(crate) fn discard(&self, unwanted: impl Fn(&Job) -> bool) {
        // Outside the lock: the end of a call can do all kinds of things.
        drop(self.take_out(unwanted));
    }

    fn take_out(&self, chosen: impl Fn(&Job) -> bool) -> VecDeque<Job> {
        let mut state = lock(&self.state);
        let queue = std::mem::take(&mut state.queue);
        let (out, stay) = queue.into_iter().partition(chosen);
        state.queue = stay;
        self.queued.store(state.queue.len(), Ordering::SeqCst);
        out
    }

    /// Adds the calls on a door that run on threads of the pool to those that run.
    pub(crate) fn tell_running(&self, door: u64, oldest: &mut Oldest) {
        let desks = lock(&self.state).desks.clone();
        for since in desks.iter().filter_map(|running| running.began(door)) {
            oldest.add(since);
        }
    }

    /// The life of a server thread.
    fn serve(self: &Arc<Self>, place: ServerThread) {
        let _restore = foreign::end_nothing_here();
        // What was asked for before it served anything has no effect.
        let _stale = leave_asked();
        let running = Arc::new(Running::default());
        {
            let mut state = lock(&self.state);
            state.threads = state.threads.saturating_add(1);
            state.desks.push(Arc::clone(&running));
        }
        let mut desk = Desk::new(Arc::clone(&running));
        let stays = !place.asked;
        let mut place = Some(place);
        while let Some(job) = self.next_job(&mut desk, &mut place, stays) {
            desk.serve(self, job);
            if leave_asked() {
                break;
            }
        }
        let last = desk.unpark(self);
        // Who leaves may be the one that stood behind the busy threads, or make room below the ceiling.
        let depleted = {
            let mut state = lock(&self.state);
            state.threads = state.threads.saturating_sub(1);
            state.desks.retain(|other| !Arc::ptr_eq(other, &running));
            !state.queue.is_empty() || (last && state.threads > 0)
        };
        if depleted {
            self.create_thread(true);
        }
    }

    /// Waits for something to do. The place of a new thread is given up only when the thread is parked: until then
    /// it is on its way, and no other is asked for.
    fn next_job(
        &self,
        desk: &mut Desk,
        place: &mut Option<ServerThread>,
        stays: bool,
    ) -> Option<Job> {
        let parker = {
            let mut state = lock(&self.state);
            if state.closed {
                return None;
            }
            if let Some(job) = state.queue.pop_front() {
                self.queued.store(state.queue.len(), Ordering::SeqCst);
                // As if parked for an instant: depletion is judged when the call is taken.
                desk.park(self);
                drop(place.take());
                return Some(job);
            }
            let parker = Arc::new(Parker {
                thread: thread::current(),
                job: Mutex::new(None),
                dismissed: AtomicBool::new(false),
                stays,
            });
            state.idle.push(Arc::clone(&parker));
            desk.park(self);
            drop(place.take());
            parker
        };
        self.wait_idle(&parker)
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
        if parker.stays {
            return true;
        }
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

impl State {
    /// Calls a thread off a channel that is idle: the one where no call came for longest. The caller wakes it.
    fn evict(&mut self) -> Option<(Arc<Channel>, u64)> {
        while !self.sleepers.is_empty() {
            let channel = self.sleepers.remove(0);
            let round = channel.sleeper.round();
            // One that has just woken is about to take itself out of the list.
            if is_asleep(round) {
                channel.sleeper.evicted.store(round, Ordering::SeqCst);
                return Some((channel, round));
            }
        }
        None
    }
}

/// Whether this is the number of a sleep, rather than of the time between two.
fn is_asleep(round: u64) -> bool {
    !round.is_multiple_of(2)
}

impl Sleeper {
    /// A sleep begins or ends.
    fn turn_over(&self) -> u64 {
        self.round.fetch_add(1, Ordering::SeqCst).wrapping_add(1)
    }

    fn round(&self) -> u64 {
        self.round.load(Ordering::SeqCst)
    }

    /// Whether the thread was called out of this sleep.
    pub(crate) fn is_evicted(&self, round: u64) -> bool {
        self.evicted.load(Ordering::SeqCst) == round
    }
}

impl Channel {
    /// Wakes the thread that sleeps here. One wake can fall between its last look and its sleep, so the leader repeats
    /// it until this sleep is over. Nobody waits for that here: on a busy machine it takes as long as a time slice.
    fn call_away(self: &Arc<Self>, round: u64) {
        if self.wakes_again(round) {
            self.session.runtime.remind(self, round);
        }
    }

    /// Wakes the thread that sleeps here; false if this sleep is over.
    pub(crate) fn wakes_again(&self, round: u64) -> bool {
        if !is_asleep(round) || self.sleeper.round() != round {
            return false;
        }
        self.wake_server();
        true
    }
}

impl Job {
    /// Whether it is a call on this door that has not begun: of one that has, the rest of the results may be wanted.
    fn begins_on(&self, core: &Arc<Core>) -> bool {
        match self {
            Self::Packet(call) => Arc::ptr_eq(call.core(), core),
            Self::Channel(duty) => {
                !matches!(duty.progress, Progress::Sending(_))
                    && duty
                        .calls()
                        .is_some_and(|found| Arc::ptr_eq(&found.core, core))
            }
        }
    }

    /// Whether it is a first call that was given up before it began.
    pub(crate) fn is_given_up(&self) -> bool {
        match self {
            Self::Packet(call) => call.is_given_up(),
            Self::Channel(_) => false,
        }
    }

    /// Whether it belongs to a session that is over.
    pub(crate) fn is_dead(&self) -> bool {
        match self {
            Self::Packet(_) => false,
            Self::Channel(duty) => duty.channel.session.is_dead(),
        }
    }

    /// Answers a call that no thread will ever take, because the private door of the pool is gone.
    fn turn_away(self) {
        match self {
            // Its drop tells the caller.
            Self::Packet(call) => drop(call),
            Self::Channel(duty) => duty.turn_away(),
        }
    }
}

/// The callback of a pool for which nobody has chosen another.
static DEFAULT: LazyLock<Creator> = LazyLock::new(|| Arc::new(start_default));

/// The default creation callback: one detached thread. Lack of threads is not reported; callers wait.
fn start_default(request: ServerThread) {
    let pool = Arc::clone(&request.pool);
    let started = thread::Builder::new()
        .name("door-server".into())
        .spawn(move || request.serve());
    pool.failed.store(started.is_err(), Ordering::Relaxed);
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
