//! The races of a channel, explored by loom.
//!
//! Every model calls the functions of [`state`] or of [`rounds`](super::rounds) themselves, on loom's atomics; only what surrounds them (who waits
//! how, who owns what) is written down here again, as short as it can be: where the library looks or fences once
//! more than it has to, the model does not. Loom runs a model once for each order of
//! events and for each value that a load may return. A run fails by an assertion, by a deadlock (a lost wake or a
//! lost call), by too many steps (a wait that never ends) or by two unordered accesses to an area.
//!
//! # What is covered
//!
//! A model has at most three threads. Where no preemption bound is given the exploration is complete. Otherwise
//! the bound is above what the faults named in the file need to show; one more multiplies the time by five to
//! fifteen.
//!
//! Loom switches threads at accesses, not at fences. That loses nothing: a fence of ours stands between a store
//! and a load of its own thread, and loom lets that load return the older value until fences forbid it. Loom never
//! lets a load return a value stored later. Nothing is lost by that either: whoever lets go of an area says so by a
//! store with release, which stays behind the loads before it.
//!
//! # What a model is worth
//!
//! A model that cannot fail shows nothing. Each file names changes that make its models fail, and each of them was
//! tried. Whoever changes [`state`] or a model tries them again.

mod abandon;
mod crowd;
mod death;
mod generations;
mod parked;
mod promise;
mod quiet;
mod rounds;
mod sleep;
mod whole;

use loom::cell::Cell;
use loom::sync::atomic::{AtomicU32, AtomicU64};
use loom::sync::{Condvar, Mutex};

use super::ends::low;
use super::state;
use crate::primitive::{LongWord, Ordering, Word};
use crate::wire::layout::presence;

/// Runs a model in every order, with at most so many preemptions (`None`: any number).
fn explore(preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(model);
}

/// The sleepers on one word.
///
/// futex(2) promises that the comparison and the falling asleep are one step against wakers of that word. It is
/// not asked for any other order here: the comparison is a relaxed load that may still see an old value.
struct Futex {
    queue: Mutex<()>,
    sleepers: Condvar,
}

impl Futex {
    fn new() -> Self {
        Self {
            queue: Mutex::new(()),
            sleepers: Condvar::new(),
        }
    }

    fn wait(&self, word: &AtomicU32, expected: u32) {
        let queue = self.queue.lock().unwrap();
        if Word::load(word, Ordering::Relaxed) == expected {
            drop(self.sleepers.wait(queue).unwrap());
        }
    }

    fn wake(&self) {
        let queue = self.queue.lock().unwrap();
        self.sleepers.notify_all();
        drop(queue);
    }
}

/// The words and areas of one channel, with the sleepers on its two turn words.
///
/// An area is a cell: loom fails a run in which two accesses to it, one of them a store, are not ordered.
struct Channel {
    turn: AtomicU32,
    waiting: AtomicU32,
    generation: AtomicU64,
    abandoned: AtomicU64,
    arguments: Cell<u64>,
    servers: Futex,

    answered: AtomicU32,
    presence: AtomicU32,
    answer_generation: AtomicU64,
    taken: AtomicU64,
    results: Cell<u64>,
    clients: Futex,
}

impl Channel {
    /// A channel at which a server thread looks, and on which everything up to `last` is over.
    fn new(last: u64) -> Self {
        Self {
            turn: AtomicU32::new(low(last)),
            waiting: AtomicU32::new(0),
            generation: AtomicU64::new(last),
            abandoned: AtomicU64::new(0),
            arguments: Cell::new(last),
            servers: Futex::new(),

            answered: AtomicU32::new(low(last)),
            presence: AtomicU32::new(presence::AWAKE),
            answer_generation: AtomicU64::new(last),
            taken: AtomicU64::new(0),
            results: Cell::new(last),
            clients: Futex::new(),
        }
    }

    /// The client publishes a call. True: it has to ring.
    fn publish_call(&self, turn: u64) -> bool {
        self.arguments.set(turn);
        LongWord::store(&self.generation, turn, Ordering::Relaxed);
        match state::publish(&self.turn, low(turn), &self.presence) {
            presence::AWAKE => false,
            presence::SLEEPING => {
                self.servers.wake();
                false
            }
            _ => true,
        }
    }

    /// The server publishes the answer to a turn.
    fn publish_answer(&self, turn: u64, generation: u64) {
        LongWord::store(&self.answer_generation, generation, Ordering::Relaxed);
        if state::publish(&self.answered, low(turn), &self.waiting) != 0 {
            self.clients.wake();
        }
    }

    /// A server thread sleeps until there is a turn other than `last`.
    fn await_call(&self, last: u64) {
        loop {
            let (saying, turn) = (presence::SLEEPING, &self.turn);
            let alone = state::stop_looking(&self.presence, saying, turn, low(last));
            if alone {
                self.servers.wait(turn, low(last));
            }
            Word::store(&self.presence, presence::AWAKE, Ordering::Relaxed);
            if !alone {
                return;
            }
        }
    }

    /// The client's thread sleeps until the answer to a turn other than `last` is there.
    fn await_answer(&self, last: u64) {
        while state::stop_looking(&self.waiting, 1, &self.answered, low(last)) {
            self.clients.wait(&self.answered, low(last));
        }
        Word::store(&self.waiting, 0, Ordering::Relaxed);
    }

    /// The generation of the published call.
    fn read_generation(&self) -> u64 {
        LongWord::load(&self.generation, Ordering::Relaxed)
    }

    /// The generation of the published answer.
    fn read_answer(&self) -> u64 {
        LongWord::load(&self.answer_generation, Ordering::Relaxed)
    }
}
