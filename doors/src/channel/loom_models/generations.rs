//! Two calls on one channel, the first of which may be given up.
//!
//! Two threads, four preemptions (the faults below show with two). The turns lie on both sides of the place where
//! the low half begins again at zero, so that an order between the words would be wrong.
//!
//! Seen to fail:
//! * without any of the four fences in [`state`]: deadlock, or a first call that ran unnoticed;
//! * with a relaxed store in [`state::publish`]: the second call gets the answer to the first;
//! * when the second call is published before the first turn is answered: it ends without an answer of its own;
//! * with `<=` in [`state::stop_looking`]: the wait never ends.

use std::cell::Cell as Plain;
use std::rc::Rc;

use loom::thread;

use super::{Channel, explore};
use crate::channel::ends::low;
use crate::channel::state;
use crate::primitive::{AtomicBool, Ordering};

const FIRST: u64 = 0xFFFF_FFFF;
const SECOND: u64 = FIRST.wrapping_add(1);

/// What the server executes: no two calls have the same result.
fn execute(arguments: u64) -> u64 {
    arguments.rotate_left(1)
}

fn serve(channel: &Channel, ran: &Plain<u64>) {
    for turn in FIRST..=SECOND {
        channel.await_call(turn.wrapping_sub(1));
        let generation = channel.read_generation();
        if state::take(&channel.taken, generation, &channel.abandoned) {
            channel.results.set(execute(channel.arguments.get()));
            ran.set(ran.get().wrapping_add(1));
        }
        channel.publish_answer(turn, generation);
    }
}

fn take_result(channel: &Channel, turn: u64) {
    assert_eq!(state::look(&channel.answered), low(turn));
    assert_eq!(channel.read_answer(), turn, "the answer to another call");
    assert_eq!(
        channel.results.get(),
        execute(turn),
        "the result of another call"
    );
}

#[test]
fn a_late_answer_never_answers_the_next_call() {
    static IN_TIME: AtomicBool = AtomicBool::new(false);
    static NOT_EXECUTED: AtomicBool = AtomicBool::new(false);
    static EXECUTED: AtomicBool = AtomicBool::new(false);

    assert_eq!((low(FIRST), low(SECOND)), (u32::MAX, 0));
    explore(Some(4), || {
        let channel = Rc::new(Channel::new(FIRST.wrapping_sub(1)));
        let ran = Rc::new(Plain::new(0));
        let server = {
            let (channel, ran) = (Rc::clone(&channel), Rc::clone(&ran));
            thread::spawn(move || serve(&channel, &ran))
        };

        channel.publish_call(FIRST);
        // The deadline is now: loom tries this look at every point of the server's way.
        let first_may_have_run = if state::look(&channel.answered) == low(FIRST) {
            take_result(&channel, FIRST);
            IN_TIME.store(true, Ordering::Relaxed);
            true
        } else {
            let may = state::give_up(&channel.abandoned, FIRST, &channel.taken);
            (if may { &EXECUTED } else { &NOT_EXECUTED }).store(true, Ordering::Relaxed);
            // The channel is retired until here.
            channel.await_answer(FIRST.wrapping_sub(1));
            may
        };

        channel.publish_call(SECOND);
        channel.await_answer(FIRST);
        take_result(&channel, SECOND);
        server.join().unwrap();
        assert!(
            first_may_have_run || ran.get() == 1,
            "the first call ran unnoticed"
        );
    });
    for reached in [&IN_TIME, &NOT_EXECUTED, &EXECUTED] {
        assert!(
            reached.load(Ordering::Relaxed),
            "an outcome was never reached"
        );
    }
}
