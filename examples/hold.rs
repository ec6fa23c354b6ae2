//! `hold` takes a call off its thread: here callers wait until three have come, and one thread answers all.
//!
//! A method of a trait takes a `&Call` for that and returns an `Answer`: "Answers before and after the end" in the
//! documentation of `#[door]`.
//!
//! `cargo run --bin hold`
#![expect(clippy::print_stdout, reason = "the output is the example")]

use std::error::Error;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;

use doors::{Door, DoorAttributes, Held};

const PARTY: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let waiting = Mutex::new(Vec::<Held>::new());
    let door = Door::create(
        move |call| {
            let (held, returned) = call.hold();
            let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.push(held);
            if waiting.len() == PARTY {
                let names: Vec<_> = waiting.iter().map(|held| held.data().to_vec()).collect();
                let names = names.join(&b", "[..]);
                for held in waiting.drain(..) {
                    // A call whose reply fails comes back here and is dropped: its caller gets an error.
                    let _unreachable = held.door_return(&names, vec![]);
                }
            }
            // The thread is free for other calls; those that are held need none.
            returned
        },
        DoorAttributes::empty(),
    )?;
    let callers = ["Ada", "Barbara", "Grace"].map(|name| {
        let door = door.clone();
        thread::spawn(move || {
            door.call(name.as_bytes(), vec![])
                .map(|reply| (name, reply))
        })
    });
    for caller in callers {
        let (name, reply) = caller.join().map_err(|_| "a caller panicked")??;
        println!("{name} is with {}", String::from_utf8_lossy(&reply.data));
    }
    Ok(())
}
