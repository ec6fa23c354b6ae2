//! Server threads: pools, depletion, floor and ceiling, quiet channels.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that cannot go on ends"
)]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use doors::{CallCondition, CallError, Door, Reply};
use harness::{Census, Directory, Peer, Watchdog};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

/// A server process with its door.
struct Server {
    directory: Directory,
    peer: Peer,
    door: Door,
}

impl Server {
    fn start(name: &str, words: &[&str]) -> Self {
        let directory = Directory::new(name);
        let path = directory.join("door");
        let public = format!("public={}", directory.join("public").display());
        let mut all = vec![path.to_str().unwrap()];
        all.extend(words.iter().map(|word| {
            if *word == "public" {
                public.as_str()
            } else {
                *word
            }
        }));
        let mut peer = Peer::start(PEER, "threads-server", &all);
        peer.expect("ready");
        let door = Door::open(&path).unwrap();
        Self {
            directory,
            peer,
            door,
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.join("door")
    }

    /// Tells the server a line and hears the answer.
    fn ask(&mut self, line: &str) -> String {
        self.peer.say(line);
        self.peer.hear()
    }

    fn threads(&mut self) -> usize {
        self.ask("threads").parse().unwrap()
    }

    /// The thread, depletion flag and pool of each call of the creation callback.
    fn created(&mut self) -> Vec<(String, bool, u64)> {
        let line = self.ask("created");
        let entries = line.split(' ').filter(|entry| !entry.is_empty());
        entries
            .map(|entry| {
                let parts: Vec<&str> = entry.split(':').collect();
                let (depletion, pool) = (parts[1].parse().unwrap(), parts[2].parse().unwrap());
                (parts[0].to_owned(), depletion, pool)
            })
            .collect()
    }

    /// Waits until so many calls have come to the gate.
    fn wait_entered(&mut self, count: usize) {
        self.peer.say(&format!("entered {count}"));
        self.peer.expect("entered");
    }

    fn open_gate(&mut self, count: usize) {
        self.peer.say(&format!("open {count}"));
    }
}

fn text(reply: Result<Reply, CallError>) -> String {
    String::from_utf8(reply.unwrap().data).unwrap()
}

fn call(door: &Door, data: &str) -> String {
    text(door.call(data.as_bytes(), vec![]))
}

/// A call on a thread of its own.
fn calling(door: &Door, data: &'static str) -> JoinHandle<Result<Reply, CallError>> {
    let door = door.clone();
    std::thread::spawn(move || door.call(data.as_bytes(), vec![]))
}

fn soon(millis: u64) -> Instant {
    Instant::now() + Duration::from_millis(millis)
}

/// A call that finds no thread: its deadline passes before the server takes it.
fn assert_waits(door: &Door) {
    let error = door.call_until(b"t", vec![], soon(300)).unwrap_err();
    assert_eq!(error.condition, CallCondition::TimedOut { taken: false });
}

#[test]
fn sequential_calls_on_a_fresh_process_end_up_with_two_threads() {
    let _watchdog = Watchdog::new("sequential calls");
    let mut server = Server::start("two", &["creator=start"]);
    let mut seen = Vec::new();
    for _ in 0..200 {
        seen.push(call(&server.door, "t"));
    }
    // The second may be on its way when the first calls are over.
    Census::settle(server.peer.pid(), "two threads", |census| {
        census.threads == 4
    });
    assert_eq!(server.threads(), 2);
    let created = server.created();
    assert_eq!(created.len(), 2, "{created:?}");
    // The first thread is made on the thread that creates the door, the main thread here.
    assert_eq!(
        created[0],
        (server.peer.pid().to_string(), false, 0),
        "{created:?}"
    );
    // The second by the server thread that took the first call.
    assert_eq!((created[1].0.as_str(), created[1].1), (&*seen[0], true));
    // Last parked, first used: mostly the same thread.
    let last = seen.last().unwrap();
    let same = seen.iter().filter(|tid| *tid == last).count();
    assert!(same >= 150, "{same} of {} on one thread", seen.len());
}

#[test]
fn parallel_callers_get_at_most_one_thread_more_than_they_are() {
    let _watchdog = Watchdog::new("parallel callers");
    for callers in [3, 8, 20] {
        let mut server = Server::start("parallel", &["creator=start"]);
        let calls: Vec<_> = (0..callers).map(|_| calling(&server.door, "w")).collect();
        server.wait_entered(callers);
        let threads = server.threads();
        server.open_gate(callers);
        let tids: BTreeSet<String> = calls.into_iter().map(|c| text(c.join().unwrap())).collect();
        assert_eq!(tids.len(), callers, "each call had a thread of its own");
        assert!(
            (callers..=callers + 1).contains(&threads),
            "{threads} threads for {callers} callers"
        );
        // The threads are used again: none is made.
        for _ in 0..100 {
            call(&server.door, "t");
        }
        assert!(server.threads() <= callers + 1);
    }
}

#[test]
fn depletion_is_told_on_the_server_thread_before_its_procedure() {
    let _watchdog = Watchdog::new("depletion thread");
    let mut server = Server::start("depletion", &["creator=one"]);
    // One thread, and a callback that declines: each call depletes the pool anew.
    let mut seen = Vec::new();
    for _ in 0..10 {
        seen.push(call(&server.door, "t"));
    }
    let created = server.created();
    assert_eq!(created.len(), 11, "{created:?}");
    for ((tid, depletion, pool), expected) in created[1..].iter().zip(&seen) {
        assert_eq!((tid, *depletion, *pool), (expected, true, 0));
    }
    assert_eq!(server.threads(), 1);
}

#[test]
fn callers_wait_when_the_callback_declines() {
    let _watchdog = Watchdog::new("declines");
    let mut server = Server::start("declines", &["creator=one"]);
    let first = calling(&server.door, "w");
    server.wait_entered(1);
    assert_waits(&server.door);
    // A second waiting caller is served by the one thread when it is free again.
    let second = calling(&server.door, "w");
    server.open_gate(2);
    let (first, second) = (text(first.join().unwrap()), text(second.join().unwrap()));
    assert_eq!(first, second);
    assert_eq!(server.threads(), 1);
}

#[test]
fn a_place_that_the_callback_puts_aside_can_be_taken_later() {
    let _watchdog = Watchdog::new("kept");
    let mut server = Server::start("kept", &["creator=keep"]);
    assert_waits(&server.door);
    assert_eq!(server.ask("serve-kept"), "1");
    call(&server.door, "t");
}

#[test]
fn a_callback_that_panics_declines() {
    let _watchdog = Watchdog::new("callback panics");
    let mut server = Server::start("callback", &["creator=panic"]);
    for _ in 0..20 {
        call(&server.door, "t");
    }
    assert_eq!(server.threads(), 1);
}

#[test]
fn the_main_thread_can_join_the_pool_and_leave_it() {
    let _watchdog = Watchdog::new("main joins");
    let mut server = Server::start("main", &["creator=decline"]);
    assert_waits(&server.door);
    // Asked for while it serves nothing: without effect on what follows.
    assert_eq!(server.ask("unbind"), "unbound");
    assert_eq!(server.ask("join"), "joins");
    let main = server.peer.pid().to_string();
    for _ in 0..5 {
        assert_eq!(call(&server.door, "t"), main);
    }
    assert_eq!(call(&server.door, "u"), main);
    server.peer.expect("left");
    assert_eq!(server.threads(), 0);
    assert_waits(&server.door);
    assert_eq!(server.ask("join"), "joins");
    assert_eq!(call(&server.door, "t"), main);
}

#[test]
fn a_bound_thread_serves_its_private_door_until_it_unbinds() {
    let _watchdog = Watchdog::new("bind");
    let mut server = Server::start("bind", &["private", "creator=decline"]);
    assert_waits(&server.door);
    let main = server.peer.pid().to_string();
    for _ in 0..3 {
        assert_eq!(server.ask("bind"), "binds");
        // Through the connection, then through a session.
        assert_eq!(call(&server.door, "t"), main);
        assert_eq!(call(&server.door, "t"), main);
        assert_eq!(call(&server.door, "u"), main);
        server.peer.expect("left");
        assert_waits(&server.door);
    }
}

#[test]
fn private_and_public_doors_of_a_process_share_no_thread() {
    let _watchdog = Watchdog::new("disjoint");
    let mut server = Server::start("disjoint", &["private", "creator=start", "public"]);
    let public = Door::open(server.directory.join("public")).unwrap();
    let mut tids = [BTreeSet::new(), BTreeSet::new()];
    for round in 0..3 {
        let calls: Vec<_> = (0..12)
            .map(|at| {
                let door = if at % 2 == 0 { &server.door } else { &public };
                (at % 2, calling(door, "w"))
            })
            .collect();
        server.wait_entered((round + 1) * 12);
        server.open_gate(12);
        for (kind, call) in calls {
            tids[kind].insert(text(call.join().unwrap()));
        }
    }
    assert!(tids[0].is_disjoint(&tids[1]), "{tids:?}");
    assert!(tids[0].len() >= 6 && tids[1].len() >= 6, "{tids:?}");
    // The callback of the private door was told which door it is for.
    let id = server.door.info().unwrap().id;
    let created = server.created();
    assert!(
        created.iter().all(|(_, _, pool)| *pool == id),
        "{created:?}"
    );
}

#[test]
fn at_the_ceiling_a_third_call_waits_for_the_first_two() {
    let _watchdog = Watchdog::new("ceiling");
    let mut server = Server::start("ceiling", &["ceiling=2"]);
    let calls: Vec<_> = (0..3).map(|_| calling(&server.door, "w")).collect();
    server.wait_entered(2);
    // The third cannot have come in, nor can a fourth.
    assert_waits(&server.door);
    assert_eq!(server.ask("count"), "2");
    assert_eq!(server.threads(), 2);
    server.open_gate(1);
    server.wait_entered(3);
    server.open_gate(2);
    let tids: BTreeSet<String> = calls.into_iter().map(|c| text(c.join().unwrap())).collect();
    assert_eq!(tids.len(), 2);
}

#[test]
fn a_call_that_finds_no_free_thread_takes_one_from_an_idle_channel() {
    let _watchdog = Watchdog::new("eviction");
    let mut server = Server::start("eviction", &["ceiling=2", "floor=2"]);
    // One thread is busy for the whole test; the other must serve all the other channels.
    let busy = calling(&server.door, "w");
    server.wait_entered(1);
    let doors: Vec<Door> = (0..4).map(|_| Door::open(server.path()).unwrap()).collect();
    let callers: Vec<_> = doors
        .into_iter()
        .map(|door| {
            std::thread::spawn(move || {
                for _ in 0..200 {
                    door.call_until(b"t", vec![], soon(20_000)).unwrap();
                }
            })
        })
        .collect();
    for caller in callers {
        caller.join().unwrap();
    }
    assert_eq!(server.threads(), 2);
    server.open_gate(1);
    text(busy.join().unwrap());
}

#[test]
fn a_busy_channel_does_not_starve_the_others() {
    let _watchdog = Watchdog::new("starve");
    let server = Server::start("starve", &["ceiling=1"]);
    // Two callers back to back on one thread: both get on.
    let callers: Vec<_> = (0..2)
        .map(|_| {
            let door = server.door.clone();
            std::thread::spawn(move || {
                for _ in 0..3000 {
                    door.call_until(b"t", vec![], soon(20_000)).unwrap();
                }
            })
        })
        .collect();
    for caller in callers {
        caller.join().unwrap();
    }
}

#[test]
fn callers_that_wait_for_a_thread_of_a_revoked_private_door_are_told() {
    let _watchdog = Watchdog::new("revoked private");
    let mut server = Server::start("revoked", &["private", "ceiling=1"]);
    // A session, and a channel that this thread will use again.
    call(&server.door, "t");
    call(&server.door, "t");
    let running = calling(&server.door, "w");
    server.wait_entered(1);
    let fresh = Door::open(server.path()).unwrap();
    let waiting = [calling(&server.door, "t"), calling(&fresh, "t")];
    // Both are in the queue of the pool when their like is.
    assert_waits(&server.door);
    assert_eq!(server.ask("revoke"), "revoked");
    for call in waiting {
        let error = call.join().unwrap().unwrap_err();
        assert_eq!(error.condition, CallCondition::NoDoor);
    }
    for _ in 0..200 {
        let error = server.door.call(b"t", vec![]).unwrap_err();
        assert_eq!(error.condition, CallCondition::NoDoor);
    }
    // What was taken finishes.
    server.open_gate(1);
    text(running.join().unwrap());
    let error = server.door.call(b"t", vec![]).unwrap_err();
    assert_eq!(error.condition, CallCondition::NoDoor);
    // The pool of the door ends; nobody holds a thread of it.
    Census::settle(server.peer.pid(), "its threads end", |census| {
        census.threads <= 2
    });
}

#[test]
fn a_panicking_procedure_costs_no_thread() {
    let _watchdog = Watchdog::new("panics");
    let mut server = Server::start("panics", &["ceiling=2"]);
    for _ in 0..50 {
        let error = server.door.call(b"p", vec![]).unwrap_err();
        assert_eq!(error.condition, CallCondition::Panicked);
    }
    assert_eq!(server.threads(), 2);
    let calls: Vec<_> = (0..2).map(|_| calling(&server.door, "w")).collect();
    server.wait_entered(2);
    server.open_gate(2);
    for call in calls {
        text(call.join().unwrap());
    }
}

#[test]
fn a_procedure_that_exits_ends_the_calls_of_all_its_callers() {
    let _watchdog = Watchdog::new("exits");
    let mut server = Server::start("exits", &[]);
    let waiting = calling(&server.door, "w");
    server.wait_entered(1);
    let error = server.door.call(b"x", vec![]).unwrap_err();
    assert_eq!(error.condition, CallCondition::ServerDied { taken: true });
    let error = waiting.join().unwrap().unwrap_err();
    assert_eq!(error.condition, CallCondition::ServerDied { taken: true });
    let error = server.door.call(b"t", vec![]).unwrap_err();
    assert_eq!(error.condition, CallCondition::NoDoor);
}

#[test]
fn a_procedure_may_call_its_own_door() {
    let _watchdog = Watchdog::new("recursion");
    let mut server = Server::start("recursion", &[]);
    assert_eq!(call(&server.door, "n50"), "bottom");
    assert!(server.threads() <= 52);
}

#[test]
fn recursion_beyond_the_ceiling_ends_at_its_deadline() {
    let _watchdog = Watchdog::new("recursion ceiling");
    let mut server = Server::start("recursion", &["ceiling=3"]);
    // Levels 5, 4 and 3 have the three threads; the call to level 2 waits in vain.
    assert_eq!(call(&server.door, "n5"), "TimedOut { taken: false } at 3");
    assert_eq!(call(&server.door, "n2"), "bottom");
    assert_eq!(server.threads(), 3);
}

#[test]
fn a_lack_of_threads_degrades_and_heals() {
    let _watchdog = Watchdog::new("nproc");
    // RLIMIT_NPROC does not bind the superuser; as somebody else it does.
    let root = nix::unistd::geteuid().is_root();
    let words: &[&str] = if root { &["uid=51234"] } else { &[] };
    let directory = Directory::new("nproc");
    std::fs::set_permissions(
        directory.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o1777),
    )
    .unwrap();
    let path = directory.join("door");
    let mut all = vec![path.to_str().unwrap()];
    all.extend(words);
    let mut peer = Peer::start(PEER, "threads-server", &all);
    peer.expect("ready");
    let door = Door::open(&path).unwrap();
    peer.say("nproc 1");
    peer.expect("limited");
    // The one thread that there is serves all; no new one can be made.
    for _ in 0..50 {
        call(&door, "t");
    }
    peer.say("threads");
    peer.expect("1");
    let first = calling(&door, "w");
    peer.say("entered 1");
    peer.expect("entered");
    assert_waits(&door);
    peer.say("nproc 4096");
    peer.expect("limited");
    peer.say("open 1");
    text(first.join().unwrap());
    let calls: Vec<_> = (0..2).map(|_| calling(&door, "w")).collect();
    peer.say("entered 3");
    peer.expect("entered");
    peer.say("open 2");
    for call in calls {
        text(call.join().unwrap());
    }
}

