//! A caller passes a door of its own, by which the server tells how far it is.
//!
//! `cargo run --bin progress`
#![expect(clippy::print_stdout, reason = "the output is the example")]

use std::error::Error;
use std::process::Command;

use doors::door;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
#[error("nobody listens any more")]
struct Unheard;

#[door]
trait Adder {
    /// The sum of all numbers; says after each tenth of them how far it is.
    fn sum(&self, numbers: Vec<u64>, progress: ProgressClient) -> Result<u64, Unheard>;
}

#[door]
trait Progress {
    fn reached(&self, percent: usize);
}

struct Server;

impl Adder for Server {
    fn sum(&self, numbers: Vec<u64>, progress: ProgressClient) -> Result<u64, Unheard> {
        let mut sum = 0_u64;
        let tenth = numbers.len().div_ceil(10).max(1);
        for (done, part) in numbers.chunks(tenth).enumerate() {
            sum = part
                .iter()
                .fold(sum, |sum, number| sum.wrapping_add(*number));
            // A call like any other: the caller may have gone meanwhile.
            let percent = done.saturating_add(1).saturating_mul(10);
            progress.reached(percent).map_err(|_| Unheard)?;
        }
        Ok(sum)
    }
}

/// The client is a server, too.
struct Bar;

impl Progress for Bar {
    fn reached(&self, percent: usize) {
        println!("{percent:3} %");
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(path) = std::env::args_os().nth(1) {
        let adder = AdderClient::open(path)?;
        let sum = adder.sum((1..=1000).collect(), ProgressDoor::serve_object(Bar)?)?;
        println!("the sum is {sum}");
        return Ok(());
    }
    let path = std::env::temp_dir().join(format!("progress-{}", std::process::id()));
    let _name = AdderDoor::serve(Server)?.attach(&path, 0o600)?;
    let client = Command::new(std::env::current_exe()?).arg(path).status()?;
    client
        .success()
        .then_some(())
        .ok_or("the client failed".into())
}
