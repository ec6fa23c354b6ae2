//! A failed call says whether the server procedure may have run, so that a caller knows if it may call again.
//!
//! `cargo run --bin outcome`
#![expect(clippy::print_stdout, reason = "the output is the example")]

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use doors::{CallError, CallState, Door, DoorAttributes, Reply};

fn show(what: &str, outcome: Result<Reply, CallError>) -> Option<CallState> {
    match outcome {
        Ok(_) => {
            println!("{what}: answered");
            None
        }
        Err(error) => {
            println!("{what}: {} ({:?})", error.condition, error.call_state());
            Some(error.call_state())
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let door = Door::create(
        |call| {
            if call.data() == b"slow" {
                // A procedure that takes long looks whether anybody still waits.
                while !call.is_cancelled() {
                    thread::sleep(Duration::from_millis(1));
                }
            }
            call.door_return(&[], vec![])
        },
        DoorAttributes::REFUSE_DESC,
    )?;
    let answered = show("a call", door.call(&[], vec![]));
    let descriptor = door.to_desc()?;
    let refused = show("a call with a descriptor", door.call(&[], vec![descriptor]));
    let soon = Instant::now().checked_add(Duration::from_millis(500));
    let late = show(
        "a slow call with a deadline",
        door.call_until(b"slow", vec![], soon.ok_or("no such time")?),
    );
    door.revoke()?;
    let revoked = show("a call after the end of the door", door.call(&[], vec![]));
    let expected = [
        None,
        Some(CallState::NotExecuted),
        Some(CallState::MayHaveExecuted),
        Some(CallState::NotExecuted),
    ];
    if [answered, refused, late, revoked] == expected {
        Ok(())
    } else {
        Err("an outcome is not what it should be".into())
    }
}
