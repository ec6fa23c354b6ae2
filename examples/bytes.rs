//! The smallest service without a trait: a call carries bytes, and so does its reply.
//!
//! `cargo run --bin bytes`
#![expect(clippy::print_stdout, reason = "the output is the example")]

use std::error::Error;
use std::process::Command;

use doors::{Caller, Door, DoorAttributes};

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(path) = std::env::args_os().nth(1) {
        // The client process.
        let door = Door::open(path)?;
        let reply = door.call(b"hello", vec![])?;
        println!("{}", String::from_utf8_lossy(&reply.data));
        return Ok(());
    }
    // The server process: what follows runs on a thread of its own for each call.
    let door = Door::create(
        |call| {
            let who = match &*call.caller() {
                Caller::Known(caller) => format!("process {}", caller.pid()),
                _ => "somebody from another namespace".into(),
            };
            let text = String::from_utf8_lossy(call.data()).to_uppercase();
            let answer = format!("{text}, {who}!");
            call.door_return(answer.as_bytes(), vec![])
        },
        DoorAttributes::empty(),
    )?;
    let directory = nix::unistd::mkdtemp(&std::env::temp_dir().join("bytes-XXXXXX"))?;
    let path = directory.join("door");
    // Of this user alone. Dropped, the attachment removes the name.
    let name = door.attach(&path, 0o600)?;
    let client = Command::new(std::env::current_exe()?).arg(&path).status()?;
    drop(name);
    std::fs::remove_dir(directory)?;
    if client.success() {
        Ok(())
    } else {
        Err("the client failed".into())
    }
}
