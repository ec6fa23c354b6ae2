//! Processes that await answers: they fork, they are killed, or they do not want any more what they have asked for.
#![expect(
    clippy::unwrap_used,
    dead_code,
    reason = "a test that cannot go on ends"
)]

#[path = "peer/typed/library.rs"]
mod library;

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use doors::{Answer, Call, Promise, door};
use harness::{Census, Directory, Peer, Watchdog};
use library::{LibraryAsyncClient, file_with, text_of};
use tokio::runtime::{Builder, Runtime};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

/// What this very process holds is counted: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells of its wake.
struct Tell(Sender<()>);

impl Wake for Tell {
    fn wake(self: Arc<Self>) {
        let _told = self.0.send(());
    }
}

/// A runtime whose one thread is the one that calls it.
fn runtime() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

/// Begins a call.
fn poll_once<T>(call: &mut std::pin::Pin<Box<impl Future<Output = T>>>) -> bool {
    let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    polled.is_pending()
}

/// A peer that has one path.
fn start(operation: &str, directory: &Directory, name: &str, more: &[&str]) -> (Peer, String) {
    let path = directory.join(name).to_str().unwrap().to_owned();
    let words = [&[path.as_str()], more].concat();
    let mut peer = Peer::start(PEER, operation, &words);
    peer.expect("ready");
    (peer, path)
}

#[test]
fn a_forked_child_hears_that_its_parents_calls_are_not_its_own() {
    let _watchdog = Watchdog::new("a_forked_child_hears_that_its_parents_calls_are_not_its_own");
    let _alone = alone();
    let directory = Directory::new("forks");
    let never = u32::MAX.to_string();
    let (mut stuck, stuck_at) = start("typed-waiting-room", &directory, "stuck", &[&never]);
    let (_room, room_at) = start("typed-waiting-room", &directory, "room", &["1"]);
    let mut client = Peer::start(PEER, "typed-awaiter", &[&stuck_at, &room_at]);
    // Some on their way, and some that wait for a thread.
    client.ask("begin 400", "begun");
    for _ in 0..256 {
        stuck.expect("begun");
    }
    for _ in 0..20 {
        client.ask("fork", "MayHaveExecuted true, met 1; met 1");
        // And while more begin, threads among them.
        client.ask("begin 10", "begun");
    }
    client.ask("drop", "dropped");
    // Each of them was still the parent's to give up.
    for _ in 0..256 {
        stuck.expect("cancelled");
    }
    stuck.ask("let go", "256");
}

/// Rooms, one of which never answers, and a client that can be denied threads: the superuser cannot, so it is somebody else then.
fn poor(directory: &Directory, uid: &str) -> (Peer, Peer, Peer) {
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o1777);
    std::fs::set_permissions(directory.path(), open).unwrap();
    let never = u32::MAX.to_string();
    let (stuck, stuck_at) = start("typed-waiting-room", directory, "stuck", &[&never]);
    let (room, room_at) = start("typed-waiting-room", directory, "room", &["1"]);
    let mut words = vec![stuck_at.as_str(), &room_at];
    words.extend(nix::unistd::geteuid().is_root().then_some(uid));
    let mut client = Peer::start(PEER, "typed-awaiter", &words);
    client.ask("reach", "met 1");
    client.expect("met 1");
    (stuck, room, client)
}

#[test]
fn a_call_for_which_there_is_no_thread_does_not_wait_for_another_servers() {
    let _watchdog = Watchdog::new("a_call_for_which_there_is_no_thread");
    let _alone = alone();
    let directory = Directory::new("poor");
    let (mut stuck, _room, mut client) = poor(&directory, "51239");
    client.ask("begin 1", "begun");
    stuck.expect("begun");
    client.ask("nproc 1", "limited");
    let said = client.query("ask");
    assert!(said.contains("start a thread for the call"), "{said}");
    client.ask("nproc 4096", "limited");
    client.ask("ask", "begun");
    client.ask("hear", "met 1");
}

#[test]
fn a_call_that_waits_for_a_thread_has_one_when_there_are_some_again() {
    let _watchdog = Watchdog::new("a_call_that_waits_for_a_thread_has_one");
    let _alone = alone();
    let directory = Directory::new("heals");
    let (mut stuck, _room, mut client) = poor(&directory, "51240");
    // The last waits for a thread, and somebody watches over its deadline.
    client.ask("begin 257 timed", "begun");
    for _ in 0..256 {
        stuck.expect("begun");
    }
    client.ask("nproc 1", "limited");
    client.ask("ask", "begun");
    client.ask("nproc 4096", "limited");
    // No further call comes, and no thread has done its work.
    client.ask("hear", "met 1");
}

