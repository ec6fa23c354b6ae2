//! Giving a call up, against the server that takes it.
//!
//! Two threads, no preemption bound.
//!
//! Seen to fail:
//! * without the fence or the look in [`state::take`] or in [`state::give_up`], or when [`state::take`] looks before
//!   it stores: the call runs, and its caller believes that it did not;
//! * when the channel is used again at once, or at once after "not executed": mixed calls.

use std::cell::Cell as Plain;
use std::rc::Rc;

use loom::thread;

use super::{Channel, explore};
use crate::channel::ends::low;
use crate::channel::state;
use crate::primitive::{AtomicBool, Ordering};

/// Takes the published call and runs it; nothing of it is read before it is taken. True: it ran.
fn serve(channel: &Channel, turn: u64) -> bool {
    let generation = channel.read_generation();
    assert_eq!(generation, turn);
    let taken = state::take(&channel.taken, generation, &channel.abandoned);
    if taken {
        assert_eq!(
            channel.arguments.get(),
            generation,
            "arguments of another call"
        );
        channel.results.set(generation);
    }
    channel.publish_answer(turn, generation);
    taken
}

#[test]
fn what_the_caller_takes_for_not_executed_never_runs() {
    static NOT_EXECUTED: AtomicBool = AtomicBool::new(false);
    static EXECUTED: AtomicBool = AtomicBool::new(false);

    explore(None, || {
        let channel = Rc::new(Channel::new(0));
        let ran = Rc::new(Plain::new(false));
        let server = {
            let (channel, ran) = (Rc::clone(&channel), Rc::clone(&ran));
            thread::spawn(move || {
                channel.await_call(0);
                ran.set(serve(&channel, 1));
            })
        };
        channel.publish_call(1);
        let may_have_run = state::give_up(&channel.abandoned, 1, &channel.taken);
        server.join().unwrap();
        assert!(
            may_have_run || !ran.get(),
            "ran, and the caller was told that it did not"
        );
        (if may_have_run {
            &EXECUTED
        } else {
            &NOT_EXECUTED
        })
        .store(true, Ordering::Relaxed);
    });
    // A model that never gets to its race would pass too.
    assert!(NOT_EXECUTED.load(Ordering::Relaxed) && EXECUTED.load(Ordering::Relaxed));
}

/// The channel of an abandoned call is retired: the caller stores nothing in it until the answer to that turn is
/// there, whatever it was told about the call.
#[test]
fn arguments_of_two_calls_are_never_mixed() {
    static REUSED: AtomicBool = AtomicBool::new(false);
    static SECOND_RAN: AtomicBool = AtomicBool::new(false);

    explore(None, || {
        let channel = Rc::new(Channel::new(0));
        let server = {
            let channel = Rc::clone(&channel);
            thread::spawn(move || {
                channel.await_call(0);
                serve(&channel, 1);
                // One look is enough: loom tries it before and after the second call.
                if state::look(&channel.turn) == low(2) {
                    assert!(serve(&channel, 2), "nobody gave the second call up");
                    SECOND_RAN.store(true, Ordering::Relaxed);
                }
            })
        };
        channel.publish_call(1);
        state::give_up(&channel.abandoned, 1, &channel.taken);
        if state::look(&channel.answered) == low(1) {
            channel.publish_call(2);
            REUSED.store(true, Ordering::Relaxed);
        }
        server.join().unwrap();
    });
    assert!(REUSED.load(Ordering::Relaxed) && SECOND_RAN.load(Ordering::Relaxed));
}
