//! The two honest sides that the tests attack: a server with a good client, and a customer of a bad server.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use doors::Door;
use harness::{Census, Directory, Peer, Watchdog, raw};
use nix::sys::signal::Signal;

const PEER: &str = env!("CARGO_BIN_EXE_peer");

/// A server process, a good client of it in this process, and what the server held at the start.
pub(crate) struct Served {
    pub(crate) peer: Peer,
    pub(crate) path: PathBuf,
    pub(crate) before: Census,
    pub(crate) directory: Directory,
    good: Door,
    _watchdog: Watchdog,
}

impl Served {
    /// The usual server.
    pub(crate) fn new(name: &'static str) -> Self {
        Self::with(name, "serve", "")
    }

    /// A server that another operation of the peer makes; the good client uses the name with this ending.
    pub(crate) fn with(name: &'static str, operation: &str, ending: &str) -> Self {
        let watchdog = Watchdog::new(name);
        let directory = Directory::new(name);
        let path = directory.join("door");
        let mut peer = Peer::start(PEER, operation, &[path.to_str().unwrap()]);
        peer.expect("ready");
        let mut good = path.clone().into_os_string();
        good.push(ending);
        let good = Door::open(PathBuf::from(good)).unwrap();
        // The first travels on the connection, the second makes the session that the census then has.
        for _ in 0..2 {
            good.call(b"i", vec![]).unwrap();
        }
        let before = Census::of(peer.pid());
        Self {
            peer,
            path,
            before,
            directory,
            good,
            _watchdog: watchdog,
        }
    }

    /// A connection to the door.
    pub(crate) fn connect(&self) -> OwnedFd {
        raw::connect(&self.path)
    }

    /// A good client makes a good call.
    pub(crate) fn still_serves(&self) {
        self.good.call(b"i", vec![]).expect("a good call");
    }

    /// Somebody new is served as well, and the server holds again what it held at the start.
    pub(crate) fn is_sound(&self) {
        self.still_serves();
        let fresh = Door::open(&self.path);
        if let Ok(fresh) = fresh {
            fresh.call(b"", vec![]).expect("a good first call");
        }
        self.holds_nothing_more();
    }

    /// The server holds again what it held at the start.
    pub(crate) fn holds_nothing_more(&self) {
        Census::settle(self.peer.pid(), "the server holds more", |now| {
            now.holds_no_more_than(&self.before, self.before.mappings)
        });
    }
}

/// An honest client process for a bad server in this one, and a good server to compare with.
pub(crate) struct Customer {
    pub(crate) peer: Peer,
    pub(crate) path: PathBuf,
    before: Census,
    good: PathBuf,
    _directory: Directory,
    _served: Peer,
    _watchdog: Watchdog,
}

impl Customer {
    pub(crate) fn new(name: &'static str) -> Self {
        Self::with(name, "customer")
    }

    /// A client that another operation of the peer makes.
    pub(crate) fn with(name: &'static str, operation: &str) -> Self {
        let watchdog = Watchdog::new(name);
        let directory = Directory::new(name);
        let good = directory.join("good");
        let mut served = Peer::start(PEER, "serve", &[good.to_str().unwrap()]);
        served.expect("ready");
        let mut peer = Peer::start(PEER, operation, &[]);
        peer.expect("ready");
        let mut customer = Self {
            before: Census::of(peer.pid()),
            path: directory.join("bad"),
            peer,
            good,
            _directory: directory,
            _served: served,
            _watchdog: watchdog,
        };
        customer.good_call();
        customer.before = Census::of(customer.peer.pid());
        customer
    }

    /// Opens a door; the connection is made.
    pub(crate) fn open(&mut self) {
        let path = self.path.display().to_string();
        self.peer.say(&format!("open {path}"));
        self.peer.expect("open");
    }

    /// Stops the client; each of its threads stands when this returns.
    pub(crate) fn stop(&self) {
        self.peer.signal(Signal::SIGSTOP);
        let tasks = format!("/proc/{}/task", self.peer.pid());
        let stands = |task: std::io::Result<std::fs::DirEntry>| {
            let stat = std::fs::read_to_string(task.unwrap().path().join("stat"));
            stat.is_ok_and(|stat| stat.rsplit(") ").next().unwrap().starts_with('T'))
        };
        while !std::fs::read_dir(&tasks).unwrap().all(stands) {
            std::thread::yield_now();
        }
    }

    /// Lets a stopped client go on.
    pub(crate) fn go_on(&self) {
        self.peer.signal(Signal::SIGCONT);
    }

    /// The end of a line that was said before.
    pub(crate) fn hears(&mut self, wanted: &str) {
        let heard = self.peer.hear();
        assert!(heard.starts_with(wanted), "{heard} instead of {wanted}");
    }

    fn good_call(&mut self) {
        let good = self.good.display().to_string();
        self.peer.say(&format!("open {good}"));
        self.peer.expect("open");
        for len in [1, 100, 1] {
            self.peer.say(&format!("call {len}"));
            self.peer.expect(&format!("reply {len} 0"));
        }
        self.peer.say("drop");
        self.peer.expect("dropped");
    }

    /// The client lets go of the bad door, calls a good one, and holds what it held at the start.
    pub(crate) fn is_sound(&mut self) {
        self.good_call();
        let before = &self.before;
        Census::settle(self.peer.pid(), "the client holds more", |now| {
            now.holds_no_more_than(before, before.mappings) && now.threads <= before.threads
        });
    }
}

/// A process that sends packets on in its own name.
pub(crate) struct Relay {
    line: OwnedFd,
    _peer: Peer,
}

impl Relay {
    pub(crate) fn new(directory: &Directory) -> Self {
        let path = directory.join("relay");
        let host = raw::Host::new(&path);
        let mut peer = Peer::start(PEER, "relay", &[path.to_str().unwrap()]);
        let line = host.accept();
        peer.expect("ready");
        Self { line, _peer: peer }
    }

    /// Has the relay send a packet on a socket; it has been sent when this returns.
    pub(crate) fn send(
        &self,
        to: std::os::fd::BorrowedFd<'_>,
        bytes: &[u8],
        fds: &[std::os::fd::BorrowedFd<'_>],
    ) {
        let mut all = vec![to];
        all.extend_from_slice(fds);
        raw::send(&self.line, bytes, &all).unwrap();
        assert_eq!(raw::receive(&self.line).unwrap().bytes, b"done");
    }
}
