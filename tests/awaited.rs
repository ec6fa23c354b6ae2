//! Calls that are awaited, and given up by whoever does not want them any more.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

#[path = "peer/typed/library.rs"]
mod library;
#[path = "peer/typed/store.rs"]
mod store;
#[path = "peer/typed/waiting_room.rs"]
mod waiting_room;

use std::fs::File;
use std::future::poll_fn;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use doors::typed::Fd;
use doors::{CallCondition, CallState, Client, Door, DoorCondition, ProcedureError};
use harness::{Census, Directory, Peer, Watchdog};
use library::{
    Count, CounterAsyncClient, CounterClient, CounterDoor, LibraryAsyncClient, Parcel, file_with,
    text_of,
};
use store::{StoreAsyncClient, StoreClient, StoreError, later};
use tokio::runtime::{Builder, Runtime};
use waiting_room::{WaitingRoomAsyncClient, WaitingRoomClient};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

/// What this very process holds is counted: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many threads make calls that somebody awaits, or have just done so.
fn callers() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = tasks.map(|task| std::fs::read_to_string(task.path().join("comm")));
    names
        .filter(|name| name.as_ref().is_ok_and(|name| name == "door-awaited\n"))
        .count()
}

/// Waits until all of them have gone.
fn until_nobody_calls() {
    Census::settle(std::process::id(), "callers", |_| callers() == 0);
}

/// A runtime whose one thread is the one that calls it.
fn runtime() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

/// Tells of its wake.
struct Tell(Sender<()>);

impl Wake for Tell {
    fn wake(self: Arc<Self>) {
        self.0.send(()).unwrap();
    }
}

struct Room {
    peer: Peer,
    directory: Directory,
}

impl Room {
    /// One where so many meet.
    fn of(many: u32, name: &str) -> Self {
        let directory = Directory::new(name);
        let path = directory.join("room");
        let words = [path.to_str().unwrap(), &many.to_string()];
        let mut peer = Peer::start(PEER, "typed-waiting-room", &words);
        peer.expect("ready");
        Self { peer, directory }
    }

    fn open(&self) -> Door {
        Door::open(self.directory.join("room")).unwrap()
    }
}

#[test]
fn methods_are_awaited_with_what_they_borrow() {
    let _watchdog = Watchdog::new("methods_are_awaited_with_what_they_borrow");
    let _alone = alone();
    let directory = Directory::new("awaited");
    let mut peer = Peer::start(PEER, "typed-store", &[directory.path().to_str().unwrap()]);
    peer.expect("ready");
    runtime().block_on(async {
        // The interface has a method `open` of its own.
        let store: StoreClient = Client::open(directory.join("store")).unwrap();
        let store = StoreAsyncClient::from(store);
        let (key, large) = ("a".to_owned(), vec![7; 1 << 20]);
        assert!(!store.put(&key, &large).await.unwrap());
        assert_eq!(store.get(&key).await.unwrap(), large);
        assert_eq!(store.size(&[key]).await.unwrap(), large.len());
        assert!(store.open(Some("a")).await.unwrap());
        store.clear().await.unwrap();
        let nothing = store.get("a").await.unwrap_err();
        assert!(matches!(
            nothing,
            ProcedureError::Returned(StoreError::Nothing { .. })
        ));

        let later = later::StoreAsyncClient::open(directory.join("store")).await;
        let missing = later.unwrap().keys().await.unwrap_err();
        assert!(missing.is_unsupported(), "{missing}");
        let none = later::StoreAsyncClient::open(directory.join("none")).await;
        assert!(matches!(
            none.unwrap_err().condition(),
            DoorCondition::Name(_)
        ));
    });
}

