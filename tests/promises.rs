//! Answers that methods give early, late, and not at all.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on ends"
)]

#[path = "peer/typed/promises.rs"]
mod promises;

use std::io::Read;
use std::thread;
use std::time::{Duration, Instant};

use doors::{CallCondition, CallState, ProcedureError};
use harness::typed::{condition, serve};
use harness::{Census, Directory, Peer, Watchdog};
use promises::{Book, NoWord, PromisesClient, PromisesDoor, simple};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

fn start(name: &str) -> (Peer, PromisesClient, Directory) {
    serve(PEER, "typed-promises", name)
}

/// Waits until so many callers wait.
fn until_waiting(promises: &PromisesClient, many: usize) {
    while promises.waiting().unwrap().0 != many {
        thread::yield_now();
    }
}

#[test]
fn callers_need_not_know_how_a_method_answers() {
    let _watchdog = Watchdog::new("callers_need_not_know_how_a_method_answers");
    let (_peer, promises, _directory) = start("simple");
    let simple = simple::PromisesClient::from(promises.door().clone());
    for (one, other) in PromisesDoor::INTERFACE
        .methods()
        .iter()
        .zip(simple::PromisesDoor::INTERFACE.methods())
    {
        assert_eq!(one.signature(), other.signature());
        assert_eq!(one.tag(), other.tag());
    }
    for number in 0..3 {
        assert_eq!(simple.at_once(number).unwrap(), number);
        assert_eq!(promises.at_once(number).unwrap(), number);
    }
    simple.nothing().unwrap();
    promises.nothing().unwrap();
    // The value itself serves nobody here.
    drop(Book::default());
}

#[test]
fn a_caller_that_was_answered_goes_on_while_the_method_does() {
    let _watchdog = Watchdog::new("a_caller_that_was_answered_goes_on_while_the_method_does");
    let (_peer, promises, _directory) = start("early");
    for _ in 0..5 {
        // Only this thread lets the method go, after the answer.
        assert_eq!(promises.early("word").unwrap(), "word");
        promises.let_go().unwrap();
        let error = promises.early("").unwrap_err();
        assert!(
            matches!(error, ProcedureError::Returned(NoWord)),
            "{error:?}"
        );
        promises.let_go().unwrap();
    }
}

#[test]
fn a_promise_is_kept_by_another_thread_whenever_it_likes() {
    let _watchdog = Watchdog::new("a_promise_is_kept_by_another_thread_whenever_it_likes");
    let (peer, promises, _directory) = start("later");
    let turn = || {
        thread::scope(|scope| {
            let waiting = [(); 3].map(|()| scope.spawn(|| promises.later()));
            until_waiting(&promises, 3);
            let large = vec![7; 100_000];
            promises.give(Some(large.clone())).unwrap();
            promises.give(None).unwrap();
            promises.give(Some(vec![])).unwrap();
            // Who has come first is nobody's to say.
            let mut answers =
                waiting.map(|waiter| waiter.join().unwrap().map_err(|error| format!("{error:?}")));
            answers.sort_by_key(|answer| answer.as_ref().map_or(0, |word| word.len() + 1));
            let [failed, empty, full] = answers;
            assert!(failed.is_err());
            assert_eq!([empty, full], [Ok(vec![]), Ok(large)]);
        });
    };
    turn();
    turn();
    let before = Census::of(peer.pid());
    (0..8).for_each(|_| turn());
    let mut text = String::new();
    let mut file = promises.file("/proc/self/comm".to_owned()).unwrap();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "peer\n");
    drop(file);
    Census::settle(peer.pid(), "after promises", |now| {
        now.descriptors() <= before.descriptors()
    });
}

