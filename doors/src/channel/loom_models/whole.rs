//! The whole word protocol, with both waits of both sides: looking (the spin gear), then sleeping.
//!
//! Each side looks first without saying anything, which loom tries at every point of the other's way; then it says on its
//! own word that it sleeps. The server's sleep may end with the time it is given: then the thread leaves the channel quiet,
//! and the leader finds the next call by its ring. The caller may give its first call up, and makes a second one on the
//! same channel once the first turn is answered. So a turn meets every state of the other side: awake, about to
//! sleep, asleep, awake again with the word that says so not yet seen, leaving, gone, and taken over by another.
//!
//! Two threads, or three with the leader; three preemptions, two where everything happens at once.
//!
//! Seen to fail, with the same bounds:
//! * without the fence in [`state::publish`], or with one that is only acquire and release: deadlock in all models;
//! * without the fence in [`state::stop_looking`]: deadlock in all models;
//! * without the last look of [`state::stop_looking`]: a wait that never ends, in all models;
//! * with a relaxed store in [`state::publish`]: a side that sees the turn reads the words of another, in all models;
//! * without the acquire fence in [`state::look`], or when the caller's first look is one without it: the same;
//! * without the fence in [`state::take`] or in [`state::give_up`]: the first call runs, and its caller believes that it
//!   did not;
//! * when a caller that gave up uses the channel before its turn is answered: it takes the answer to another call;
//! * without the fence after the duty was laid down, or without the look after it: deadlock where the thread leaves;
//! * when quiet is said after the duty was laid down: deadlock where the thread leaves, since the word of the next holder is
//!   overwritten.

use std::cell::Cell as Plain;
use std::rc::Rc;

use loom::sync::{Condvar, Mutex};
use loom::thread;

use super::{Channel, explore};
use crate::channel::ends::low;
use crate::channel::state;
use crate::primitive::{AtomicBool, Ordering, Word, fence};
use crate::wire::layout::presence;

/// How many calls there are.
const CALLS: u64 = 2;

/// What a run is about.
#[derive(Clone, Copy)]
struct Plan {
    /// The server thread's sleep ends with its time, and it leaves.
    leaves: bool,
    /// The caller's first wait ends with its deadline.
    gives_up: bool,
}

/// The right to serve the channel, and the last turn that was answered.
struct Duty {
    last: u64,
}

/// The session socket, as the leader sees it.
struct Socket {
    rung: bool,
    hung_up: bool,
}

struct Session {
    channel: Channel,
    plan: Plan,
    slot: Mutex<Option<Duty>>,
    socket: Mutex<Socket>,
    leader: Condvar,
    /// Turns that were answered, and calls that ran: known to the model alone, so that they order nothing.
    answered: Plain<u64>,
    ran: Plain<u64>,
}

/// What was reached: a model that never gets to its race would pass too.
struct Reached {
    seen_call: AtomicBool,
    slept_for_call: AtomicBool,
    seen_answer: AtomicBool,
    slept_for_answer: AtomicBool,
    rung: AtomicBool,
    given_up: AtomicBool,
    given_up_late: AtomicBool,
}

static REACHED: Reached = Reached {
    seen_call: AtomicBool::new(false),
    slept_for_call: AtomicBool::new(false),
    seen_answer: AtomicBool::new(false),
    slept_for_answer: AtomicBool::new(false),
    rung: AtomicBool::new(false),
    given_up: AtomicBool::new(false),
    given_up_late: AtomicBool::new(false),
};

fn reach(what: &AtomicBool) {
    what.store(true, Ordering::Relaxed);
}

/// What the server executes: no two calls have the same result.
fn execute(arguments: u64) -> u64 {
    arguments.rotate_left(1)
}

impl Session {
    fn new(plan: Plan) -> Self {
        Self {
            channel: Channel::new(0),
            plan,
            slot: Mutex::new(None),
            // A ring for another channel of the session: it makes the leader look here at any time.
            socket: Mutex::new(Socket {
                rung: true,
                hung_up: false,
            }),
            leader: Condvar::new(),
            answered: Plain::new(0),
            ran: Plain::new(0),
        }
    }

    /// A server thread waits for the next turn: it looks, then sleeps. False: the sleep has timed out.
    fn await_call(&self, last: u64, times_out: bool) -> bool {
        let channel = &self.channel;
        if state::look(&channel.turn) != low(last) {
            reach(&REACHED.seen_call);
            return true;
        }
        loop {
            let (saying, turn) = (presence::SLEEPING, &channel.turn);
            let alone = state::stop_looking(&channel.presence, saying, turn, low(last));
            if alone && !times_out {
                channel.servers.wait(turn, low(last));
            }
            Word::store(&channel.presence, presence::AWAKE, Ordering::Relaxed);
            if state::look(turn) != low(last) {
                reach(&REACHED.slept_for_call);
                return true;
            }
            if times_out {
                return false;
            }
        }
    }

    /// The caller waits for the answer to a turn: it looks, then sleeps.
    fn await_answer(&self, turn: u64) {
        let (channel, last) = (&self.channel, low(turn.wrapping_sub(1)));
        if state::look(&channel.answered) == low(turn) {
            return reach(&REACHED.seen_answer);
        }
        while state::stop_looking(&channel.waiting, 1, &channel.answered, last) {
            reach(&REACHED.slept_for_answer);
            channel.clients.wait(&channel.answered, last);
        }
        Word::store(&channel.waiting, 0, Ordering::Relaxed);
    }