#[test]
fn without_a_thread_for_the_library_a_side_says_so_and_tries_again() {
    let _watchdog = Watchdog::new("starved");
    let root = nix::unistd::geteuid().is_root();
    let mut words = vec!["starved"];
    if root {
        words.push("uid=51235");
    }
    let directory = Directory::new("starved");
    std::fs::set_permissions(
        directory.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o1777),
    )
    .unwrap();
    let path = directory.join("door");
    let path = path.to_str().unwrap();
    let mut all = vec![path];
    all.extend(&words);
    let mut server = Peer::start(PEER, "threads-server", &all);
    server.expect("ready");
    let uid: &[&str] = if root { &["uid=51236"] } else { &[] };
    let mut client = Peer::start(PEER, "threads-client", uid);
    client.expect("ready");
    let mut ask = |line: &str| {
        client.say(line);
        client.hear()
    };
    assert_eq!(ask("nproc 1"), "limited");
    assert_eq!(ask(&format!("open {path}")), "opened");
    // The first call needs no thread; a session needs the watcher.
    assert!(ask("call 0 t").starts_with("ok "));
    for _ in 0..2 {
        let answer = ask("call 0 t");
        assert!(answer.starts_with("error System"), "{answer}");
    }
    assert_eq!(ask("nproc 4096"), "limited");
    assert!(ask("call 0 t").starts_with("ok "));
    // The watcher that was made late does its work.
    let answer = ask("call 0 x");
    assert_eq!(answer, "error ServerDied { taken: true }");
}

