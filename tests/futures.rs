//! Answers that are given by futures, which end with their callers.
#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test that cannot go on ends"
)]

#[path = "peer/typed/errands.rs"]
mod errands;

use std::future::pending;
use std::pin::pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use doors::{Answer, Call, CallCondition, ProcedureError, Promise, door};
use errands::{ErrandsAsyncClient, ErrandsClient, MANY, Odd, Office, Tally};
use harness::typed::{condition, serve};
use harness::{Census, Directory, Peer, Watchdog};
use tokio::runtime::Builder;

const PEER: &str = env!("CARGO_BIN_EXE_peer");

fn start(name: &str) -> (Peer, ErrandsClient, Directory) {
    serve(PEER, "typed-errands", name)
}

fn is_late<T: std::fmt::Debug, E: std::fmt::Debug>(outcome: Result<T, ProcedureError<E>>) -> bool {
    matches!(condition(outcome), CallCondition::TimedOut { .. })
}

/// Waits until it is so.
fn until(errands: &ErrandsClient, is_so: impl Fn(Tally) -> bool) -> Tally {
    loop {
        let tally = errands.tally().unwrap();
        if is_so(tally) {
            return tally;
        }
        thread::yield_now();
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_millis(20)
}

#[test]
fn one_thread_serves_many_calls_at_once() {
    let _watchdog = Watchdog::new("one_thread_serves_many_calls_at_once");
    let (peer, errands, _directory) = start("many");
    let turn = || {
        thread::scope(|scope| {
            let callers = [(); MANY].map(|()| scope.spawn(|| errands.meet()));
            for caller in callers {
                assert_eq!(caller.join().unwrap().unwrap(), 1);
            }
        });
        // Clients that await meet there, too.
        let errands = ErrandsAsyncClient::from(errands.clone());
        let runtime = Builder::new_current_thread().build().unwrap();
        let callers = [(); MANY].map(|()| {
            let errands = errands.clone();
            runtime.spawn(async move { errands.meet().await })
        });
        for caller in callers {
            assert_eq!(runtime.block_on(caller).unwrap().unwrap(), 1);
        }
    };
    turn();
    let before = Census::of(peer.pid());
    for _ in 0..4 {
        turn();
    }
    let tally = errands.tally().unwrap();
    assert_eq!((tally.live, tally.dropped), (0, 0));
    Census::settle(peer.pid(), "after meetings", |now| {
        now.descriptors() <= before.descriptors()
    });
    // The value itself serves nobody here.
    let runtime = Builder::new_current_thread().build().unwrap();
    drop(Office::new(runtime.handle().clone()));
}

#[test]
fn a_future_has_an_error_of_its_own() {
    let _watchdog = Watchdog::new("a_future_has_an_error_of_its_own");
    let (_peer, errands, _directory) = start("error");
    for _ in 0..3 {
        assert_eq!(errands.halve(8).unwrap(), 4);
        let odd = errands.halve(7).unwrap_err();
        assert!(matches!(odd, ProcedureError::Returned(Odd)), "{odd:?}");
    }
}

#[test]
fn a_killed_caller_takes_its_future_along() {
    let _watchdog = Watchdog::new("a_killed_caller_takes_its_future_along");
    let (peer, errands, directory) = start("killed");
    let path = directory.join("door");
    let path = path.to_str().unwrap();
    let mut gone = 0;
    let mut visit = || {
        // The first call of a process travels on the connection, the others through a session.
        for method in ["stay", "turn, stay", "poll_first", "turn, poll_first"] {
            let mut visitor = Peer::start(PEER, "typed-errander", &[path, method]);
            gone += 1;
            visitor.expect("ready");
            until(&errands, |tally| tally.live == 1);
            visitor.kill();
            until(&errands, |tally| tally.live == 0 && tally.dropped == gone);
        }
    };
    visit();
    let before = Census::of(peer.pid());
    visit();
    Census::settle(peer.pid(), "after killed callers", |now| {
        now.descriptors() <= before.descriptors() && now.mappings <= before.mappings
    });
}

#[test]
fn a_deadline_that_passes_drops_the_future() {
    let _watchdog = Watchdog::new("a_deadline_that_passes_drops_the_future");
    let (_peer, errands, directory) = start("deadline");
    // A call that was given up before the server has taken it has no future: then another is made.
    let leave = |late: &dyn Fn() -> bool| {
        let before = errands.tally().unwrap().dropped;
        loop {
            assert!(late());
            if until(&errands, |tally| tally.live == 0).dropped > before {
                break;
            }
        }
    };
    for _ in 0..4 {
        // Each with a first call of its own, too.
        let anew = ErrandsClient::open(directory.join("door")).unwrap();
        for errands in [&anew, &errands] {
            leave(&|| is_late(errands.until(soon()).stay()));
            leave(&|| is_late(errands.until(soon()).poll_first()));
            // The caller has gone before the call is held.
            leave(&|| is_late(errands.until(soon()).linger()));
        }
    }
}

#[test]
fn what_nobody_waits_for_does_not_begin() {
    let _watchdog = Watchdog::new("what_nobody_waits_for_does_not_begin");
    let (_peer, errands, _directory) = start("unbegun");
    errands.block().unwrap();
    while errands.tally().unwrap().live < 1 {
        assert!(is_late(errands.until(soon()).turn(0)));
    }
    while errands.tally().unwrap().live < 3 {
        assert!(is_late(errands.until(soon()).stay()));
    }
    errands.unblock().unwrap();
    let tally = until(&errands, |tally| tally.live == 0);
    assert!(tally.begun == 0 && tally.dropped >= 3, "{tally:?}");
    assert_eq!(errands.turn(3).unwrap(), 3);
}

#[test]
fn callers_that_leave_as_they_are_answered_leave_nothing() {
    let _watchdog = Watchdog::new("callers_that_leave_as_they_are_answered_leave_nothing");
    let (_peer, errands, _directory) = start("race");
    let race = |errands: &ErrandsClient| {
        for micros in 0..300 {
            let at = Instant::now() + Duration::from_micros(micros);
            match errands.until(at).turn(5) {
                Ok(turns) => assert_eq!(turns, 5),
                late => {
                    let lost = condition(late);
                    assert!(matches!(lost, CallCondition::TimedOut { .. }), "{lost:?}");
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| race(&errands));
        }
    });
    until(&errands, |tally| tally.live == 0);
    assert_eq!(errands.turn(5).unwrap(), 5);
}

#[test]
fn a_future_that_ends_without_a_value_is_a_clear_error() {
    let _watchdog = Watchdog::new("a_future_that_ends_without_a_value_is_a_clear_error");
    let (mut peer, errands, _directory) = start("broken");
    for dropped in 1..4 {
        assert_eq!(condition(errands.panic()), CallCondition::Unanswered);
        until(&errands, |tally| tally.dropped == dropped);
    }
    thread::scope(|scope| {
        let stay = || scope.spawn(|| errands.stay());
        let staying = [(); 3].map(|()| stay());
        until(&errands, |tally| tally.live == 3);
        // The task of one that has been counted may not be known yet.
        while staying.iter().any(|caller| !caller.is_finished()) {
            errands.abort().unwrap();
        }
        for caller in staying {
            assert_eq!(condition(caller.join().unwrap()), CallCondition::Unanswered);
        }

        let staying = [(); 3].map(|()| stay());
        until(&errands, |tally| tally.live == 3);
        peer.say("close");
        peer.expect("closed");
        for caller in staying {
            assert_eq!(condition(caller.join().unwrap()), CallCondition::Unanswered);
        }
    });
    // And now that there is no runtime any more.
    assert_eq!(condition(errands.stay()), CallCondition::Unanswered);
    assert_eq!(errands.tally().unwrap().live, 0);
}

#[test]
fn a_method_that_answers_itself_ends_its_future() {
    let _watchdog = Watchdog::new("a_method_that_answers_itself_ends_its_future");
    let (_peer, errands, _directory) = start("mind");
    for dropped in 1..5 {
        assert_eq!(errands.change_mind().unwrap(), 7);
        until(&errands, |tally| {
            tally.live == 0 && tally.dropped == dropped
        });
    }
}

/// Gives its promises to the test.
#[door]
trait Post {
    fn wait(&self, call: &Call<'_>) -> Answer<u32>;
}

struct Letters(Mutex<Sender<Promise<u32>>>);

impl Post for Letters {
    fn wait(&self, call: &Call<'_>) -> Answer<u32> {
        let (promise, answer) = call.hold();
        self.0.lock().unwrap().send(promise).unwrap();
        answer
    }
}

/// Tells that it woke.
struct Bell(Mutex<Sender<&'static str>>, &'static str);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.lock().unwrap().send(self.1).unwrap();
    }
}

