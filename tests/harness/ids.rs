//! A server that looks at who calls, and clients with ids of their own.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use doors::Door;

use crate::{Books, Directory, Peer, skipped};

/// What a client says whose call the policy refused.
pub const REFUSED: &str = "error NotAllowed";

/// A directory into which anybody may look, and a server in it. When it is dropped, after its clients, the server has to
/// hold what it held at the start.
#[derive(Debug)]
pub struct Hall {
    /// The server's process.
    pub server: Peer,
    program: String,
    directory: Directory,
    books: Books,
}

impl Hall {
    /// With a server that is told these words.
    #[must_use]
    pub fn new(program: &str, name: &str, words: &[&str]) -> Self {
        Self::of(program, name, Command::new(program), words)
    }

    /// With a command that starts the peer's program in some other surroundings.
    #[must_use]
    pub fn of(program: &str, name: &str, mut command: Command, words: &[&str]) -> Self {
        let directory = Directory::new(name);
        let open = PermissionsExt::from_mode(0o1777);
        std::fs::set_permissions(directory.path(), open).unwrap();
        command.arg("threads-server").arg(directory.join("door"));
        command.args(words);
        let mut server = Peer::start_command(command);
        server.expect("ready");
        // The pool's first thread may be on its way; the second comes with the first call.
        let books = Books::of(&server).and_threads(2);
        Self {
            server,
            program: program.to_owned(),
            directory,
            books,
        }
    }

    /// What is held at the end is compared with what is held now: the server has become a client of another.
    pub fn open_new_books(&mut self) {
        self.books = Books::of(&self.server);
    }

    /// Where the door is.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.directory.join("door")
    }

    /// A client with these ids which has opened the door as its number 0.
    #[must_use]
    pub fn client(&self, words: &[&str]) -> Client {
        self.client_of(Command::new(&self.program), words)
    }

    /// The same, started by a command.
    #[must_use]
    pub fn client_of(&self, mut command: Command, words: &[&str]) -> Client {
        command.arg("threads-client").args(words);
        let mut client = Client(Peer::start_command(command));
        client.0.expect("ready");
        client.open(&self.path());
        client
    }

    /// How many callers and petitioners were refused so far.
    #[must_use]
    pub fn refused(&self) -> u64 {
        let door = Door::open(self.path()).unwrap();
        door.info().unwrap().figures.unwrap().refused
    }
}

impl Drop for Hall {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.books.balance();
        }
    }
}

/// A client that does what it is told.
#[derive(Debug)]
pub struct Client(Peer);

impl Client {
    /// One that has opened nothing yet.
    #[must_use]
    pub fn new(program: &str, words: &[&str]) -> Self {
        let mut client = Self(Peer::start(program, "threads-client", words));
        client.0.expect("ready");
        client
    }

    /// Tells it a line; what it says to that.
    pub fn ask(&mut self, line: &str) -> String {
        self.0.query(line)
    }

    /// Asserts that it says the same to each of these lines.
    pub fn expect_each(&mut self, lines: &[&str], answer: &str) {
        for line in lines {
            self.0.ask(line, answer);
        }
    }

    /// Has it open a door, under the next number.
    pub fn open(&mut self, path: &Path) {
        self.0.ask(&format!("open {}", path.display()), "opened");
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.0.pid()
    }
}

/// True if this test runs as the superuser; says a word otherwise.
#[must_use]
pub fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        skipped("only the superuser can become somebody else");
    }
    root
}
