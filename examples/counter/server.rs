//! The server of the two programs in `counter/`. It serves until it is ended, with ^C for example.
//!
//! `cargo run --bin counter_server /tmp/counter`
#![expect(clippy::print_stdout, reason = "the output is the example")]

use std::error::Error;
use std::fs::File;

use counter::{Counter, CounterDoor, NoText};

struct Server;

impl Counter for Server {
    fn lines(&self, file: File) -> Result<usize, NoText> {
        let text = std::io::read_to_string(file).map_err(|_| NoText)?;
        Ok(text.lines().count())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("name the door")?;
    // Also where a server that was killed has left its name.
    let _name = CounterDoor::serve(Server)?.attach(&path, 0o600)?;
    println!("{} can be called", path.display());
    loop {
        // Threads of the library serve the calls.
        std::thread::park();
    }
}