fn bell(name: &'static str, rings: &Sender<&'static str>) -> Waker {
    Waker::from(Arc::new(Bell(Mutex::new(rings.clone()), name)))
}

#[test]
fn the_waker_of_the_last_poll_is_woken() {
    let _watchdog = Watchdog::new("the_waker_of_the_last_poll_is_woken");
    let (give, given): (_, Receiver<Promise<u32>>) = channel();
    let directory = Directory::new("wakers");
    let door = PostDoor::serve(Letters(Mutex::new(give))).unwrap();
    let _name = door.attach(directory.join("post"), 0o600).unwrap();
    // One without a transport, and one with.
    let post = [
        PostAsyncClient::from(door),
        PostAsyncClient::from(PostClient::open(directory.join("post")).unwrap()),
    ];
    for post in post {
        for _ in 0..3 {
            let mut idle = Context::from_waker(Waker::noop());
            let mut caller = Box::pin(post.wait());
            assert!(caller.as_mut().poll(&mut idle).is_pending());
            let (rings, rung) = channel();
            let mut kept = pin!(given.recv().unwrap().keep_with(pending()));
            for name in ["one", "two", "two", "three"] {
                let waker = bell(name, &rings);
                let polled = kept.as_mut().poll(&mut Context::from_waker(&waker));
                assert!(polled.is_pending());
            }
            drop(rings);
            drop(caller);
            assert_eq!(rung.iter().collect::<Vec<_>>(), ["three"]);
            assert!(kept.as_mut().poll(&mut idle).is_ready());
        }
    }
}
