//! Leaving a channel while a call arrives.
//!
//! Three threads: the caller, the leaving thread, the leader. What a thread needs to know about the channel is its
//! *duty*. Whoever holds it serves; nobody else may, and nobody else stores the presence word. So a thread says
//! quiet *before* it lays the duty down: later, that word would overwrite what the next holder says. After that it
//! looks whether a call has come meanwhile that nobody rang for.
//!
//! Four preemptions for one call, three for two calls, which were run once with four as well. The faults below show
//! with two.
//!
//! Seen to fail:
//! * without the fence in [`state::publish`] or the one in [`Session::go_quiet`]: deadlock, the call is lost;
//! * without the look after the duty was laid down: the same;
//! * when quiet is said after the duty was laid down: deadlock, the second call rings and finds nobody;
//! * when the duty can be taken by two: served twice;
//! * when a duty is taken whose turn is over: a call is served that was never made;
//! * when the leaving thread takes back whatever lies there, because it has seen a call for its *own* duty: by then
//!   the leader may have served that call and left again, and what is served now was never made.

use std::cell::Cell as Plain;
use std::rc::Rc;

use loom::sync::{Condvar, Mutex};
use loom::thread;

use super::{Channel, explore};
use crate::channel::ends::low;
use crate::channel::state;
use crate::primitive::{Ordering, Word, fence};
use crate::wire::layout::presence;

/// The right to serve the channel, and the last turn that was served.
struct Duty {
    last: u64,
}

/// What whoever served the first call does afterwards.
#[derive(Clone, Copy)]
enum Afterwards {
    /// It sleeps on the channel.
    Sleep,
    /// It leaves again.
    Leave,
}

/// The session socket, as the leader sees it.
struct Socket {
    rung: bool,
    hung_up: bool,
}

struct Session {
    channel: Channel,
    slot: Mutex<Option<Duty>>,
    socket: Mutex<Socket>,
    leader: Condvar,
    afterwards: Afterwards,
    calls: u64,
    /// How many calls were served: known to the model alone, so that it orders nothing.
    served: Plain<u64>,
}

impl Session {
    fn new(calls: u64, afterwards: Afterwards) -> Self {
        Self {
            channel: Channel::new(0),
            slot: Mutex::new(None),
            // A ring for another channel of the session: it makes the leader look here at any time.
            socket: Mutex::new(Socket {
                rung: true,
                hung_up: false,
            }),
            leader: Condvar::new(),
            afterwards,
            calls,
            served: Plain::new(0),
        }
    }

    fn tell_leader(&self, what: impl FnOnce(&mut Socket)) {
        what(&mut self.socket.lock().unwrap());
        self.leader.notify_one();
    }

    /// The caller's side: every call, then the end of the session.
    fn call(&self) {
        for turn in 1..=self.calls {
            if self.channel.publish_call(turn) {
                self.tell_leader(|socket| socket.rung = true);
            }
            self.channel.await_answer(turn.wrapping_sub(1));
            assert_eq!(
                (self.channel.results.get(), self.channel.read_answer()),
                (turn, turn)
            );
        }
        self.tell_leader(|socket| socket.hung_up = true);
    }

    /// The leader's side: a look at the quiet channel for each ring.
    fn lead(&self) {
        loop {
            let mut socket = self.socket.lock().unwrap();
            while !socket.rung && !socket.hung_up {
                socket = self.leader.wait(socket).unwrap();
            }
            if !socket.rung {
                return;
            }
            socket.rung = false;
            drop(socket);
            if let Some(duty) = self.take_waiting() {
                self.serve(duty);
            }
        }
    }

    /// Takes the duty if it lies there and a call waits for it. The comparison is with the duty that lies there:
    /// between a thread's own look and this another may have served the call and left again.
    fn take_waiting(&self) -> Option<Duty> {
        self.slot
            .lock()
            .unwrap()
            .take_if(|duty| state::look(&self.channel.turn) != low(duty.last))
    }

    /// Leaves the channel without a thread, unless a call came at this moment.
    fn go_quiet(&self, duty: Duty) -> Option<Duty> {
        Word::store(&self.channel.presence, presence::QUIET, Ordering::Relaxed);
        *self.slot.lock().unwrap() = Some(duty);
        fence(Ordering::SeqCst);
        self.take_waiting()
    }

    /// A thread that goes.
    fn leave(&self, duty: Duty) {
        if let Some(duty) = self.go_quiet(duty) {
            self.serve(duty);
        }
    }

    fn serve(&self, mut duty: Duty) {
        Word::store(&self.channel.presence, presence::AWAKE, Ordering::Relaxed);
        loop {
            duty.last = duty.last.wrapping_add(1);
            self.served.set(self.served.get().wrapping_add(1));
            assert_eq!(self.served.get(), duty.last, "served twice");
            self.channel.results.set(self.channel.arguments.get());
            self.channel
                .publish_answer(duty.last, self.channel.read_generation());
            if duty.last == self.calls {
                return;
            }
            match self.afterwards {
                Afterwards::Sleep => self.channel.await_call(duty.last),
                Afterwards::Leave => return self.leave(duty),
            }
        }
    }
}

/// Asserts that each of so many calls is served, once and in its turn.
fn assert_served_once(calls: u64, afterwards: Afterwards) {
    let session = Rc::new(Session::new(calls, afterwards));
    let thread = {
        let session = Rc::clone(&session);
        thread::spawn(move || session.leave(Duty { last: 0 }))
    };
    let leader = {
        let session = Rc::clone(&session);
        thread::spawn(move || session.lead())
    };
    session.call();
    thread.join().unwrap();
    leader.join().unwrap();
    assert_eq!(session.served.get(), calls, "a call was lost");
}

#[test]
fn a_call_is_served_once_while_the_thread_leaves() {
    explore(Some(4), || assert_served_once(1, Afterwards::Sleep));
}

#[test]
fn the_next_call_finds_whoever_served_the_first() {
    explore(Some(3), || assert_served_once(2, Afterwards::Sleep));
}

#[test]
fn the_next_call_finds_the_leader_when_all_have_left_again() {
    explore(Some(3), || assert_served_once(2, Afterwards::Leave));
}
