//! The client of the two programs in `counter/`.
//!
//! `cargo run --bin counter_client /tmp/counter /etc/passwd`
#![expect(clippy::print_stdout, reason = "the output is the example")]

use std::error::Error;
use std::fs::File;

use counter::{CounterClient, NoText};
use doors::ProcedureError;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(path), Some(file)) = (arguments.next(), arguments.next()) else {
        return Err("name the door and a file".into());
    };
    let counter = CounterClient::open(path)?;
    match counter.lines(File::open(&file)?) {
        Ok(lines) => println!("{} has {lines} lines", file.display()),
        Err(ProcedureError::Returned(NoText)) => println!("{} is no text", file.display()),
        // The server has died, say, or is of another version.
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
