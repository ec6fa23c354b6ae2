//! The meeting points of a channel, where one side stores before it looks.
//!
//! Three places are races of the same form (Dekker's): each side stores its own word, then looks at the other's,
//! and at least one of them must see the other's store.
//!
//! | place | client stores, looks at | server stores, looks at | if both missed |
//! |---|---|---|---|
//! | sleep | turn, presence | presence = sleeping, turn | the call waits for ever |
//! | quiet | turn, presence | presence = quiet, turn | nobody rings: the call waits for ever |
//! | abandon | abandoned, taken | taken, abandoned | "not executed" for a call that runs |
//!
//! The same holds for the answer (the server publishes, the client sleeps). Release and acquire order the words of
//! a turn before its number, but let a store pass a later load of another word: that needs the `SeqCst` fence
//! between them, on both sides ([`barrier::full`](crate::sys::barrier::full)). `SeqCst` accesses would not be stronger, and loom does not model them.
//!
//! Words of the peer lie in a read-only mapping, for which std allows relaxed loads only; an acquire fence follows.

use crate::primitive::{LongWord, Ordering, Word, fence};
use crate::sys::barrier;

/// Looks at a word of the peer; everything the peer stored before it is visible after.
#[inline]
pub(crate) fn look(word: &impl Word) -> u32 {
    let value = word.load(Ordering::Relaxed);
    fence(Ordering::Acquire);
    value
}

/// Looks at a long word of the peer.
#[inline]
pub(crate) fn look_long(word: &impl LongWord) -> u64 {
    let value = word.load(Ordering::Relaxed);
    fence(Ordering::Acquire);
    value
}

/// Publishes a turn whose other words are stored; returns what the peer says about itself: whether it waits
/// (client) or is present (server) and how it must be woken.
#[inline]
pub(crate) fn publish(turn: &impl Word, number: u32, peer: &impl Word) -> u32 {
    turn.store(number, Ordering::Release);
    barrier::full();
    look(peer)
}

/// Says on our own word that we are about to stop looking, and looks a last time. True: the peer's turn is still
/// `last`, and whatever it publishes from now on comes with a wake (or a ring).
#[inline]
pub(crate) fn stop_looking(own: &impl Word, saying: u32, peer_turn: &impl Word, last: u32) -> bool {
    own.store(saying, Ordering::Relaxed);
    barrier::full();
    look(peer_turn) == last
}

/// The server takes a call. False: the client gave it up before, and it must not run.
#[inline]
pub(crate) fn take(taken: &impl LongWord, generation: u64, abandoned: &impl LongWord) -> bool {
    taken.store(generation, Ordering::Release);
    barrier::full();
    look_long(abandoned) != generation
}

/// The client gives a call up. True: the server may have taken it. False: it never will.
#[inline]
pub(crate) fn give_up(abandoned: &impl LongWord, generation: u64, taken: &impl LongWord) -> bool {
    abandoned.store(generation, Ordering::Release);
    barrier::full();
    look_long(taken) == generation
}
