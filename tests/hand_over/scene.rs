//! The two servers of a hand-over, and what their clients see.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::thread::JoinHandle;

use doors::{CallCondition, CallState, Door};
use harness::{Directory, Peer, raw};

pub(crate) const PEER: &str = env!("CARGO_BIN_EXE_peer");
/// Bytes of the packets of a hand-over (PROTOCOL.md).
pub(crate) const DOOR: usize = 48;
pub(crate) const LISTENER: usize = 20;
pub(crate) const TOKEN: usize = 28;
pub(crate) const CONNECTION: usize = 20;
pub(crate) const END: usize = 20;
pub(crate) const ANSWER: usize = 20;
/// The failure code of a server that is about to be replaced.
pub(crate) const DRAINING: u32 = 7;

pub(crate) struct Scene {
    pub(crate) directory: Directory,
    pub(crate) path: PathBuf,
    pub(crate) server: Peer,
    /// A copy of the server's end of the socket, through which can be seen what waits there.
    pub(crate) copy: Option<OwnedFd>,
}

impl Scene {
    /// A server with one door and one name.
    pub(crate) fn new(name: &str) -> Self {
        let directory = Directory::new(name);
        let path = directory.join("door");
        let mut server = start(&directory);
        ask(
            &mut server,
            &format!("create {}", path.display()),
            "created",
        );
        Self {
            directory,
            path,
            server,
            copy: None,
        }
    }

    pub(crate) fn open(&self) -> Door {
        Door::open(&self.path).unwrap()
    }

    /// A door with a session.
    pub(crate) fn caller(&self) -> Door {
        let door = self.open();
        assert_eq!(answer(&door, "first"), self.server.pid());
        assert_eq!(answer(&door, "second"), self.server.pid());
        door
    }

    /// Gives the server its end, and drains it; the successor's end.
    pub(crate) fn connect_busy(&mut self, drain: &str, expected: &str) -> OwnedFd {
        let (ours, theirs) = raw::pair();
        give(&self.directory, &mut self.server, &theirs);
        ask(&mut self.server, drain, expected);
        self.copy = Some(theirs);
        ours
    }

    pub(crate) fn connect(&mut self) -> OwnedFd {
        let ours = self.connect_busy("drain 10000", "unfinished 0");
        self.copy = None;
        ours
    }

    /// Begins a hand-over that cannot end, because more is to be sent than the socket holds, and nobody reads.
    pub(crate) fn stick(&mut self) -> OwnedFd {
        ask(&mut self.server, &mint_many(), "minted");
        let ours = self.connect_busy("drain 10000", "unfinished 0");
        self.server.say("hand over");
        while raw::waiting_bytes(&ours) == 0 {
            std::thread::yield_now();
        }
        ours
    }

    /// Begins a hand-over, of so many bytes in all, that waits for its acceptance.
    pub(crate) fn offer(&mut self, bytes: usize) -> OwnedFd {
        let ours = self.connect_busy("drain 10000", "unfinished 0");
        self.server.say("hand over");
        while raw::waiting_bytes(&ours) != bytes {
            std::thread::yield_now();
        }
        ours
    }

    /// A successor that holds this end of the socket.
    pub(crate) fn successor(&self, socket: OwnedFd) -> Peer {
        let mut successor = start(&self.directory);
        give(&self.directory, &mut successor, &socket);
        drop(socket);
        successor
    }

    /// Waits until the (stopped) server could read the successor's answer.
    pub(crate) fn until_answered(&self) {
        while raw::waiting_bytes(self.copy.as_ref().unwrap()) != ANSWER {
            std::thread::yield_now();
        }
    }

    /// How often a call was executed, by whomever.
    pub(crate) fn executed(&self, call: &str) -> usize {
        let log = std::fs::read_to_string(self.directory.join("log")).unwrap();
        log.lines()
            .filter(|line| line.split(' ').next() == Some(call))
            .count()
    }

    /// Whether a fresh server can serve the name, and the clients find it.
    pub(crate) fn starts_anew(&self) {
        let mut fresh = start(&self.directory);
        ask(
            &mut fresh,
            &format!("create {}", self.path.display()),
            "created",
        );
        assert_eq!(answer(&self.open(), "anew"), fresh.pid());
    }
}

/// Gives a peer its end of the socket between the servers.
pub(crate) fn give(directory: &Directory, peer: &mut Peer, socket: impl AsFd) {
    let at = directory.join("way");
    ask(peer, &format!("listen {}", at.display()), "listening");
    let way = raw::connect(&at);
    ask(peer, "accept", "accepted");
    raw::send(&way, b"socket", &[socket.as_fd()]).unwrap();
    ask(peer, "receive", "received");
    std::fs::remove_file(&at).unwrap();
}

pub(crate) fn start(directory: &Directory) -> Peer {
    let log = directory.join("log");
    Peer::start(PEER, "restart-link", &[log.to_str().unwrap()])
}

pub(crate) fn ask(peer: &mut Peer, command: &str, expected: &str) {
    peer.say(command);
    peer.expect(expected);
}

/// More references than the socket of a hand-over holds: the kernel charges a packet with 512 bytes and more.
pub(crate) fn mint_many() -> String {
    let room = std::fs::read_to_string("/proc/sys/net/core/wmem_default").unwrap();
    let room: usize = room.trim().parse().unwrap();
    format!("mint {}", room / 512 + 50)
}

/// Takes over and serves.
pub(crate) fn succeed(successor: &mut Peer) {
    ask(successor, "take over", "taken over 1");
    ask(successor, "serve", "serving");
}

/// Calls once; which process has answered.
pub(crate) fn answer(door: &Door, data: &str) -> u32 {
    let reply = door.call(data.as_bytes(), vec![]).unwrap().data;
    let (pid, echo) = reply.split_first_chunk().unwrap();
    assert_eq!(&echo[..data.len()], data.as_bytes());
    u32::from_le_bytes(*pid)
}

/// Calls until it is answered; whatever comes in between is a call that was not executed. A `NoDoor` would send the
/// caller away from a door that lives.
pub(crate) fn answered_at_last(door: &Door, data: &str) -> u32 {
    loop {
        match door.call(data.as_bytes(), vec![]) {
            Ok(reply) => return u32::from_le_bytes(*reply.data.first_chunk().unwrap()),
            Err(error) => {
                assert_eq!(error.call_state(), CallState::NotExecuted, "{error:?}");
                assert_ne!(error.condition, CallCondition::NoDoor);
            }
        }
    }
}

pub(crate) fn calling(door: &Door, data: &'static str) -> JoinHandle<u32> {
    let door = door.clone();
    std::thread::spawn(move || answer(&door, data))
}

pub(crate) fn refused(door: &Door) {
    let error = door.call(b"refused", vec![]).unwrap_err();
    assert_eq!(error.condition, CallCondition::Draining);
}

/// Whether every door says that the call was not executed, or that nobody knows.
pub(crate) fn is_lost(door: &Door) {
    let error = door.call(b"lost", vec![]).unwrap_err();
    assert_eq!(error.call_state(), CallState::NotExecuted, "{error:?}");
}
