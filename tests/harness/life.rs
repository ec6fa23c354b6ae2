//! The server and the clients of the tests of unreferenced, names, death, forks and the storm.

use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{Directory, Peer};

/// The name of the door that is asked for the door under test.
pub const CONTROL: &str = "control";

/// A server whose door under test is of this kind; it is asked for at the path "control" of a directory.
#[must_use]
pub fn server(program: &str, directory: &Directory, kind: &str) -> Peer {
    let mut server = Peer::start(program, "life-server", &[]);
    let path = directory.join(CONTROL);
    server.ask(&format!("control {}", path.display()), "attached");
    server.ask(&format!("create {kind}"), "created");
    server
}

/// A server whose door under test is of this kind, and which has no other.
#[must_use]
pub fn subject(program: &str, kind: &str) -> Peer {
    let mut server = Peer::start(program, "life-server", &[]);
    server.ask(&format!("create {kind}"), "created");
    server
}

/// A client that has opened nothing yet.
#[must_use]
pub fn stranger(program: &str) -> Peer {
    Peer::start(program, "life-client", &[])
}

/// A client that has opened "control".
#[must_use]
pub fn client(program: &str, directory: &Directory) -> Peer {
    let mut client = stranger(program);
    open(&mut client, CONTROL, &directory.join(CONTROL));
    client
}

/// A client that has a session with it.
#[must_use]
pub fn client_with_session(program: &str, directory: &Directory) -> Peer {
    let mut client = client(program, directory);
    // The first call travels on the connection.
    client.ask("call control eone", "reply one");
    client.ask("call control etwo", "reply two");
    client
}

/// Has a client open a path under a name of its own.
pub fn open(client: &mut Peer, name: &str, path: &Path) {
    client.ask(&format!("open {name} {}", path.display()), "open");
}

/// Has a client open a path under a name of its own; what it says to that.
pub fn try_open(client: &mut Peer, name: &str, path: &Path) -> String {
    client.query(&format!("open {name} {}", path.display()))
}

/// Has a server attach its door to a path, as its attachment "n"; what it says to that.
pub fn attach(server: &mut Peer, path: &Path, mode: &str) -> String {
    server.query(&format!("attach n {} {mode}", path.display()))
}

/// The kind of error of a name.
#[must_use]
pub fn kind_of_error(said: &str) -> &str {
    let error = said.strip_prefix("error Name(").unwrap_or(said);
    error.split(' ').next().unwrap()
}

/// The pid that a door's server says it has.
pub fn server_of(client: &mut Peer, name: &str) -> u32 {
    let said = client.query(&format!("call {name} i"));
    said.strip_prefix("reply ").unwrap().parse().unwrap()
}

/// Kills a forked child, which a peer has told of as `child PID`.
pub fn end(child: &str) {
    let pid = child.strip_prefix("child ").unwrap().parse().unwrap();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
}
