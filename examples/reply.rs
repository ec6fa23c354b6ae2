//! `door_reply` hands the results over and keeps control: what they were made of can go before the caller goes on.
//!
//! `cargo run --bin reply`
#![expect(clippy::print_stdout, reason = "the output is the example")]

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use doors::{Door, DoorAttributes};

fn main() -> Result<(), Box<dyn Error>> {
    let log = Arc::new(Mutex::new(Vec::new()));
    let book = Arc::clone(&log);
    let door = Door::create(
        move |mut call| {
            let note = |line: &'static str| {
                book.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(line);
            };
            let results = vec![7; 1_000_000];
            if call.door_reply(&results, vec![]).is_err() {
                return call.door_return(&[], vec![]);
            }
            note("handed over");
            // The caller has a copy to come, so this may be freed, unlocked, overwritten.
            drop(results);
            note("freed");
            // Only now the caller goes on; the reply that was handed over counts.
            call.door_return(&[], vec![])
        },
        DoorAttributes::empty(),
    )?;
    let reply = door.call(&[], vec![])?;
    let seen = log.lock().unwrap_or_else(PoisonError::into_inner).clone();
    println!(
        "when the caller has its {} bytes, the server has: {}",
        reply.data.len(),
        seen.join(", ")
    );
    if seen == ["handed over", "freed"] && reply.data == vec![7; 1_000_000] {
        Ok(())
    } else {
        Err("the caller was let go too early".into())
    }
}