#[test]
fn descriptors_and_doors_go_with_calls_that_are_awaited() {
    let _watchdog = Watchdog::new("descriptors_and_doors_go_with_calls_that_are_awaited");
    let _alone = alone();
    let directory = Directory::new("luggage");
    let path = directory.join("library");
    let mut peer = Peer::start(PEER, "typed-library", &[path.to_str().unwrap()]);
    peer.expect("ready");
    let runtime = runtime();
    let visit = async || {
        let library = LibraryAsyncClient::open(&path).await.unwrap();
        let file = library.write("one").await.unwrap();
        let two = file_with("two");
        let read = library.read(file, Some(two), vec![]).await.unwrap();
        assert_eq!(read, ["one", "two"]);
        let parcel = Parcel {
            name: "abc".to_owned(),
            main: Fd(file_with("main").into()),
            more: [(1, vec![Some(Fd(file_with("more")))])].into(),
        };
        let parcel = library.turn(parcel).await.unwrap();
        assert_eq!(text_of(File::from(parcel.main.0)), "more");
        // A door of the server itself goes back to it, and comes once more.
        let counter: CounterClient = library.count(5).await.unwrap();
        let counter = library.drive(counter, 3).await.unwrap();
        let counter = CounterAsyncClient::from(counter);
        assert_eq!(counter.next().await.unwrap(), 8);
        assert_eq!(library.live().await.unwrap(), 1);
        drop(counter);
        // Nobody refers to it any more, by no copy of a descriptor either.
        while library.live().await.unwrap() > 0 {}
        // One of our own.
        let live = Arc::default();
        let own = CounterDoor::serve_object(Count::new(7, &live)).unwrap();
        drop(library.drive(own, 3).await.unwrap());
        while *live.lock().unwrap() > 0 {
            thread::yield_now();
        }
    };
    runtime.block_on(visit());
    let before = Census::of_self().descriptors();
    for _ in 0..20 {
        runtime.block_on(visit());
    }
    Census::settle(std::process::id(), "after visits", |now| {
        now.descriptors() <= before
    });
}

#[test]
fn more_calls_than_threads_of_the_runtime_are_awaited_at_once() {
    let _watchdog = Watchdog::new("more_calls_than_threads_of_the_runtime_are_awaited_at_once");
    let _alone = alone();
    let room = Room::of(100, "crowd");
    let runtime = runtime();
    let client = WaitingRoomAsyncClient::from(room.open());
    // None of them ends before all have come.
    let met = runtime.block_on(async {
        let callers: Vec<_> = (0..100)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { client.meet().await })
            })
            .collect();
        let mut met = Vec::new();
        for caller in callers {
            met.push(caller.await.unwrap().unwrap());
        }
        met
    });
    assert_eq!(met, [100; 100]);
}

/// Polls a call once, so that it is on its way, and drops it when the server has it.
fn come_and_go(runtime: &Runtime, client: &WaitingRoomAsyncClient, bags: &[File], room: &mut Room) {
    runtime.block_on(async {
        let mut call = Box::pin(client.bring(bags, "some words"));
        let polled = poll_fn(|context| Poll::Ready(call.as_mut().poll(context)));
        assert!(polled.await.is_pending());
        room.peer.expect("begun");
    });
    room.peer.expect("cancelled");
    room.peer.ask("let go", "1");
}

#[test]
fn a_call_that_is_dropped_is_cancelled_and_leaves_nothing() {
    let _watchdog = Watchdog::new("a_call_that_is_dropped_is_cancelled_and_leaves_nothing");
    let _alone = alone();
    let mut room = Room::of(u32::MAX, "gone");
    let client = WaitingRoomAsyncClient::from(room.open());
    let bags = ["a", "b"].map(file_with);
    let mut visit = |times| {
        let runtime = runtime();
        for _ in 0..times {
            come_and_go(&runtime, &client, &bags, &mut room);
        }
        until_nobody_calls();
        [std::process::id(), room.peer.pid()].map(Census::of)
    };
    // What a session needs stays.
    let [mine, theirs] = visit(3);
    visit(100);
    Census::settle(room.peer.pid(), "the server", |now| {
        now.holds_no_more_than(&theirs, theirs.mappings) && now.threads <= theirs.threads
    });
    Census::settle(std::process::id(), "the client", |now| {
        now.holds_no_more_than(&mine, mine.mappings) && now.threads <= mine.threads
    });
}

#[test]
fn a_runtime_that_ends_does_not_wait_for_its_calls() {
    let _watchdog = Watchdog::new("a_runtime_that_ends_does_not_wait_for_its_calls");
    let _alone = alone();
    let mut room = Room::of(u32::MAX, "over");
    let client = WaitingRoomAsyncClient::from(room.open());
    let runtime = runtime();
    for _ in 0..8 {
        let client = client.clone();
        runtime.spawn(async move { client.meet().await });
    }
    runtime.block_on(async {
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
    });
    for _ in 0..8 {
        room.peer.expect("begun");
    }
    drop(runtime);
    for _ in 0..8 {
        room.peer.expect("cancelled");
    }
}

#[test]
fn a_server_that_is_killed_ends_what_is_awaited() {
    let _watchdog = Watchdog::new("a_server_that_is_killed_ends_what_is_awaited");
    let _alone = alone();
    let mut room = Room::of(u32::MAX, "killed");
    let client = WaitingRoomAsyncClient::from(room.open());
    let runtime = runtime();
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let client = client.clone();
            runtime.spawn(async move { client.meet().await })
        })
        .collect();
    // Until then nothing runs here: the thread of the runtime is this one.
    let ended = thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..8 {
                room.peer.expect("begun");
            }
            room.peer.kill();
        });
        runtime.block_on(async {
            let mut ended = Vec::new();
            for call in calls {
                ended.push(call.await.unwrap().unwrap_err());
            }
            ended
        })
    });
    for error in ended {
        assert_eq!(error.call_state(), CallState::MayHaveExecuted);
        let ProcedureError::Call(lost) = error else {
            panic!("{error:?}");
        };
        assert!(
            matches!(lost.condition, CallCondition::ServerDied { taken: true }),
            "{lost}"
        );
    }
}

