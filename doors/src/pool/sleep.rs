//! The sleep of threads on the words of channels.

use std::sync::Arc;

use super::{Pool, State};
use crate::lock::lock;
use crate::primitive::{AtomicBool, AtomicU64, Ordering, fence};
use crate::server::channel::Channel;

/// Whether a thread sleeps on the word of a channel; part of the channel, so that a sleep allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Sleeper {
    /// Counts up at each beginning and at each end of a sleep: odd while a thread sleeps.
    round: AtomicU64,
    /// When the sleep began, on the monotonic clock.
    since: AtomicU64,
    /// The sleep out of which somebody called the thread, because it is needed elsewhere or has slept for long.
    pub(super) evicted: AtomicU64,
    /// The leader looks at the channel now and then.
    pub(super) watched: AtomicBool,
}

/// The entry of a thread in the list of those that sleep on channels, from its first sleep on a channel until it leaves that:
/// where calls come often, a sleep takes no lock.
///
/// A thread counts its sleep, passes a `SeqCst` fence, and then looks whether it is wanted: by a call in the queue, by the end
/// of the session. Whoever wants threads stores that first, passes a fence, and then looks at the counts. So a
/// thread whose sleep is not seen sees that it is wanted.
#[derive(Debug)]
pub(crate) struct Bed<'a> {
    pool: &'a Pool,
    /// The number of the entry, if there is one.
    number: Option<u64>,
}

/// A channel on which a thread may sleep.
pub(super) struct Listed {
    channel: Arc<Channel>,
    /// Two threads may have entries of one channel, for a moment: the one that comes, and the one that leaves.
    number: u64,
}

impl<'a> Bed<'a> {
    /// Of a thread that comes to a channel.
    pub(crate) fn new(pool: &'a Pool) -> Self {
        Self { pool, number: None }
    }

    /// The calling thread is about to sleep on the channel; the number of its sleep. The leader ends
    /// one that lasts, if it is to watch it.
    ///
    /// The caller passes a `SeqCst` fence before it looks whether it is wanted.
    #[inline]
    pub(crate) fn enter(&mut self, channel: &Arc<Channel>, since: u64, watched: bool) -> u64 {
        if self.number.is_none() {
            self.number = Some(self.pool.list(channel));
        }
        channel.sleeper.since.store(since, Ordering::Relaxed);
        let round = channel.sleeper.turn_over();
        if watched && channel.sleeper.is_to_be_watched() {
            channel.session.runtime.watch(channel);
        }
        round
    }
}

impl Drop for Bed<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            // Dropped outside the lock: the channel may be the last of its session.
            let _left = self.pool.unlist(number);
        }
    }
}

impl Pool {
    /// Enters a channel in the list; the number of the entry.
    #[cold]
    fn list(&self, channel: &Arc<Channel>) -> u64 {
        let mut state = lock(&self.state);
        let number = state.next_listed;
        state.next_listed = number.wrapping_add(1);
        state.sleepers.push(Listed {
            channel: Arc::clone(channel),
            number,
        });
        number
    }

    fn unlist(&self, number: u64) -> Option<Listed> {
        let sleepers = &mut lock(&self.state).sleepers;
        let place = sleepers.iter().position(|listed| listed.number == number)?;
        Some(sleepers.swap_remove(place))
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

    /// Wakes the threads that sleep on channels of which `chosen` is true, until they have left. What they are to see is stored.
    pub(crate) fn wake_sleepers(&self, chosen: impl Fn(&Channel) -> bool) {
        fence(Ordering::SeqCst);
        let sleepers: Vec<_> = lock(&self.state)
            .sleepers
            .iter()
            .filter(|listed| chosen(&listed.channel))
            .map(|listed| (Arc::clone(&listed.channel), listed.channel.sleeper.round()))
            .collect();
        for (channel, round) in sleepers {
            channel.call_away(round);
        }
    }
}

impl State {
    /// Calls a thread off a channel that is idle: the one where no call came for longest. The caller wakes it, and has stored
    /// before what the thread is wanted for.
    pub(super) fn evict(&mut self) -> Option<(Arc<Channel>, u64)> {
        fence(Ordering::SeqCst);
        loop {
            let asleep = self.sleepers.iter().filter_map(Listed::idle);
            let (_, round, channel) = asleep.min_by_key(|(since, ..)| *since)?;
            channel.sleeper.evicted.store(round, Ordering::SeqCst);
            // One that has just left may not have seen it.
            if channel.sleeper.round() == round {
                return Some((Arc::clone(channel), round));
            }
        }
    }
}

impl Listed {
    /// Since when a thread sleeps here that nobody has called away, with the number of its sleep.
    fn idle(&self) -> Option<(u64, u64, &Arc<Channel>)> {
        let sleeper = &self.channel.sleeper;
        let round = sleeper.round();
        let idle = is_asleep(round) && !sleeper.is_evicted(round);
        idle.then(|| (sleeper.since(), round, &self.channel))
    }
}

/// Whether this is the number of a sleep, rather than of the time between two.
pub(super) fn is_asleep(round: u64) -> bool {
    !round.is_multiple_of(2)
}

impl Sleeper {
    /// A sleep begins or ends.
    fn turn_over(&self) -> u64 {
        self.round.fetch_add(1, Ordering::SeqCst).wrapping_add(1)
    }

    /// The sleep is over. True: the thread was called away in the meantime.
    ///
    /// Who calls a thread away stores the number of its sleep and then looks whether it still sleeps; this is the other side.
    #[inline]
    pub(crate) fn leave(&self, round: u64) -> bool {
        self.turn_over();
        self.is_evicted(round)
    }

    /// When the sleep began of which the number has just been read, or a later one.
    pub(super) fn since(&self) -> u64 {
        self.since.load(Ordering::Relaxed)
    }

    pub(super) fn round(&self) -> u64 {
        self.round.load(Ordering::SeqCst)
    }

    /// Whether nobody looks at the channel yet; who asks has to see to it.
    ///
    /// The thread has counted its sleep before it looks at the mark, and the leader takes the mark away before it looks
    /// at the count a last time, in one order of all: a sleep that the leader does not see finds
    /// the mark gone.
    pub(super) fn is_to_be_watched(&self) -> bool {
        !self.watched.load(Ordering::SeqCst) && !self.watched.swap(true, Ordering::SeqCst)
    }

    /// Whether the thread was called out of this sleep.
    pub(crate) fn is_evicted(&self, round: u64) -> bool {
        self.evicted.load(Ordering::SeqCst) == round
    }
}

impl Channel {
    /// Wakes the thread that sleeps here. One wake can fall between its last look and its sleep, so the leader repeats
    /// it until this sleep is over. Nobody waits for that here: on a busy machine it takes as long as a time slice.
    pub(super) fn call_away(self: &Arc<Self>, round: u64) {
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
