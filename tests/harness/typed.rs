//! Servers of doors with values, and how calls of theirs end.

use std::fmt::Debug;
use std::path::PathBuf;

use doors::{CallCondition, Client, ProcedureError};

use crate::{Directory, Peer};

/// Starts a peer that serves one door at the path it is told, and opens that; the name is for its directory.
#[must_use]
pub fn serve<C: Client>(program: &str, what: &str, name: &str) -> (Peer, C, Directory) {
    let directory = Directory::new(name);
    let path = directory.join("door");
    let mut peer = Peer::start(program, what, &[path.to_str().unwrap()]);
    peer.expect("ready");
    (peer, C::open(path).unwrap(), directory)
}

/// Why a call brought neither a value nor an error of the method.
pub fn condition<T: Debug, E: Debug>(outcome: Result<T, ProcedureError<E>>) -> CallCondition {
    match outcome.unwrap_err() {
        ProcedureError::Call(lost) => lost.condition,
        other => panic!("{other:?}"),
    }
}

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
