//! Callers that pause: how the threads that wait for them sleep, and that such a sleep ends once no call comes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use doors::Door;
use harness::raw::{Session, connect};
use harness::waiting::{Asleep, asleep_in_turns};
use harness::{Books, Directory, Peer, Watchdog, skipped};
use nix::sched::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use nix::unistd::Pid;

const PEER: &str = env!("CARGO_BIN_EXE_peer");
/// Longer than any thread looks for the next call, and not so long that the next sleep has a timeout.
const PAUSE: Duration = Duration::from_micros(200);

struct Scene {
    server: Peer,
    path: PathBuf,
    _directory: Directory,
}

impl Scene {
    fn new() -> Self {
        let directory = Directory::new("pauses");
        let path = directory.join("door");
        let mut server = Peer::start(PEER, "gears-server", &[path.to_str().unwrap()]);
        server.expect("ready");
        Self {
            server,
            path,
            _directory: directory,
        }
    }

    /// How the server's threads sleep that wait for a turn of a channel.
    fn asleep(&self) -> Vec<Asleep> {
        asleep_in_turns(self.server.pid())
    }

    /// Calls with a pause before each until a thread sleeps without a timeout.
    fn until_asleep_without_a_timeout(&self, session: &mut Session) {
        loop {
            for _ in 0..8 {
                let until = Instant::now().checked_add(PAUSE).unwrap();
                while Instant::now() < until {
                    std::hint::spin_loop();
                }
                assert_eq!(session.call(b""), b"");
            }
            // A thread that looks for the next call falls asleep soon.
            for _ in 0..20 {
                if self.asleep().iter().any(|sleep| !sleep.has_timeout) {
                    return;
                }
            }
        }
    }
}

#[test]
fn a_sleep_without_a_timeout_ends_when_no_call_comes() {
    let _watchdog = Watchdog::new("a_sleep_without_a_timeout_ends_when_no_call_comes");
    let scene = Scene::new();
    let connection = connect(&scene.path);
    let mut sessions: Vec<Session> = (0..3).map(|_| Session::open(&connection)).collect();
    for session in &mut sessions {
        session.call(b"");
    }
    // A thread for each, where one had served all.
    let books = Books::of(&scene.server).and_threads(3);
    for _ in 0..3 {
        // One after another, so that some begin while others are looked after, and some when none is.
        for session in &mut sessions {
            scene.until_asleep_without_a_timeout(session);
        }
        for session in &sessions {
            session.until_quiet(0);
        }
    }
    for session in &mut sessions {
        scene.until_asleep_without_a_timeout(session);
        session.until_quiet(0);
        assert_eq!(session.call(b""), b"");
    }
    books.balance();
}

/// The calling thread stays on the processor on which it runs.
fn stay_here() {
    let mut only = CpuSet::new();
    only.set(sched_getcpu().unwrap()).unwrap();
    sched_setaffinity(Pid::from_raw(0), &only).unwrap();
}

#[test]
fn a_thread_that_follows_a_caller_that_rests_is_held_at_some_sleeps_and_free_at_others() {
    let _watchdog = Watchdog::new("a_thread_that_follows_a_caller_that_rests_is_held");
    let all = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let processors = (0..CpuSet::count()).filter(|cpu| all.is_set(*cpu).unwrap());
    if processors.count() == 1 {
        return skipped("there is one processor, and nowhere to go");
    }
    let scene = Scene::new();
    let door = Door::open(&scene.path).unwrap();
    let shifts = || {
        let figures = door.info().unwrap().figures.unwrap();
        (figures.followed, figures.parted)
    };
    let call = || {
        door.call(b"", vec![]).unwrap();
        // Time is the subject: this caller rests between its calls.
        std::thread::sleep(PAUSE.saturating_mul(2));
    };
    stay_here();
    let (mut following, mut held, mut free) = ((0, 0), false, false);
    while !(held && free) {
        call();
        let now = shifts();
        let (followed, parted) = now;
        if now != following {
            // A thread that does not follow is free anyway.
            (following, held, free) = (now, false, false);
        }
        if followed > parted {
            for sleep in scene.asleep() {
                held |= sleep.processors == 1;
                free |= sleep.processors > 1;
            }
        }
    }
}
