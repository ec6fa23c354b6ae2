//! A server whose threads a test watches and steers.

use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use doors::{CallCondition, CallError, Door, Reply};
use harness::{Directory, Peer};

pub(crate) const PEER: &str = env!("CARGO_BIN_EXE_peer");

/// A server process with its door.
pub(crate) struct Server {
    pub(crate) directory: Directory,
    pub(crate) peer: Peer,
    pub(crate) door: Door,
}

impl Server {
    pub(crate) fn start(name: &str, words: &[&str]) -> Self {
        Self::start_in(Directory::new(name), words)
    }

    /// As a user whom `RLIMIT_NPROC` binds: it does not bind the superuser.
    pub(crate) fn start_as(uid: u32, name: &str, words: &[&str]) -> Self {
        let directory = Directory::new(name);
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o1777);
        std::fs::set_permissions(directory.path(), mode).unwrap();
        let uid = somebody(uid);
        let words: Vec<&str> = words.iter().copied().chain(uid.as_deref()).collect();
        Self::start_in(directory, &words)
    }

    fn start_in(directory: Directory, words: &[&str]) -> Self {
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

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.join("door")
    }

    /// Tells the server a line and hears the answer.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.peer.say(line);
        self.peer.hear()
    }

    pub(crate) fn threads(&mut self) -> usize {
        self.ask("threads").parse().unwrap()
    }

    /// Waits until the pool has so many threads.
    pub(crate) fn settle_threads(&mut self, count: usize) {
        while self.threads() != count {
            // A pause between two looks: each is a call of the server's.
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The thread, depletion flag and pool of each call of the creation callback.
    pub(crate) fn created(&mut self) -> Vec<(String, bool, u64)> {
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
    pub(crate) fn wait_entered(&mut self, count: usize) {
        self.peer.say(&format!("entered {count}"));
        self.peer.expect("entered");
    }

    pub(crate) fn open_gate(&mut self, count: usize) {
        self.peer.say(&format!("open {count}"));
    }
}

/// The word that makes a peer of the superuser somebody else.
pub(crate) fn somebody(uid: u32) -> Option<String> {
    nix::unistd::geteuid()
        .is_root()
        .then(|| format!("uid={uid}"))
}

pub(crate) fn text(reply: Result<Reply, CallError>) -> String {
    String::from_utf8(reply.unwrap().data).unwrap()
}

pub(crate) fn call(door: &Door, data: &str) -> String {
    text(door.call(data.as_bytes(), vec![]))
}

/// A call on a thread of its own.
pub(crate) fn calling(door: &Door, data: &'static str) -> JoinHandle<Result<Reply, CallError>> {
    let door = door.clone();
    std::thread::spawn(move || door.call(data.as_bytes(), vec![]))
}

pub(crate) fn soon(millis: u64) -> Instant {
    Instant::now() + Duration::from_millis(millis)
}

/// A call that finds no thread: its deadline passes before the server takes it.
pub(crate) fn assert_waits(door: &Door) {
    let error = door.call_until(b"t", vec![], soon(300)).unwrap_err();
    assert_eq!(error.condition, CallCondition::TimedOut { taken: false });
}