#[test]
fn a_promise_that_is_broken_is_a_clear_error_and_never_a_hang() {
    let _watchdog = Watchdog::new("a_promise_that_is_broken_is_a_clear_error_and_never_a_hang");
    let (_peer, promises, _directory) = start("broken");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| promises.later());
        until_waiting(&promises, 1);
        promises.give_up().unwrap();
        let error = waiting.join().unwrap().unwrap_err();
        assert_eq!(error.call_state(), CallState::MayHaveExecuted);
        assert_eq!(condition::<(), _>(Err(error)), CallCondition::Unanswered);
    });
    // One that is kept and never answered: the caller's deadline holds.
    let soon = Instant::now() + Duration::from_millis(20);
    let lost = condition(promises.until(soon).later());
    assert!(matches!(lost, CallCondition::TimedOut { .. }), "{lost:?}");
}

#[test]
fn an_answer_that_cannot_be_handed_over_is_lost_and_said_to_be() {
    let _watchdog = Watchdog::new("an_answer_that_cannot_be_handed_over_is_lost_and_said_to_be");
    let (peer, promises, _directory) = start("lost");
    let before = Census::of(peer.pid());
    for how in ["return", "reply", "reply now", "keep", "hold"] {
        // The first of them goes on the connection.
        let lost = condition(promises.files(1025, how));
        assert_eq!(lost, CallCondition::ReplyLost, "{how}");
        assert_eq!(promises.files(3, how).unwrap().len(), 3);
    }
    Census::settle(peer.pid(), "after lost files", |now| {
        now.descriptors.get("/dev/null") <= before.descriptors.get("/dev/null")
    });
}

#[test]
fn whoever_promised_learns_that_the_caller_was_killed() {
    let _watchdog = Watchdog::new("whoever_promised_learns_that_the_caller_was_killed");
    let (peer, promises, directory) = start("killed");
    let path = directory.join("door");
    let path = path.to_str().unwrap();
    let visit = || {
        let mut visitor = Peer::start(PEER, "typed-waiter", &[path]);
        visitor.expect("ready");
        until_waiting(&promises, 1);
        visitor
    };
    let mut visitor = visit();
    assert_eq!(promises.waiting().unwrap(), (1, false, 0));
    visitor.kill();
    while promises.waiting().unwrap() != (1, true, 1) {
        thread::yield_now();
    }
    // To answer it is no error.
    promises.give(Some(vec![1])).unwrap();
    let before = Census::of(peer.pid());
    for gone in 2..10 {
        visit().kill();
        while promises.waiting().unwrap() != (1, true, gone) {
            thread::yield_now();
        }
        promises.give_up().unwrap();
    }
    Census::settle(peer.pid(), "after killed callers", |now| {
        now.descriptors() <= before.descriptors() && now.mappings <= before.mappings
    });
}

#[test]
fn a_call_has_one_answer_whatever_its_method_does() {
    let _watchdog = Watchdog::new("a_call_has_one_answer_whatever_its_method_does");
    let (_peer, promises, _directory) = start("odd");
    // The first call travels on the connection, the others through a session.
    for _ in 0..2 {
        for what in [
            "reply, then return",
            "reply twice",
            "reply, then hold",
            "reply with another type",
            "keep at once",
            "hold, then return",
            "keep, then return",
            "steal",
        ] {
            assert_eq!(promises.odd(what).unwrap(), 1, "{what}");
        }
        let lost = condition(promises.odd("use what was stolen"));
        assert_eq!(lost, CallCondition::Unanswered);
        let lost = condition(promises.odd("break at once"));
        assert_eq!(lost, CallCondition::Unanswered);
        let lost = condition(promises.odd("panic"));
        assert_eq!(lost, CallCondition::Panicked);
        assert_eq!(promises.plain().unwrap(), 1);
    }
}

#[test]
fn many_bytes_are_answered_in_every_way() {
    let _watchdog = Watchdog::new("many_bytes_are_answered_in_every_way");
    let (_peer, promises, _directory) = start("bytes");
    let soon = promises.until(Instant::now() + Duration::from_mins(1));
    for many in [0, 100, 20_000, 3 << 20] {
        let bytes: Vec<u8> = (0..=250).cycle().take(many).collect();
        for how in ["return", "reply", "reply now", "keep", "hold"] {
            for promises in [&promises, &soon] {
                let back = promises.mirror(how, bytes.clone()).unwrap();
                assert!(back == bytes, "{many} by {how}");
            }
        }
    }
}
