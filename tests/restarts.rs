//! Many restarts in a row, under clients that never pause.
#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a test that cannot go on ends"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::{Census, Directory, Peer, Watchdog};

const PEER: &str = env!("CARGO_BIN_EXE_peer");
const RESTARTS: usize = 20;
const WAYS: [&str; 3] = ["steady", "opener", "passer"];
const CLIENTS: [&str; 2] = ["1", "2"];
/// A client that comes after the last restart.
const LATE: &str = "late";
/// Calls that each caller makes at least between two restarts.
const CALLS: usize = 20;

/// What the servers have executed, read as it comes.
struct Log {
    file: BufReader<File>,
    /// The beginning of a line that has not come to its end.
    begun: String,
    /// How often each number was executed.
    executed: BTreeMap<String, usize>,
    /// By server and caller.
    counts: BTreeMap<(u32, String), usize>,
}

impl Log {
    fn read(&mut self) {
        loop {
            // A line may be seen while it is written.
            self.file.read_line(&mut self.begun).unwrap();
            let Some(line) = self.begun.strip_suffix('\n') else {
                return;
            };
            let (number, server) = line.split_once(' ').unwrap();
            let (caller, _) = number.rsplit_once('.').unwrap();
            let key = (server.parse().unwrap(), caller.to_owned());
            *self.counts.entry(key).or_default() += 1;
            *self.executed.entry(number.to_owned()).or_default() += 1;
            self.begun.clear();
        }
    }

    /// Waits until a server has executed some calls of every caller of these clients.
    fn await_all(&mut self, server: u32, clients: &[&str]) {
        let callers = || {
            let names = clients.iter();
            names.flat_map(|name| WAYS.iter().map(move |way| format!("{name}.{way}")))
        };
        let made = |log: &Self, caller| {
            let calls = log.counts.get(&(server, caller));
            calls.is_some_and(|calls| *calls >= CALLS)
        };
        while !callers().all(|caller| made(self, caller)) {
            self.read();
            std::thread::yield_now();
        }
    }
}

fn start(directory: &Directory) -> Peer {
    let log = directory.join("log");
    Peer::start(PEER, "restart-link", &[log.to_str().unwrap()])
}

fn ask(peer: &mut Peer, command: &str, expected: &str) {
    peer.say(command);
    peer.expect(expected);
}

fn answered(path: &Path, client: &str, way: &str) -> Vec<String> {
    let file = PathBuf::from(format!("{}.{client}.{way}", path.display()));
    let lines = BufReader::new(File::open(file).unwrap()).lines();
    lines.map(Result::unwrap).collect()
}

/// The clients, whose calls are over, end. None of them holds more than the last of them, which has lived through no
/// restart; and the last server no more than the first one before any call.
fn the_books_balance(clients: &mut [Peer], server: &Peer, uncalled: &Census) {
    let late = Census::of(clients.last().unwrap().pid());
    for client in &*clients {
        let what = format!("more is held than by a client that came late: {late:#?}");
        Census::settle(client.pid(), &what, |now| {
            now.holds_no_more_than(&late, late.mappings) && now.threads <= late.threads
        });
    }
    for client in clients {
        assert!(client.finish().success());
    }
    let what = format!("more is held than before any call: {uncalled:#?}");
    // Threads that idle end only after a while.
    let threads = uncalled.threads + WAYS.len() * (CLIENTS.len() + 1);
    Census::settle(server.pid(), &what, |now| {
        now.holds_no_more_than(uncalled, uncalled.mappings) && now.threads <= threads
    });
}

#[test]
fn no_call_is_lost_or_executed_twice_in_many_restarts() {
    let _watchdog = Watchdog::with_limit(
        "no_call_is_lost_or_executed_twice_in_many_restarts",
        Duration::from_mins(4),
    );
    let directory = Directory::new("restarts");
    let path = directory.join("door");
    let mut server = start(&directory);
    ask(
        &mut server,
        &format!("create {}", path.display()),
        "created",
    );
    let uncalled = Census::of(server.pid());
    let mut log = Log {
        file: BufReader::new(File::open(directory.join("log")).unwrap()),
        begun: String::new(),
        executed: BTreeMap::new(),
        counts: BTreeMap::new(),
    };
    let start_client = |name: &str| {
        let arguments = [path.to_str().unwrap(), name];
        let mut client = Peer::start(PEER, "restart-caller", &arguments);
        client.expect("calling");
        client
    };
    let mut clients: Vec<_> = CLIENTS.map(start_client).into();
    for round in 0..RESTARTS {
        log.await_all(server.pid(), &CLIENTS);
        let at = directory.join("between");
        let mut successor = start(&directory);
        ask(
            &mut successor,
            &format!("listen {}", at.display()),
            "listening",
        );
        ask(
            &mut server,
            &format!("connect {}", at.display()),
            "connected",
        );
        ask(&mut successor, "accept", "accepted");
        std::fs::remove_file(&at).unwrap();
        successor.say("take over");
        ask(&mut server, "drain 60000", "unfinished 0");
        ask(&mut server, "hand over", "handed over 1");
        // The old server goes in an orderly way, at once, or stays until the new one serves.
        match round % 3 {
            0 => assert!(server.finish().success()),
            1 => server.kill(),
            _ => {}
        }
        successor.expect("taken over 1");
        ask(&mut successor, "serve", "serving");
        server = successor;
    }
    log.await_all(server.pid(), &CLIENTS);
    clients.push(start_client(LATE));
    log.await_all(server.pid(), &[LATE]);
    for client in &mut clients {
        client.say("stop");
        let hiccups = client.hear();
        assert!(hiccups.starts_with('{'), "a caller has met {hiccups:?}");
    }
    the_books_balance(&mut clients, &server, &uncalled);
    log.read();
    let servers: BTreeSet<u32> = log.counts.keys().map(|(server, _)| *server).collect();
    assert_eq!(servers.len(), RESTARTS + 1);
    let mut expected = BTreeMap::new();
    for client in CLIENTS.into_iter().chain([LATE]) {
        for way in WAYS {
            for number in answered(&path, client, way) {
                assert_eq!(expected.insert(number, 1), None);
            }
        }
    }
    // Every answered call was executed once, and no other was executed at all.
    let lost: Vec<_> = expected
        .keys()
        .filter(|call| !log.executed.contains_key(*call))
        .collect();
    assert!(lost.is_empty(), "answered and not executed: {lost:?}");
    let more: Vec<_> = log
        .executed
        .iter()
        .filter(|(call, times)| expected.get(*call) != Some(*times))
        .collect();
    assert!(
        more.is_empty(),
        "executed otherwise than answered: {more:?}"
    );
}
