//! Calls that are awaited, and for which there is no thread yet: those of a server that never answers are many.
#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test that cannot go on ends"
)]

#[path = "peer/typed/waiting_room.rs"]
mod waiting_room;

use std::fs::File;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use doors::{CallCondition, CallState, Door, DoorAttributes, ProcedureError};
use harness::{Census, Directory, Peer, Watchdog};
use tokio::runtime::{Builder, Runtime};
use waiting_room::WaitingRoomAsyncClient;

const PEER: &str = env!("CARGO_BIN_EXE_peer");

/// How many calls of one server may be on their way, while no other is called.
const SHARE: usize = 256;
/// How many may wait for that.
const WAITING: usize = 65_536;

/// There is one set of threads in this process: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A runtime whose one thread is the one that calls it.
fn runtime() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

/// A server that answers when so many callers are there.
struct Room {
    client: WaitingRoomAsyncClient,
    peer: Peer,
    directory: Directory,
}

impl Room {
    fn of(many: u32, name: &str) -> Self {
        let directory = Directory::new(name);
        let path = directory.join("room");
        let words = [path.to_str().unwrap(), &many.to_string()];
        let mut peer = Peer::start(PEER, "typed-waiting-room", &words);
        peer.expect("ready");
        let client = Door::open(path).unwrap().into();
        Self {
            client,
            peer,
            directory,
        }
    }

    /// A client that knows nothing of the server yet.
    fn anew(&self) -> WaitingRoomAsyncClient {
        Door::open(self.directory.join("room")).unwrap().into()
    }
}

type Met = Result<u32, ProcedureError>;
type Call<'a> = Pin<Box<dyn Future<Output = Met> + 'a>>;

/// Begins a call that does not end.
fn begun(call: impl Future<Output = Met>) -> Pin<Box<impl Future<Output = Met>>> {
    let mut call = Box::pin(call);
    let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending(), "{polled:?}");
    call
}

/// Begins so many calls that do not end, until the server has as many as it gets.
fn crowd(room: &mut Room, many: usize) -> Vec<Call<'static>> {
    let calls = (0..many).map(|_| {
        let client = room.client.clone();
        let call = begun(async move { client.meet().await });
        let call: Call<'_> = call;
        call
    });
    let calls: Vec<_> = calls.collect();
    for _ in 0..many.min(SHARE) {
        room.peer.expect("begun");
    }
    calls
}

fn condition(outcome: Met) -> CallCondition {
    match outcome.unwrap_err() {
        ProcedureError::Call(lost) => lost.condition,
        other => panic!("{other:?}"),
    }
}

fn within(millis: u64) -> Instant {
    Instant::now() + Duration::from_millis(millis)
}

#[test]
fn one_server_leaves_threads_to_others() {
    let _watchdog = Watchdog::new("one_server_leaves_threads_to_others");
    let _alone = alone();
    let runtime = runtime();
    let mut stuck = Room::of(u32::MAX, "stuck");
    let calls = crowd(&mut stuck, 1_000);
    // By any way to it.
    let anew = stuck.anew();
    let more: Vec<_> = (0..1_000).map(|_| begun(anew.meet())).collect();
    let other = Room::of(1, "other");
    for _ in 0..100 {
        assert_eq!(runtime.block_on(other.client.meet()).unwrap(), 1);
    }
    let own = Door::create(
        |call| call.door_return(&[1, 0, 0, 0, 1, 0x81], vec![]),
        DoorAttributes::empty(),
    );
    let own = WaitingRoomAsyncClient::from(own.unwrap());
    assert_eq!(runtime.block_on(own.meet()).unwrap(), 1);
    let opened = runtime.block_on(WaitingRoomAsyncClient::open(other.directory.join("room")));
    assert!(opened.is_ok());
    drop((calls, more));
}

