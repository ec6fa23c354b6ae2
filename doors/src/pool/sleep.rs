//! The sleep of threads on the words of channels.

use std::sync::Arc;

use super::{Pool, State};
use crate::channel::rounds::{Rounds, is_asleep};
use crate::lock::lock;
use crate::primitive::{AtomicBool, AtomicU64};
use crate::server::channel::Channel;

/// Whether a thread sleeps on the word of a channel; part of the channel, so that a sleep allocates nothing.
pub(crate) type Sleeper = Rounds<AtomicU64, AtomicBool>;

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
                channel.sleeper.evict(round);
                return Some((channel, round));
            }
        }
        None
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
