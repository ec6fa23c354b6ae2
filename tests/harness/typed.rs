//! The server of the tests of procedures with values.

use std::path::PathBuf;

use crate::{Directory, Peer};

/// A server of all procedures.
#[derive(Debug)]
pub struct Server {
    /// Its process.
    pub peer: Peer,
    directory: Directory,
}

impl Server {
    /// Starts it; the name is for its directory.
    #[must_use]
    pub fn start(program: &str, name: &str) -> Self {
        let directory = Directory::new(name);
        let path = directory.path().to_str().unwrap();
        let mut peer = Peer::start(program, "typed-server", &[path]);
        peer.expect("ready");
        Self { peer, directory }
    }

    /// Where a procedure is.
    #[must_use]
    pub fn at(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// How many allocations its process has made so far.
    pub fn allocations(&mut self) -> u64 {
        self.peer.query("allocations").parse().unwrap()
    }
}
