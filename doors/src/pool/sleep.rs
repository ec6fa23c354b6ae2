//! The sleep of threads on the words of channels.

use std::sync::Arc;

use super::{Pool, State};
use crate::lock::lock;
use crate::primitive::{AtomicBool, AtomicU64, Ordering};
use crate::server::channel::Channel;

/// Whether a thread sleeps on the word of a channel; part of the channel, so that a sleep allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Sleeper {
    /// Counts up at each beginning and at each end of a sleep: odd while a thread sleeps.
    round: AtomicU64,
    /// The sleep out of which somebody called the thread, because it is needed elsewhere or has slept for long.
    pub(super) evicted: AtomicU64,
    /// The leader looks at the channel now and then.
    pub(super) watched: AtomicBool,
}

impl Pool {
    /// Enters the calling thread in the list of those that sleep on a channel; the number of its sleep. The leader ends
    /// one that lasts, if it is to watch it.
    pub(crate) fn enter_sleep(&self, channel: &Arc<Channel>, watched: bool) -> u64 {
        let round = channel.sleeper.turn_over();
        lock(&self.state).sleepers.push(Arc::clone(channel));
        if watched && channel.sleeper.is_to_be_watched() {
            channel.session.runtime.watch(channel);
        }
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
}

impl State {
    /// Calls a thread off a channel that is idle: the one where no call came for longest. The caller wakes it.
    pub(super) fn evict(&mut self) -> Option<(Arc<Channel>, u64)> {
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
pub(super) fn is_asleep(round: u64) -> bool {
    !round.is_multiple_of(2)
}

impl Sleeper {
    /// A sleep begins or ends.
    fn turn_over(&self) -> u64 {
        self.round.fetch_add(1, Ordering::SeqCst).wrapping_add(1)
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