/// Voluntary switches of all threads of a process: who sleeps for ever makes none.
fn switches(pid: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    tasks
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("status")).ok())
        .filter_map(|status| {
            let line = status
                .lines()
                .find(|line| line.starts_with("voluntary_ctxt_switches"))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        })
        .sum()
}

#[test]
fn quiet_channels_hold_no_thread_and_an_idle_server_never_wakes_up() {
    let _watchdog = Watchdog::new("quiet");
    let mut server = Server::start("quiet", &["floor=1"]);
    call(&server.door, "t");
    let before = Census::of(server.peer.pid());
    // A thread that joined by itself stays, whatever the floor is: it may be the main thread.
    let mut joined = Server::start("joined", &["floor=0", "creator=decline"]);
    assert_eq!(joined.ask("join"), "joins");
    let path = server.path();
    let path = path.to_str().unwrap();
    // Two clients with a hundred threads each, all in a call at the same time.
    let mut crowds: Vec<Peer> = (0..2)
        .map(|_| Peer::start(PEER, "threads-crowd", &[path, "100", "w"]))
        .collect();
    server.wait_entered(200);
    assert!((200..=203).contains(&server.threads()));
    server.open_gate(200);
    for crowd in &mut crowds {
        let tids = crowd.hear();
        assert_eq!(tids.split(' ').count(), 100);
    }
    // All but the floor's thread end; the sessions and their channels stay.
    let pid = server.peer.pid();
    Census::settle(pid, "the pool at its floor", |census| {
        census.threads <= before.threads
    });
    assert_eq!(server.threads(), 1);
    let idle = (0..20).any(|_| {
        let from = switches(pid);
        std::thread::sleep(Duration::from_secs(1));
        switches(pid) == from
    });
    assert!(idle, "an idle server wakes up");
    assert_eq!(call(&joined.door, "t"), joined.peer.pid().to_string());
    // Calls after the quiet time work, on the old channels.
    for crowd in &mut crowds {
        crowd.say("again");
        assert!(crowd.hear().starts_with("ok "));
        assert!(crowd.finish().success());
    }
}

#[test]
fn calls_around_the_moment_of_falling_quiet_are_never_lost() {
    let _watchdog = Watchdog::new("hammer");
    let server = Server::start("hammer", &[]);
    call(&server.door, "t");
    let before = Census::of(server.peer.pid());
    let path = server.path();
    let path = path.to_str().unwrap();
    let mut hammers: Vec<Peer> = (0..2)
        .map(|_| Peer::start(PEER, "threads-hammer", &[path, "40", "5000", "50000"]))
        .collect();
    for hammer in &mut hammers {
        let calls: u64 = hammer.hear().parse().unwrap();
        // Ten of each thread at least, or the test has shown nothing.
        assert!(calls >= 400, "{calls} calls");
        assert!(hammer.finish().success());
    }
    Census::settle(server.peer.pid(), "sessions gone", |census| {
        census.descriptors() <= before.descriptors() && census.mappings <= before.mappings
    });
}
