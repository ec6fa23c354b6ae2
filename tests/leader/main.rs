//! The leader runs no foreign code and waits for nobody: whatever a program gives the library may block, or call a door of
//! its own process, and the server goes on.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod callbacks;
mod ends;
mod judged;
mod lack;
mod leads;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use doors::{CallError, Door, Reply};
use harness::{Directory, Peer, Watchdog};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

/// A server with a door for anyone, and perhaps another one.
struct Scene {
    server: Peer,
    directory: Directory,
    _watchdog: Watchdog,
}

impl Scene {
    fn new(name: &'static str) -> Self {
        Self::of(name, &[])
    }

    fn of(name: &'static str, arguments: &[&str]) -> Self {
        let watchdog = Watchdog::new(name);
        let directory = Directory::new("leader");
        let open = PermissionsExt::from_mode(0o1777);
        std::fs::set_permissions(directory.path(), open).unwrap();
        let server = Peer::start(PEER, "leader-server", arguments);
        let mut scene = Self {
            server,
            directory,
            _watchdog: watchdog,
        };
        if !arguments.contains(&"bare") {
            let plain = scene.plain();
            scene.tell(&format!("plain {}", plain.display()));
        }
        scene
    }

    /// With a door under test, whose policy, or that of its name, does this.
    fn with_policy(name: &'static str, whose: &str, deed: &str) -> Self {
        let mut scene = Self::new(name);
        scene.policy(whose, deed);
        scene
    }

    fn policy(&mut self, whose: &str, deed: &str) {
        let subject = self.subject();
        self.tell(&format!("policy {whose} {deed} {}", subject.display()));
    }

    fn plain(&self) -> PathBuf {
        self.directory.join("plain")
    }

    fn subject(&self) -> PathBuf {
        self.directory.join("subject")
    }

    fn ask(&mut self, line: &str) -> String {
        self.server.say(line);
        self.server.hear()
    }

    fn tell(&mut self, line: &str) {
        assert_eq!(self.ask(line), "done", "{line}");
    }

    /// Waits until something has happened so often in the server.
    fn wait(&mut self, what: &str, times: usize) {
        let heard = self.ask(&format!("wait {what} {times}"));
        assert_eq!(heard, times.to_string(), "{what}");
    }

    /// Somebody who has nothing to do with the rest comes, and is served: on a connection, and through a session.
    fn others_are_served(&self) {
        let door = Door::open(self.plain()).unwrap();
        for _ in 0..2 {
            assert_eq!(door.call(b"eothers", vec![]).unwrap().data, b"others");
        }
        door.info().unwrap();
    }

    /// Hands the subject out and takes the last reference to it away.
    fn end_subject(&mut self) {
        let door = Door::open(self.plain()).unwrap();
        let reply = door.call(b"d", vec![]).unwrap();
        self.tell("drop-door");
        drop(reply);
    }
}

fn calling(path: PathBuf) -> JoinHandle<Result<Reply, CallError>> {
    std::thread::spawn(move || Door::open(path).unwrap().call(b"ein", vec![]))
}

fn soon() -> Instant {
    Instant::now()
        .checked_add(Duration::from_millis(300))
        .unwrap()
}

/// A user of whom there is no other process, so that its number of threads can be limited; only the superuser can
/// become it, and any other has its own limit.
fn alone(number: u32) -> Option<String> {
    let root = nix::unistd::geteuid().is_root();
    root.then(|| number.saturating_add(51_700).to_string())
}
