//! What can be seen of a running door.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::ages::Oldest;
use super::core::lock;
use crate::channel::gear::Shift;
use crate::primitive::{AtomicBool, AtomicU64, Ordering};
use crate::sys::clock::coarse_ns;

/// How many classes the histogram has: class n holds times below 2^(n+1) microseconds.
pub(crate) const CLASSES: usize = 24;
/// One call in so many is timed: two clock readings would be a third of a fast call.
const TIMED_EVERY: u64 = 64;

/// Counters and a histogram, written by the server threads without locks.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Meter {
    /// Beside what else a call writes of its door.
    calls: AtomicU64,
    /// What few calls write: doors lie closer without it.
    rest: Box<Rest>,
}

#[derive(Debug)]
struct Rest {
    refused: AtomicU64,
    classes: [AtomicU64; CLASSES],
    followed: AtomicU64,
    parted: AtomicU64,
    held: Mutex<Held>,
}

/// Calls that run without a server thread: when each began, by a number of its own.
#[derive(Debug, Default)]
struct Held {
    next: u64,
    since: BTreeMap<u64, u64>,
}

impl Meter {
    pub(crate) fn new() -> Self {
        Self {
            calls: AtomicU64::new(0),
            rest: Box::new(Rest {
                refused: AtomicU64::new(0),
                classes: std::array::from_fn(|_| AtomicU64::new(0)),
                followed: AtomicU64::new(0),
                parted: AtomicU64::new(0),
                held: Mutex::new(Held::default()),
            }),
        }
    }

    /// A thread has changed its gear.
    pub(crate) fn shifted(&self, shift: Shift) {
        let count = match shift {
            Shift::Follow => &self.rest.followed,
            Shift::Part => &self.rest.parted,
            Shift::None => return,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// A call that began at `since` goes on without a server thread; its number.
    pub(crate) fn hold(&self, since: u64) -> u64 {
        let mut held = lock(&self.rest.held);
        let number = held.next;
        held.next = number.wrapping_add(1);
        held.since.insert(number, since);
        number
    }

    /// The call of this number is over.
    pub(crate) fn let_go(&self, number: u64) {
        lock(&self.rest.held).since.remove(&number);
    }

    /// Adds these calls to those that run.
    pub(crate) fn tell_held(&self, oldest: &mut Oldest) {
        for since in lock(&self.rest.held).since.values() {
            oldest.add(*since);
        }
    }

    /// A call begins; the time, if this one is timed.
    #[inline]
    pub(crate) fn call(&self) -> Option<Instant> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        number.is_multiple_of(TIMED_EVERY).then(Instant::now)
    }

    /// A timed call ends.
    pub(crate) fn timed(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let class = micros.checked_ilog2().unwrap_or(0);
        let class = usize::try_from(class)
            .unwrap_or(CLASSES)
            .min(CLASSES.saturating_sub(1));
        if let Some(count) = self.rest.classes.get(class) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A call was refused by the access policy.
    pub(crate) fn refuse(&self) {
        self.rest.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// How often a thread began to follow its caller, and how often one parted from it.
    pub(crate) fn shifts(&self) -> (u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&self.rest.followed), read(&self.rest.parted))
    }

    pub(crate) fn refused(&self) -> u64 {
        self.rest.refused.load(Ordering::Relaxed)
    }

    /// The histogram: counts per class of the timed calls.
    pub(crate) fn classes(&self) -> [u64; CLASSES] {
        std::array::from_fn(|class| {
            self.rest
                .classes
                .get(class)
                .map_or(0, |count| count.load(Ordering::Relaxed))
        })
    }
}

/// What a server thread is doing, for those who look from outside.
#[derive(Debug, Default)]
pub(crate) struct Running {
    /// The door whose procedure runs; 0 for none.
    door: AtomicU64,
    /// When it began, in nanoseconds of the coarse monotonic clock.
    since: AtomicU64,
    /// The thread waits for a call: idle in its pool, or on a channel.
    parked: AtomicBool,
    /// The thread has a channel.
    staffing: AtomicBool,
    /// The number of a call that is counted without a server thread, plus 1; 0 for none.
    held_as: AtomicU64,
}

impl Running {
    /// The thread waits, or does not any more. Stored by that thread alone.
    #[inline]
    pub(crate) fn say_parked(&self, parked: bool) {
        // Release: a caller whose answer comes after it calls next a thread that sees it.
        self.parked.store(parked, Ordering::Release);
    }

    /// Whether the thread waits.
    pub(crate) fn is_parked(&self) -> bool {
        self.parked.load(Ordering::Acquire)
    }

    /// The thread has a channel, or has none any more. Stored by that thread alone.
    pub(crate) fn say_staffing(&self, staffing: bool) {
        self.staffing.store(staffing, Ordering::Relaxed);
    }

    /// Whether the thread has a channel.
    pub(crate) fn is_staffing(&self) -> bool {
        self.staffing.load(Ordering::Relaxed)
    }

    /// What begins next on this thread begins about now. The coarse clock steps by some milliseconds, which is fine for
    /// an age.
    #[inline]
    pub(crate) fn look_at_clock(&self) {
        self.since.store(coarse_ns(), Ordering::Relaxed);
    }

    /// What begins next on this thread begins at this time of the monotonic clock, which the coarse one has not reached yet.
    #[inline]
    pub(crate) fn look_at(&self, now_ns: u64) {
        self.since.store(now_ns, Ordering::Relaxed);
    }

    /// A procedure begins.
    #[inline]
    pub(crate) fn begin(&self, door: u64) {
        // Release: who sees this door sees the time of its call above, or of a later one, and tells no age that is
        // too high.
        self.door.store(door, Ordering::Release);
    }

    /// When it began.
    pub(crate) fn since(&self) -> u64 {
        self.since.load(Ordering::Relaxed)
    }

    /// The call that runs here is among those of no server thread, under this number.
    pub(crate) fn count_as(&self, number: u64) {
        self.held_as
            .store(number.wrapping_add(1), Ordering::Relaxed);
    }

    /// That number, to whoever takes the call over: it is not counted twice.
    pub(crate) fn take_count(&self) -> Option<u64> {
        self.held_as.swap(0, Ordering::Relaxed).checked_sub(1)
    }

    /// It has ended, or goes on without the thread.
    #[inline]
    pub(crate) fn end(&self) {
        self.door.store(0, Ordering::Relaxed);
    }

    /// When the procedure of this door began that runs here, if one does.
    pub(crate) fn began(&self, door: u64) -> Option<u64> {
        let here = self.door.load(Ordering::Acquire) == door;
        here.then(|| self.since())
    }
}
