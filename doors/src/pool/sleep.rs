//! The sleep of threads on the words of channels.

use std::sync::Arc;

use super::{Pool, State};
use crate::channel::rounds::{Rounds, is_asleep};
use crate::lock::lock;
use crate::primitive::{AtomicBool, AtomicU64, Ordering, fence};
use crate::server::channel::Channel;

/// Whether a thread sleeps on the word of a channel; part of the channel, so that a sleep allocates nothing.
pub(crate) type Sleeper = Rounds<AtomicU64, AtomicBool>;

/// The entry of a thread in the list of those that sleep on channels, from its first sleep on a channel until it leaves that:
/// where calls come often, a sleep takes no lock.
///
/// A thread that has no entry yet is not missed either: it makes one under the lock, and whoever wants threads has stored that
/// before it lets go of the lock, so that the thread sees it. What passes between the two after that is in `channel/rounds.rs`.
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

    /// The calling thread is about to sleep on the channel; the number of its sleep.
    ///
    /// The caller passes a `SeqCst` fence before it looks whether it is wanted.
    #[inline]
    pub(crate) fn enter(&mut self, channel: &Arc<Channel>, since: u64) -> u64 {
        if self.number.is_none() {
            self.number = Some(self.pool.list(channel));
        }
        channel.sleeper.begin(since)
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

    /// A thread that was called away has found a call on its own channel at that moment: another has to go instead, of those that sleep
    /// on channels or of those that are idle.
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
        } else {
            self.rouse_if_queued();
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
            let idle = self.sleepers.iter().filter_map(Listed::idle);
            let (_, round, channel) = idle.min_by_key(|(since, ..)| *since)?;
            // One that has left in the meantime does not hear of it.
            if channel.sleeper.evict(round) {
                return Some((Arc::clone(channel), round));
            }
        }
    }
}

impl Listed {
    /// Since when a thread sleeps here that nobody has called away, with the number of its sleep.
    fn idle(&self) -> Option<(u64, u64, &Arc<Channel>)> {
        let (since, round) = self.channel.sleeper.idle()?;
        Some((since, round, &self.channel))
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
