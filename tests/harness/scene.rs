//! A server with a door under test, and a client that can ask for it: where references come and go.

use std::path::PathBuf;

use crate::{Directory, Peer, Watchdog, life};

/// The two processes, with what a test of theirs needs.
#[derive(Debug)]
pub struct Scene {
    /// The server of the door under test.
    pub server: Peer,
    /// A client with a session, which has no reference to the door under test.
    pub client: Peer,
    /// The test's own directory.
    pub directory: Directory,
    _watchdog: Watchdog,
}

impl Scene {
    /// With a door of this kind.
    #[must_use]
    pub fn new(program: &str, name: &'static str, kind: &str) -> Self {
        let watchdog = Watchdog::new(name);
        let directory = Directory::new("scene");
        let server = life::server(program, &directory, kind);
        let client = life::client_with_session(program, &directory);
        Self {
            server,
            client,
            directory,
            _watchdog: watchdog,
        }
    }

    /// So many notices have come and no more are due.
    pub fn noticed(&mut self, number: usize) {
        let notices = format!("notices {number}");
        self.server.ask(&format!("wait {notices}"), &notices);
        self.server.ask("barrier", "barrier");
        self.server.ask("count notices", &notices);
    }

    /// Waits until the server has seen so many references and active calls.
    pub fn settled(&mut self, references: usize, active: usize) {
        let wanted = format!("references {references} active {active}");
        while self.server.query("info") != wanted {
            std::thread::yield_now();
        }
    }

    /// The client gets a reference, under this name.
    pub fn take(&mut self, name: &str) {
        self.client.ask(&format!("take {name} control"), "taken");
    }

    /// The client gets a reference that it can call.
    pub fn take_door(&mut self, name: &str) {
        self.take(name);
        self.client.ask(&format!("door {name}"), "a door");
    }

    /// The client lets go of what it has under this name.
    pub fn close(&mut self, name: &str) {
        self.client.ask(&format!("close {name}"), "closed");
    }

    /// A reference comes and goes in the server itself.
    pub fn come_and_go(&mut self) {
        self.server.ask("mint", "minted");
        self.server.ask("close-copies", "closed");
        self.settled(0, 0);
    }

    /// The server attaches the door as its attachment "n"; where.
    pub fn attach(&mut self) -> PathBuf {
        let path = self.directory.join("name");
        let said = life::attach(&mut self.server, &path, "600");
        assert_eq!(said, "attached");
        path
    }
}