#[test]
fn a_client_that_is_killed_while_it_awaits_leaves_nothing() {
    let _watchdog = Watchdog::new("a_client_that_is_killed_while_it_awaits_leaves_nothing");
    let _alone = alone();
    let directory = Directory::new("victims");
    let (server, path) = start("typed-library", &directory, "library", &[]);
    let empty = Census::of(server.pid());
    let random = RandomState::new();
    // The threads that stay are there after some that have made calls for long.
    let mut threads = 0;
    for round in 0..24_u64 {
        let mut victim = Peer::start(PEER, "typed-victim", &[&path, "100"]);
        // Some die while their calls begin.
        let turns = if round < 4 { 5 } else { round % 3 };
        for _ in 0..turns {
            victim.expect("turn");
        }
        // At any time.
        thread::sleep(Duration::from_micros(random.hash_one(round) % 30_000));
        victim.kill();
        let left = Census::settle(server.pid(), "of a killed client", |now| {
            now.descriptors == empty.descriptors && now.mappings == 0
        });
        if round < 4 {
            threads = threads.max(left.threads);
        } else {
            let bound = threads.saturating_add(8);
            assert!(
                left.threads <= bound,
                "{} threads, {threads} before",
                left.threads
            );
        }
    }
    // It still serves.
    let library = library::LibraryClient::open(&path).unwrap();
    assert_eq!(library.live().unwrap(), 0);
    drop(library);
}

/// Gives its promises to the test.
#[door]
trait Cloakroom {
    fn fetch(&self, call: &Call<'_>) -> Answer<File>;
    fn free(&self) -> u32;
}

struct Hooks(Mutex<Sender<Promise<File>>>);

impl Cloakroom for Hooks {
    fn fetch(&self, call: &Call<'_>) -> Answer<File> {
        let (promise, answer) = call.hold();
        self.0.lock().unwrap().send(promise).unwrap();
        answer
    }

    fn free(&self) -> u32 {
        7
    }
}

#[test]
fn descriptors_that_come_after_their_future_has_gone_are_closed() {
    let _watchdog = Watchdog::new("descriptors_that_come_after_their_future_has_gone_are_closed");
    let _alone = alone();
    let directory = Directory::new("cloaks");
    let (give, given) = channel();
    let door = CloakroomDoor::serve(Hooks(Mutex::new(give))).unwrap();
    let _name = door.attach(directory.join("room"), 0o600).unwrap();
    // One without a transport, and one with.
    let rooms = [
        CloakroomAsyncClient::from(door),
        CloakroomAsyncClient::from(CloakroomClient::open(directory.join("room")).unwrap()),
    ];
    let runtime = runtime();
    let visit = |room: &CloakroomAsyncClient, times: u32| {
        for number in 0..times {
            let mut call = Box::pin(room.fetch());
            let (tell, told) = channel();
            let waker = Waker::from(Arc::new(Tell(tell)));
            let polled = call.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
            let promise: Promise<File> = given.recv().unwrap();
            // Before the answer, after it, and while it comes.
            if number % 3 == 0 {
                drop(call);
                while !promise.is_cancelled() {
                    thread::yield_now();
                }
                promise.door_return(file_with("late"));
            } else {
                promise.door_return(file_with("early"));
                if number % 3 == 1 {
                    told.recv().unwrap();
                }
                drop(call);
            }
            assert_eq!(runtime.block_on(room.free()).unwrap(), 7);
            // Nor does anybody else get it.
            let mut call = Box::pin(room.fetch());
            assert!(poll_once(&mut call));
            let promise: Promise<File> = given.recv().unwrap();
            promise.door_return(file_with("own"));
            assert_eq!(text_of(runtime.block_on(call).unwrap()), "own");
        }
    };
    for room in &rooms {
        visit(room, 9);
    }
    let before = Census::of_self();
    for room in &rooms {
        visit(room, 150);
    }
    Census::settle(std::process::id(), "unwanted", |now| {
        now.descriptors() <= before.descriptors()
    });
}

#[test]
fn answers_that_cross_with_the_end_of_their_future_leave_nothing() {
    let _watchdog = Watchdog::new("answers_that_cross_with_the_end_of_their_future_leave_nothing");
    let _alone = alone();
    let directory = Directory::new("crossing");
    let (server, path) = start("typed-library", &directory, "library", &[]);
    let library = runtime().block_on(LibraryAsyncClient::open(&path)).unwrap();
    let cross = |times: u64| {
        for micros in 0..times {
            let calls: Vec<_> = (0..4)
                .map(|_| {
                    let mut call = Box::pin(library.write("unwanted"));
                    poll_once(&mut call);
                    call
                })
                .collect();
            let until = Instant::now() + Duration::from_micros(micros % 200);
            while Instant::now() < until {}
            drop(calls);
        }
        assert_eq!(runtime().block_on(library.live()).unwrap(), 0);
    };
    cross(50);
    let before = [std::process::id(), server.pid()].map(Census::of);
    cross(1_000);
    for (pid, before) in [std::process::id(), server.pid()].into_iter().zip(before) {
        // Calls that were given up keep their channels for a moment, so that the session may need some more.
        let most = before.descriptors().saturating_add(16);
        Census::settle(pid, "crossing", |now| now.descriptors() <= most);
    }
}