#[test]
fn a_call_that_waits_ends_at_its_deadline() {
    let _watchdog = Watchdog::new("a_call_that_waits_ends_at_its_deadline");
    let _alone = alone();
    let runtime = runtime();
    let mut stuck = Room::of(u32::MAX, "late");
    let calls = crowd(&mut stuck, 600);
    for millis in [0, 1, 20] {
        let met = runtime.block_on(stuck.client.until(within(millis)).meet());
        let error = met.unwrap_err();
        assert_eq!(error.call_state(), CallState::NotExecuted);
        let late = CallCondition::TimedOut { taken: false };
        assert_eq!(condition(Err(error)), late);
    }
    // Many of them, in no order; the first deadline of all comes last.
    let far = begun(async { stuck.client.until(within(3_600_000)).meet().await });
    let tasks: Vec<_> = (0..1_000)
        .map(|number| {
            let client = stuck.client.until(within(200 - number * 7 % 200));
            runtime.spawn(async move { client.meet().await })
        })
        .collect();
    for task in tasks {
        let met = runtime.block_on(task).unwrap();
        assert_eq!(condition(met), CallCondition::TimedOut { taken: false });
    }
    drop((calls, far));
}

/// Bytes of this process that are in memory.
fn resident() -> usize {
    let sizes = std::fs::read_to_string("/proc/self/statm").unwrap();
    sizes.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[test]
fn a_call_that_is_dropped_while_it_waits_leaves_nothing() {
    let _watchdog = Watchdog::new("a_call_that_is_dropped_while_it_waits_leaves_nothing");
    let _alone = alone();
    let mut stuck = Room::of(u32::MAX, "dropped");
    let calls = crowd(&mut stuck, 600);
    let leave = |many: usize| {
        for _ in 0..many {
            drop(begun(stuck.client.bring(&[], "some words")));
            drop(begun(stuck.client.until(within(3_600_000)).meet()));
        }
    };
    leave(1_000);
    let before = resident();
    leave(100_000);
    let grown = resident().saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} bytes");
    // Neither do descriptors stay.
    let bags = [(); 8].map(|()| File::open("/dev/null").unwrap());
    let before = Census::of_self().descriptors();
    let waiting: Vec<_> = (0..16)
        .map(|_| begun(stuck.client.bring(&bags, "some words")))
        .collect();
    assert_eq!(Census::of_self().descriptors(), before + 16 * 8);
    drop(waiting);
    Census::settle(std::process::id(), "dropped", |now| {
        now.descriptors() <= before
    });
    drop(calls);
}

#[test]
fn more_calls_than_may_wait_are_refused() {
    let _watchdog = Watchdog::new("more_calls_than_may_wait_are_refused");
    let _alone = alone();
    let runtime = runtime();
    let mut stuck = Room::of(u32::MAX, "many");
    let mut calls = crowd(&mut stuck, SHARE + WAITING);
    for _ in 0..3 {
        let met = runtime.block_on(stuck.client.meet());
        let error = met.unwrap_err();
        assert_eq!(error.call_state(), CallState::NotExecuted);
        assert_eq!(condition(Err(error)), CallCondition::NoRoom);
    }
    let other = Room::of(1, "room");
    assert_eq!(runtime.block_on(other.client.meet()).unwrap(), 1);
    // One less, and there is room for one.
    drop(calls.pop());
    let last = begun(stuck.client.meet());
    drop((calls, last));
}

// One run in some thirty: the session ends in the middle, and the calls hear that the server has died. Why is not known yet.
#[test]
#[ignore = "now and then a session ends under thousands of calls that are given up"]
fn whoever_waits_begins_when_others_have_ended() {
    let _watchdog = Watchdog::new("whoever_waits_begins_when_others_have_ended");
    let _alone = alone();
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let rooms = ["one", "two", "three"].map(|name| Room::of(1, name));
    let mut tasks = Vec::new();
    for number in 0..6_000_u64 {
        let client = rooms[usize::try_from(number % 3).unwrap()].client.clone();
        tasks.push(runtime.spawn(async move {
            // Some are given up, at any time, and some end late.
            match number % 5 {
                0 => {
                    let millis = Duration::from_millis(number % 97);
                    tokio::time::timeout(millis, client.meet()).await.ok()
                }
                1 => Some(client.until(within(number % 89)).meet().await),
                _ => Some(client.meet().await),
            }
        }));
    }
    for (number, task) in tasks.into_iter().enumerate() {
        match runtime.block_on(task).unwrap() {
            None => assert_eq!(number % 5, 0),
            Some(Ok(met)) => assert_eq!(met, 1),
            Some(late) => {
                let condition = condition(late);
                let is_late = matches!(condition, CallCondition::TimedOut { .. });
                assert!(is_late && number % 5 == 1, "{number}: {condition:?}");
            }
        }
    }
}