    /// Publishes a call, and rings if nobody is there.
    fn publish(&self, turn: u64) {
        if self.channel.publish_call(turn) {
            reach(&REACHED.rung);
            self.tell_leader(|socket| socket.rung = true);
        }
    }

    fn tell_leader(&self, what: impl FnOnce(&mut Socket)) {
        what(&mut self.socket.lock().unwrap());
        self.leader.notify_one();
    }

    fn take_result(&self, turn: u64) {
        assert_eq!(
            self.channel.read_answer(),
            turn,
            "the answer to another call"
        );
        assert_eq!(
            self.channel.results.get(),
            execute(turn),
            "the result of another call"
        );
    }

    /// The caller's side: two calls, the first of which may be given up after one look.
    fn call(&self) {
        let channel = &self.channel;
        self.publish(1);
        let mut may_have_run = true;
        if self.plan.gives_up && state::look(&channel.answered) != low(1) {
            may_have_run = state::give_up(&channel.abandoned, 1, &channel.taken);
            reach(if may_have_run {
                &REACHED.given_up_late
            } else {
                &REACHED.given_up
            });
            // The channel is retired until here.
            self.await_answer(1);
        } else {
            self.await_answer(1);
            self.take_result(1);
        }
        assert!(
            may_have_run || self.ran.get() == 0,
            "the first call ran unnoticed"
        );
        for turn in 2..=CALLS {
            self.publish(turn);
            self.await_answer(turn);
            self.take_result(turn);
        }
        self.tell_leader(|socket| socket.hung_up = true);
    }

    /// Serves the turn that is there.
    fn serve(&self, duty: &mut Duty) {
        let channel = &self.channel;
        duty.last = duty.last.wrapping_add(1);
        self.answered.set(self.answered.get().wrapping_add(1));
        assert_eq!(self.answered.get(), duty.last, "served twice");
        let generation = channel.read_generation();
        assert_eq!(generation, duty.last);
        if state::take(&channel.taken, generation, &channel.abandoned) {
            channel.results.set(execute(channel.arguments.get()));
            self.ran.set(self.ran.get().wrapping_add(1));
        }
        channel.publish_answer(duty.last, generation);
    }

    /// A server thread with the channel on its desk: until there are no more calls, or it has left.
    fn attend(&self, mut duty: Duty, leaves: bool) {
        while duty.last < CALLS {
            if !self.await_call(duty.last, leaves) {
                match self.go_quiet(duty) {
                    Some(back) => duty = back,
                    None => return,
                }
                Word::store(&self.channel.presence, presence::AWAKE, Ordering::Relaxed);
            }
            self.serve(&mut duty);
        }
    }

    /// As `Duty::go_quiet`.
    fn go_quiet(&self, duty: Duty) -> Option<Duty> {
        Word::store(&self.channel.presence, presence::QUIET, Ordering::Relaxed);
        *self.slot.lock().unwrap() = Some(duty);
        fence(Ordering::SeqCst);
        self.take_waiting()
    }

    fn take_waiting(&self) -> Option<Duty> {
        let mut slot = self.slot.lock().unwrap();
        slot.take_if(|duty| state::look(&self.channel.turn) != low(duty.last))
    }

    /// The leader: looks at the quiet channel for each ring, and stays there with what it finds.
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
            if let Some(mut duty) = self.take_waiting() {
                Word::store(&self.channel.presence, presence::AWAKE, Ordering::Relaxed);
                self.serve(&mut duty);
                self.attend(duty, false);
            }
        }
    }
}

fn assert_all_calls_end(plan: Plan) {
    let session = Rc::new(Session::new(plan));
    let server = {
        let session = Rc::clone(&session);
        thread::spawn(move || session.attend(Duty { last: 0 }, plan.leaves))
    };
    let leader = plan.leaves.then(|| {
        let session = Rc::clone(&session);
        thread::spawn(move || session.lead())
    });
    session.call();
    server.join().unwrap();
    if let Some(leader) = leader {
        leader.join().unwrap();
    }
    assert_eq!(session.answered.get(), CALLS, "a call was lost");
}

fn assert_reached(what: &[&AtomicBool]) {
    for reached in what {
        assert!(
            reached.load(Ordering::Relaxed),
            "something was never reached"
        );
    }
}

#[test]
fn calls_end_whether_sides_look_or_sleep() {
    explore(Some(3), || {
        assert_all_calls_end(Plan {
            leaves: false,
            gives_up: false,
        });
    });
    assert_reached(&[&REACHED.seen_call, &REACHED.slept_for_call]);
    assert_reached(&[&REACHED.seen_answer, &REACHED.slept_for_answer]);
}

#[test]
fn calls_end_whether_sides_look_or_sleep_or_give_up() {
    explore(Some(3), || {
        assert_all_calls_end(Plan {
            leaves: false,
            gives_up: true,
        });
    });
    assert_reached(&[&REACHED.given_up, &REACHED.given_up_late]);
}

#[test]
fn calls_end_whether_the_server_looks_or_sleeps_or_leaves() {
    explore(Some(3), || {
        assert_all_calls_end(Plan {
            leaves: true,
            gives_up: false,
        });
    });
    assert_reached(&[&REACHED.rung]);
}

#[test]
fn calls_end_whatever_both_sides_do() {
    explore(Some(2), || {
        assert_all_calls_end(Plan {
            leaves: true,
            gives_up: true,
        });
    });
}
