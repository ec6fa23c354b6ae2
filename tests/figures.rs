//! What can be seen of a running door, from any process.
#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a test that cannot go on ends"
)]

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use doors::{Door, DoorFigures};
use harness::{Census, Directory, Peer, Watchdog};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

fn server(directory: &Directory, words: &[&str]) -> (Peer, Door) {
    let path = directory.join("door");
    let mut all = vec![path.to_str().unwrap()];
    all.extend(words);
    let mut peer = Peer::start(PEER, "threads-server", &all);
    peer.expect("ready");
    (peer, Door::open(&path).unwrap())
}

fn figures(door: &Door) -> DoorFigures {
    door.info().unwrap().figures.unwrap()
}

fn calling(door: &Door, data: &'static str) -> JoinHandle<Vec<u8>> {
    let door = door.clone();
    std::thread::spawn(move || door.call(data.as_bytes(), vec![]).unwrap().data)
}

/// Asks until the figures are as wanted.
fn settle(door: &Door, what: &str, wanted: impl Fn(&DoorFigures) -> bool) -> DoorFigures {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let figures = figures(door);
        if wanted(&figures) {
            return figures;
        }
        assert!(Instant::now() < until, "{what}: {figures:?}");
        // A pause between two looks: the ages that are looked at grow with time and with nothing else.
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn the_figures_follow_the_calls() {
    let _watchdog = Watchdog::new("figures");
    let directory = Directory::new("figures");
    let (mut peer, door) = server(&directory, &[]);
    // Watched by a process that does not call.
    let watcher = Door::open(directory.join("door")).unwrap();
    let start = settle(&watcher, "the first thread has begun", |figures| {
        figures.threads == 1
    });
    assert_eq!((start.calls, start.active, start.sessions), (0, 0, 0));
    assert_eq!((start.oldest_call, start.refused), (Duration::ZERO, 0));
    // The name, our connection and the watcher's.
    assert_eq!(start.references, 3);
    for _ in 0..1000 {
        door.call(b"t", vec![]).unwrap();
    }
    let after = settle(&watcher, "no call is active", |figures| figures.active == 0);
    assert_eq!((after.calls, after.sessions), (1000, 1));
    // One call in 64 is timed; the two that asked for nothing are none.
    let timed: u64 = after.histogram.iter().sum();
    assert_eq!(timed, 1000_u64.div_ceil(64));
    // Three calls run at the same time.
    let calls: Vec<_> = (0..3).map(|_| calling(&door, "w")).collect();
    peer.say("entered 3");
    peer.expect("entered");
    let busy = figures(&watcher);
    assert_eq!((busy.calls, busy.active), (1003, 3));
    assert!((3..=4).contains(&busy.threads), "{busy:?}");
    assert!(busy.oldest_call > Duration::ZERO);
    // Each has its age, the oldest first.
    assert_eq!(busy.ages.len(), 3, "{busy:?}");
    assert!(busy.ages.is_sorted_by(|one, next| one >= next), "{busy:?}");
    assert_eq!(busy.ages.first(), Some(&busy.oldest_call));
    assert!(!busy.ages.contains(&Duration::ZERO), "{busy:?}");
    // The oldest gets older, whoever else comes and goes.
    let older = settle(&watcher, "the oldest call gets older", |figures| {
        figures.oldest_call > busy.oldest_call + Duration::from_millis(20)
    });
    door.call(b"t", vec![]).unwrap();
    assert!(figures(&watcher).oldest_call >= older.oldest_call);
    peer.say("open 3");
    for call in calls {
        call.join().unwrap();
    }
    let idle = settle(&watcher, "no call is active", |figures| figures.active == 0);
    assert_eq!((idle.calls, idle.oldest_call), (1004, Duration::ZERO));
    assert!(idle.ages.is_empty(), "{idle:?}");
}

#[test]
fn a_call_that_is_held_is_active_and_gets_older() {
    let _watchdog = Watchdog::new("held");
    let directory = Directory::new("held");
    let (mut peer, door) = server(&directory, &[]);
    // Once through the connection, once through a session.
    for round in 1..=2 {
        let call = calling(&door, "h");
        peer.say(&format!("entered {round}"));
        peer.expect("entered");
        let held = settle(&door, "the call is held", |figures| {
            figures.oldest_call > Duration::from_millis(10)
        });
        assert_eq!(held.active, 1);
        settle(&door, "the held call gets older", |figures| {
            figures.oldest_call > held.oldest_call + Duration::from_millis(20)
        });
        peer.say("answer");
        peer.expect("answered");
        assert_eq!(call.join().unwrap(), b"held");
        let over = settle(&door, "no call is active", |figures| figures.active == 0);
        assert_eq!(over.oldest_call, Duration::ZERO);
    }
}

#[test]
fn of_many_running_calls_the_ages_of_the_oldest_are_told() {
    let _watchdog = Watchdog::new("many ages");
    let directory = Directory::new("ages");
    let (mut peer, door) = server(&directory, &[]);
    let first = calling(&door, "h");
    peer.say("entered 1");
    peer.expect("entered");
    let first_age = settle(&door, "the first call is held", |figures| {
        figures.oldest_call > Duration::from_millis(100)
    });
    assert_eq!(first_age.ages, [first_age.oldest_call]);
    let calls: Vec<_> = (0..69).map(|_| calling(&door, "h")).collect();
    peer.say("entered 70");
    peer.expect("entered");
    let all = settle(&door, "70 calls are active", |figures| {
        figures.active == 70 && figures.ages.len() == 64
    });
    assert!(all.ages.is_sorted_by(|one, next| one >= next), "{all:?}");
    assert!(all.oldest_call >= first_age.oldest_call, "{all:?}");
    // Of those behind the first none is as old as it was before they came.
    assert!(all.ages[1] < all.oldest_call, "{all:?}");
    let answer = |peer: &mut Peer, count: usize| {
        for _ in 0..count {
            peer.say("answer");
            peer.expect("answered");
        }
    };
    // The youngest are answered first.
    answer(&mut peer, 10);
    let some = settle(&door, "60 calls are active", |figures| figures.active == 60);
    assert_eq!(some.ages.len(), 60);
    assert!(some.oldest_call >= all.oldest_call);
    answer(&mut peer, 60);
    for call in calls {
        call.join().unwrap();
    }
    first.join().unwrap();
    let idle = settle(&door, "no call is active", |figures| figures.active == 0);
    assert_eq!((idle.ages.len(), idle.oldest_call), (0, Duration::ZERO));
}

#[test]
fn the_figures_of_one_door_are_not_those_of_another() {
    let _watchdog = Watchdog::new("two doors");
    let directory = Directory::new("two");
    let public = directory.join("public");
    let word = format!("public={}", public.display());
    let (mut peer, door) = server(&directory, &["private", &word]);
    let public = Door::open(&public).unwrap();
    for _ in 0..10 {
        public.call(b"t", vec![]).unwrap();
    }
    let call = calling(&public, "w");
    peer.say("entered 1");
    peer.expect("entered");
    // The second thread of the process pool may be on its way, and the tenth call on its way out of the books.
    let other = settle(&public, "a thread is made", |figures| {
        figures.threads == 2 && figures.active == 1
    });
    let one = figures(&door);
    assert_eq!(
        (one.calls, one.active, one.oldest_call),
        (0, 0, Duration::ZERO)
    );
    assert_eq!((other.calls, other.active), (11, 1));
    assert!(other.oldest_call > Duration::ZERO);
    assert_eq!(one.threads, 1);
    peer.say("open 1");
    call.join().unwrap();
}

#[test]
fn asking_disturbs_nobody_and_leaves_nothing() {
    let _watchdog = Watchdog::new("asking");
    let directory = Directory::new("asking");
    let (mut peer, door) = server(&directory, &["ceiling=1"]);
    door.call(b"t", vec![]).unwrap();
    // The only thread is busy: figures come all the same.
    let call = calling(&door, "w");
    peer.say("entered 1");
    peer.expect("entered");
    let theirs = Census::of(peer.pid());
    for _ in 0..500 {
        let figures = figures(&door);
        assert_eq!((figures.calls, figures.active, figures.threads), (2, 1, 1));
        assert_eq!(figures.sessions, 1);
    }
    Census::settle(peer.pid(), "what the server holds", |census| {
        census.descriptors() <= theirs.descriptors()
            && census.mappings <= theirs.mappings
            && census.threads <= theirs.threads
    });
    peer.say("open 1");
    call.join().unwrap();
}