#[test]
fn a_call_to_a_stopped_server_is_dropped_at_once() {
    let _watchdog = Watchdog::new("a_call_to_a_stopped_server_is_dropped_at_once");
    let _alone = alone();
    let room = Room::of(1, "stopped");
    let client = WaitingRoomAsyncClient::from(room.open());
    let runtime = runtime();
    runtime.block_on(async { assert_eq!(client.meet().await.unwrap(), 1) });
    room.peer.stop();
    runtime.block_on(async {
        let mut call = Box::pin(client.meet());
        let polled = poll_fn(|context| Poll::Ready(call.as_mut().poll(context)));
        assert!(polled.await.is_pending());
    });
    until_nobody_calls();
}

#[test]
fn what_a_server_sends_unasked_holds_up_nobody() {
    let _watchdog = Watchdog::new("what_a_server_sends_unasked_holds_up_nobody");
    let _alone = alone();
    let directory = Directory::new("unasked");
    let path = directory.join("room");
    let mut liar = Peer::start(PEER, "typed-liar", &[path.to_str().unwrap()]);
    liar.expect("ready");
    // A value of `meet`, with a descriptor whose last close takes ten minutes.
    liar.ask("slow 010000000181", "set");
    let client = WaitingRoomAsyncClient::open(&path);
    let runtime = runtime();
    let client = runtime.block_on(client).unwrap();
    for _ in 0..3 {
        assert_eq!(runtime.block_on(client.meet()).unwrap(), 1);
    }
    // So it is for an answer that is there, and that nobody wants any more.
    runtime.block_on(async {
        let mut call = Box::pin(client.meet());
        let (tell, told) = channel();
        let waker = Waker::from(Arc::new(Tell(tell)));
        let polled = call.as_mut().poll(&mut Context::from_waker(&waker));
        if polled.is_pending() {
            told.recv().unwrap();
        }
        // Dropped here or by the thread that has made the call, to which the next call would go.
        drop(call);
        assert_eq!(client.meet().await.unwrap(), 1);
    });
    // So it is for those who wait by themselves, in a first call and through a session, and with what is no value.
    let client = WaitingRoomClient::open(&path).unwrap();
    for _ in 0..3 {
        assert_eq!(client.meet().unwrap(), 1);
    }
    liar.ask("slow 0681", "set");
    assert!(matches!(
        client.meet().unwrap_err(),
        ProcedureError::ValueLost { .. }
    ));
}

#[test]
fn there_are_no_more_threads_than_calls_at_once() {
    let _watchdog = Watchdog::new("there_are_no_more_threads_than_calls_at_once");
    let _alone = alone();
    let room = Room::of(1, "threads");
    let client = WaitingRoomAsyncClient::from(room.open());
    for at_once in [1, 8] {
        until_nobody_calls();
        runtime().block_on(async {
            let tasks: Vec<_> = (0..at_once)
                .map(|_| {
                    let client = client.clone();
                    tokio::spawn(async move {
                        for _ in 0..300 {
                            assert_eq!(client.meet().await.unwrap(), 1);
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        // None has gone yet that has worked within the last second.
        let callers = callers();
        assert!(callers <= at_once, "{callers} threads for {at_once}");
    }
}

#[test]
fn a_held_call_of_a_door_without_transport_is_given_up() {
    let _watchdog = Watchdog::new("a_held_call_of_a_door_without_transport_is_given_up");
    let _alone = alone();
    let [(begun, begins), (cancelled, told)] = [channel(), channel()];
    let held = Mutex::new(None);
    let door = Door::in_process(move |mut call| {
        let cancelled = cancelled.clone();
        call.on_cancel(move || cancelled.send(()).unwrap());
        let (call, returned) = call.hold();
        *held.lock().unwrap() = Some(call);
        begun.send(()).unwrap();
        returned
    });
    let client = WaitingRoomAsyncClient::from(door.unwrap());
    runtime().block_on(async {
        let mut call = Box::pin(client.meet());
        let polled = poll_fn(|context| Poll::Ready(call.as_mut().poll(context)));
        assert!(polled.await.is_pending());
        begins.recv().unwrap();
    });
    told.recv().unwrap();
}
