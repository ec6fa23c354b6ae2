//! What a call costs when nothing changes: system calls, descriptors, allocations.
#![expect(
    unsafe_code,
    reason = "an allocator is unsafe to implement; this one counts"
)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that cannot go on ends"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use doors::Door;
use harness::trace::{can_trace, counted, traced};
use harness::{Census, Directory, Peer, Watchdog, skipped};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

const PEER: &str = env!("CARGO_BIN_EXE_peer");
const CALLS: u64 = 10_000;
/// What the measurement itself may cost.
const FEW: u64 = 50;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator; counts for each thread.
struct Counting;

fn count() {
    // A thread that ends has no count any more.
    let _counted = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every method hands its arguments to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`; the pointer came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `realloc`; the pointer came from `System`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The tests of this file one at a time: each wants the processors for itself.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps the calling thread on one processor, and gives back the number of that processor.
fn pin() -> usize {
    let allowed = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let cpu = (0..CpuSet::count())
        .find(|cpu| allowed.is_set(*cpu).unwrap())
        .unwrap();
    let mut set = CpuSet::new();
    set.set(cpu).unwrap();
    sched_setaffinity(Pid::from_raw(0), &set).unwrap();
    cpu
}

/// The allocations of the server's process so far.
fn of_server(door: &Door) -> u64 {
    let reply = door.call(b"a", vec![]).unwrap().data;
    std::str::from_utf8(&reply).unwrap().parse().unwrap()
}

/// Makes null calls with a pause between two, and demands that neither side allocates for them.
fn assert_no_allocation(name: &str, words: &[&str], calls: u64, pause: Option<Duration>) {
    let _alone = alone();
    let directory = Directory::new(name);
    let path = directory.join("door");
    let mut all = vec![path.to_str().unwrap()];
    all.extend(words);
    let mut server = Peer::start(PEER, "threads-server", &all);
    server.expect("ready");
    let door = Door::open(&path).unwrap();
    let mut results = Vec::with_capacity(64);
    for _ in 0..1000 {
        door.call_into(&[], vec![], None, &mut results).unwrap();
    }
    // The session has its client's pidfd; that of the first call is kept for some milliseconds, for the case that he comes again.
    let before = Census::settle(server.pid(), "one pidfd", |census| {
        census.descriptors.get("anon_inode:[pidfd]") == Some(&1)
    });
    // A machine that stops one side for longer than a channel stays staffed makes the way back cost some allocations:
    // one run of a few has to be undisturbed.
    let mut seen = Vec::new();
    while seen.len() < 4 {
        let counts = allocations(&door, &mut results, calls, pause);
        assert!(counts.1 > 0, "the server counts what its answers cost");
        if counts.0.max(counts.1) < FEW {
            assert_eq!(Census::of(server.pid()), before);
            return;
        }
        seen.push(counts);
    }
    panic!("allocations here and there for {calls} calls: {seen:?}");
}

/// The allocations of this thread, and of the server's process, for so many null calls.
fn allocations(
    door: &Door,
    results: &mut Vec<u8>,
    calls: u64,
    pause: Option<Duration>,
) -> (u64, u64) {
    let theirs = of_server(door);
    let ours = ALLOCATIONS.get();
    for _ in 0..calls {
        door.call_into(&[], vec![], None, results).unwrap();
        if let Some(pause) = pause {
            // Time is the subject: after this long the server's thread sleeps instead of looking.
            std::thread::sleep(pause);
        }
    }
    let ours = ALLOCATIONS.get() - ours;
    // The two calls that ask allocate for their answers.
    (ours, of_server(door) - theirs)
}

#[test]
fn a_null_call_allocates_nothing_on_either_side() {
    let _watchdog = Watchdog::new("allocations");
    assert_no_allocation("allocations", &[], CALLS, None);
}

#[test]
fn a_null_call_allocates_nothing_when_both_sides_share_a_processor() {
    let _watchdog = Watchdog::new("allocations pinned");
    let word = format!("cpu={}", pin());
    assert_no_allocation("pinned", &[&word], CALLS, None);
}

#[test]
fn a_null_call_that_wakes_a_sleeping_thread_allocates_nothing() {
    let _watchdog = Watchdog::new("allocations sleeping");
    let pause = Some(Duration::from_millis(2));
    assert_no_allocation("sleeping", &[], 1000, pause);
}

/// The system calls of client and server in a run of so many null calls.
fn run(directory: &Directory, calls: u64, words: &[&str]) -> [BTreeMap<String, u64>; 2] {
    let path = directory.join(&format!("door-{calls}"));
    let path = path.to_str().unwrap();
    let files = [
        directory.join(&format!("client-{calls}")),
        directory.join(&format!("server-{calls}")),
    ];
    let mut all = vec![path];
    all.extend(words);
    let mut server = traced(PEER, &files[1], "threads-server", &all);
    server.expect("ready");
    let number = calls.to_string();
    let mut all = vec![path, &number];
    all.extend(words);
    let mut client = traced(PEER, &files[0], "threads-steady", &all);
    client.expect("done");
    assert!(client.finish().success());
    assert!(server.finish().success());
    files.map(|file| counted(&file))
}

/// What makes a descriptor. (A received one comes with recvmsg, of which there are next to none either.)
const MAKERS: [&str; 18] = [
    "accept4",
    "dup",
    "dup3",
    "epoll_create1",
    "eventfd2",
    "fcntl",
    "inotify_init1",
    "memfd_create",
    "open",
    "openat",
    "pidfd_getfd",
    "pidfd_open",
    "pipe2",
    "recvmsg",
    "recvmmsg",
    "socket",
    "socketpair",
    "timerfd_create",
];

/// What the calls alone cost each side: client, then server.
#[derive(Debug)]
struct Cost {
    calls: [u64; 2],
    makers: [u64; 2],
}

impl Cost {
    fn is_cheap(&self, most: u64) -> bool {
        self.calls.iter().all(|calls| *calls <= most) && self.makers.iter().all(|made| *made < FEW)
    }
}

/// The difference of a long run and a short one.
fn cost(name: &str, words: &[&str]) -> Cost {
    let directory = Directory::new(name);
    let few = run(&directory, 1000, words);
    let many = run(&directory, 1000 + CALLS, words);
    let sum = |counts: &BTreeMap<String, u64>| counts.values().sum::<u64>();
    let makers = |counts: &BTreeMap<String, u64>| {
        let made = MAKERS.iter().filter_map(|name| counts.get(*name));
        made.sum::<u64>()
    };
    let difference = |of: &dyn Fn(&BTreeMap<String, u64>) -> u64| {
        [0, 1].map(|side: usize| of(&many[side]).saturating_sub(of(&few[side])))
    };
    assert!(
        few.iter().all(|counts| sum(counts) > 50),
        "strace counted nothing"
    );
    Cost {
        calls: difference(&sum),
        makers: difference(&makers),
    }
}

/// So many null calls make at most so many system calls on each side.
fn assert_cheap(name: &str, words: &[&str], most: u64) {
    if !can_trace() {
        return;
    }
    let _alone = alone();
    // Others may want the processors, too: then a side has to wait longer, which costs it more. One run of some has to
    // show what calls cost that are left alone: beside two busy processes one of six does.
    let mut costs = Vec::new();
    while costs.len() < 32 {
        let cost = cost(name, words);
        if cost.is_cheap(most) {
            return;
        }
        costs.push(cost);
    }
    panic!("more than {most} system calls for {CALLS} calls: {costs:?}");
}

/// With a processor for each side both look: what is left are sleeps and wakes where one was away, some 460 of 10,000.
#[test]
fn a_steady_call_takes_no_system_call_where_each_side_has_a_processor() {
    let _watchdog = Watchdog::new("system calls");
    if std::thread::available_parallelism().unwrap().get() == 1 {
        skipped("both sides share the one processor there is");
        return;
    }
    assert_cheap("strace", &[], CALLS / 4);
}

#[test]
fn a_steady_call_on_one_processor_takes_at_most_two_system_calls_on_each_side() {
    let _watchdog = Watchdog::new("system calls pinned");
    // Found on a thread of its own: strace and all that it starts shall run anywhere.
    let cpu = std::thread::spawn(pin).join().unwrap();
    let word = format!("cpu={cpu}");
    assert_cheap("strace-pinned", &[&word], 2 * CALLS);
}
