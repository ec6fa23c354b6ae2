//! Falling asleep against publishing, in both directions.
//!
//! Two threads; no preemption bound for one turn, five for two whole calls (one shows the faults below).
//!
//! Seen to fail, in the direction concerned and in the two calls:
//! * without the fence in [`publish`] or in [`stop_looking`], or with one that is only acquire and release:
//!   deadlock;
//! * without the last look of [`stop_looking`]: the wait never ends;
//! * with a relaxed store in [`publish`], or without the acquire fence in [`look`]: unordered accesses to the area.
//!
//! [`publish`]: crate::channel::state::publish
//! [`stop_looking`]: crate::channel::state::stop_looking
//! [`look`]: crate::channel::state::look

use loom::sync::Arc;
use loom::thread;

use super::{Channel, explore};

#[test]
fn a_call_reaches_a_server_that_falls_asleep() {
    explore(None, || {
        let channel = Arc::new(Channel::new(0));
        let server = {
            let channel = Arc::clone(&channel);
            thread::spawn(move || {
                channel.await_call(0);
                assert_eq!(channel.arguments.get(), 1);
            })
        };
        assert!(
            !channel.publish_call(1),
            "a thread is there: nobody has to ring"
        );
        server.join().unwrap();
    });
}

#[test]
fn an_answer_reaches_a_client_that_falls_asleep() {
    explore(None, || {
        let channel = Arc::new(Channel::new(0));
        let server = {
            let channel = Arc::clone(&channel);
            thread::spawn(move || {
                channel.results.set(1);
                channel.publish_answer(1, 1);
            })
        };
        channel.await_answer(0);
        assert_eq!((channel.results.get(), channel.read_answer()), (1, 1));
        server.join().unwrap();
    });
}

/// What a side said while it slept is still there when it is awake, and the next turn may meet it.
#[test]
fn two_calls_pass_between_two_that_fall_asleep() {
    explore(Some(5), || {
        let channel = Arc::new(Channel::new(0));
        let server = {
            let channel = Arc::clone(&channel);
            thread::spawn(move || {
                for turn in 1..=2_u64 {
                    channel.await_call(turn.wrapping_sub(1));
                    channel.results.set(channel.arguments.get());
                    channel.publish_answer(turn, turn);
                }
            })
        };
        for turn in 1..=2_u64 {
            assert!(
                !channel.publish_call(turn),
                "a thread is there: nobody has to ring"
            );
            channel.await_answer(turn.wrapping_sub(1));
            assert_eq!((channel.results.get(), channel.read_answer()), (turn, turn));
        }
        server.join().unwrap();
    });
}
