//! What holds for every call holds for a first call, be it a packet that runs on the thread that read it, or the first of
//! a session.
#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a test that cannot go on ends"
)]

mod answers;
mod ends;
mod storm;
mod threads;

use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use doors::{CallError, Door, Reply};
use harness::{Books, Directory, Peer, Watchdog};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

/// A server with one door.
struct Scene {
    server: Peer,
    directory: Directory,
}

/// How a caller has its door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// By its name: the first call travels on the connection.
    Opened,
    /// As a descriptor: the first call opens a session.
    Received,
}

impl Scene {
    fn new(words: &[&str]) -> Self {
        let directory = Directory::new("first");
        let path = directory.join("door");
        let mut arguments = vec![path.to_str().unwrap()];
        arguments.extend(words);
        let mut server = Peer::start(PEER, "first-server", &arguments);
        server.expect("ready");
        Self { server, directory }
    }

    fn path(&self) -> PathBuf {
        self.directory.join("door")
    }

    /// A door that was not called yet.
    fn door(&self, way: Way) -> Door {
        let door = Door::open(self.path()).unwrap();
        match way {
            Way::Opened => door,
            Way::Received => Door::from_descriptor(door.descriptor().unwrap()).unwrap(),
        }
    }

    fn ask(&mut self, line: &str) -> String {
        self.server.query(line)
    }

    fn tell(&mut self, line: &str) {
        self.server.ask(line, "done");
    }

    fn count(&mut self, what: &str) -> usize {
        self.ask(&format!("count {what}")).parse().unwrap()
    }

    /// Waits until something has happened so often in the server.
    fn wait(&mut self, what: &str, times: usize) {
        let times = times.to_string();
        self.server.ask(&format!("wait {what} {times}"), &times);
    }

    /// Waits until so many calls of the door are active, and as many have an age.
    fn until_active(&mut self, calls: usize) {
        let end = format!("active {calls} ages {calls}");
        while !self.ask("figures").ends_with(&end) {
            std::thread::yield_now();
        }
    }

    /// Whether the last call ran on a thread that leads otherwise.
    fn was_led(&mut self) -> bool {
        leads(&self.ask("where"))
    }

    /// Others are served: on a connection, and through a session.
    fn serves(&self) {
        for way in [Way::Opened, Way::Received] {
            let door = self.door(way);
            for _ in 0..2 {
                assert_eq!(door.call(b"within 0", vec![]).unwrap().data, b"1");
            }
        }
    }
}

fn leads(thread: &str) -> bool {
    thread.starts_with("door-leader") || thread.starts_with("door-deputy")
}

/// Has a scenario played with a first call of a session, then with first calls on connections, until one of these has run
/// on a thread that leads otherwise. Nothing of them stays in the server.
fn played(
    name: &'static str,
    words: &[&str],
    threads: usize,
    scenario: impl Fn(&mut Scene, Door, Way),
) {
    let _watchdog = Watchdog::new(name);
    let mut scene = Scene::new(words);
    // Of each way once before what is held is counted: sessions stay, that of the server with itself, too.
    scene.serves();
    let door = scene.door(Way::Opened);
    let itself = vec![door.to_desc().unwrap()];
    assert_eq!(door.call(b"call-it", itself).unwrap().data, b"1");
    let books = Books::of(&scene.server).and_threads(threads);
    let door = scene.door(Way::Received);
    scenario(&mut scene, door, Way::Received);
    loop {
        let door = scene.door(Way::Opened);
        scenario(&mut scene, door, Way::Opened);
        if scene.was_led() {
            break;
        }
    }
    scene.serves();
    books.balance();
}

/// The same where the scenario is the end of its door: with a new server each time. It says whether its call was led.
fn played_anew(
    name: &'static str,
    words: &[&str],
    scenario: impl Fn(&mut Scene, Door, Way) -> bool,
) {
    let _watchdog = Watchdog::new(name);
    for way in [Way::Received, Way::Opened] {
        loop {
            let mut scene = Scene::new(words);
            let door = scene.door(way);
            let led = scenario(&mut scene, door, way);
            if led || way == Way::Received {
                break;
            }
        }
    }
}

/// A call on a thread of its own.
fn calling(door: &Door, data: String) -> JoinHandle<Result<Reply, CallError>> {
    let door = door.clone();
    std::thread::spawn(move || door.call(data.as_bytes(), vec![]))
}

fn soon(millis: u64) -> Instant {
    Instant::now() + Duration::from_millis(millis)
}
