//! The smallest service: a trait becomes a door, which one process serves and another calls.
//!
//! `cargo run --bin hello`
#![expect(clippy::print_stdout, reason = "the output is the example")]

use std::error::Error;
use std::process::Command;

use doors::door;

#[door]
trait Greeter {
    fn greet(&self, name: &str) -> String;
}

struct Server;

impl Greeter for Server {
    fn greet(&self, name: &str) -> String {
        format!("Hello, {name}, from process {}!", std::process::id())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(path) = std::env::args_os().nth(1) {
        // The client process.
        let greeter = GreeterClient::open(path)?;
        println!("{}", greeter.greet("Ada")?);
        return Ok(());
    }
    // The server process. Dropped, the attachment removes the name.
    let path = std::env::temp_dir().join(format!("hello-{}", std::process::id()));
    let _name = GreeterDoor::serve(Server)?.attach(&path, 0o600)?;
    let client = Command::new(std::env::current_exe()?).arg(path).status()?;
    client
        .success()
        .then_some(())
        .ok_or("the client failed".into())
}
