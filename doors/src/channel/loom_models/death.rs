//! The death of the peer, against a thread that falls asleep on the peer's word.
//!
//! Nobody will change the word of a dead peer, and the kernel forgets a wake that comes before the sleeper. So the
//! watcher repeats its wake until the waiting thread has left.
//!
//! Two threads, or three with the peer; no preemption bound.
//!
//! Seen to fail:
//! * without the fence on either side (in [`state::stop_looking`], in [`state::publish`]): deadlock;
//! * when the dead flag is looked at before the entry is made: deadlock;
//! * when the watcher wakes once: deadlock;
//! * when the answer is looked for before the dead flag only: an answer is lost.

use std::rc::Rc;

use loom::sync::atomic::AtomicU32;
use loom::thread;

use super::{Channel, explore};
use crate::channel::ends::low;
use crate::channel::state;
use crate::primitive::{Ordering, Word};

struct Client {
    channel: Channel,
    /// Private to the client's process: the watcher saw the peer die.
    dead: AtomicU32,
    /// Private to it as well: the entry of the waiting thread in the table of the watcher.
    waiting: AtomicU32,
}

impl Client {
    fn new() -> Self {
        Self {
            channel: Channel::new(0),
            dead: AtomicU32::new(0),
            waiting: AtomicU32::new(0),
        }
    }

    /// The waiting thread. True: there is an answer.
    fn await_answer(&self) -> bool {
        let channel = &self.channel;
        // The entry is made once, before the flag is looked at, with the fence between.
        let mut alive = state::stop_looking(&self.waiting, 1, &self.dead, 0);
        while alive && state::stop_looking(&channel.waiting, 1, &channel.answered, low(0)) {
            channel.clients.wait(&channel.answered, low(0));
            alive = state::look(&self.dead) == 0;
        }
        Word::store(&self.waiting, 0, Ordering::Release);
        // The last look comes after the flag: what the peer published before it died counts.
        state::look(&channel.answered) == low(1)
    }

    /// The watcher, once the kernel has told it.
    fn peer_died(&self) {
        let mut waiting = state::publish(&self.dead, 1, &self.waiting);
        while waiting != 0 {
            self.channel.clients.wake();
            thread::yield_now();
            waiting = state::look(&self.waiting);
        }
    }
}

#[test]
fn a_waiting_thread_leaves_a_dead_peer() {
    explore(None, || {
        let client = Rc::new(Client::new());
        let watcher = {
            let client = Rc::clone(&client);
            thread::spawn(move || client.peer_died())
        };
        assert!(!client.await_answer(), "nobody answered");
        watcher.join().unwrap();
    });
}

#[test]
fn an_answer_of_a_peer_that_died_then_is_found() {
    explore(None, || {
        let client = Rc::new(Client::new());
        let peer = {
            let client = Rc::clone(&client);
            thread::spawn(move || {
                client.channel.results.set(1);
                client.channel.publish_answer(1, 1);
            })
        };
        let watcher = {
            let client = Rc::clone(&client);
            thread::spawn(move || {
                peer.join().unwrap();
                client.peer_died();
            })
        };
        assert!(
            client.await_answer(),
            "the answer was there before the death"
        );
        assert_eq!(client.channel.results.get(), 1);
        watcher.join().unwrap();
    });
}
