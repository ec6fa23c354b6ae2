//! A door per object: who holds the door may use the object, and when nobody does it ends.
//!
//! `cargo run --bin object`
#![expect(clippy::print_stdout, reason = "the output is the example")]

use std::error::Error;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use doors::{Door, DoorAttributes, DoorDesc, DoorError, Options, Unreferenced};

/// Makes a list of lines with a door of its own; says its name when nobody refers to it any more.
fn list(name: String, ended: Sender<String>) -> Result<DoorDesc<'static>, DoorError> {
    let lines = Arc::new(Mutex::new(Vec::<String>::new()));
    let procedure = move |call: doors::Invocation<'_>| {
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(String::from_utf8_lossy(call.data()).into_owned());
        let all = lines.join(", ");
        drop(lines);
        call.door_return(all.as_bytes(), vec![])
    };
    let unreferenced = Unreferenced::once(move || {
        let _nobody_listens = ended.send(name.clone());
    });
    let door = Door::create_with(
        procedure,
        Options {
            unreferenced: Some(unreferenced),
            ..Options::default()
        },
    )?;
    // The descriptor keeps the door, and the door its list: nothing is entered in a table.
    door.to_desc()
}

fn main() -> Result<(), Box<dyn Error>> {
    let (ended, ends) = channel();
    let factory = Door::create(
        move |call| {
            let name = String::from_utf8_lossy(call.data()).into_owned();
            match list(name, ended.clone()) {
                Ok(door) => call.door_return(&[], vec![door]),
                Err(error) => call.door_return(error.to_string().as_bytes(), vec![]),
            }
        },
        DoorAttributes::empty(),
    )?;
    for name in ["shopping", "books"] {
        let mut reply = factory.call(name.as_bytes(), vec![])?;
        let door = reply.descriptors.pop().ok_or("no door came back")?;
        let door = Door::from_descriptor(door)?;
        door.call(b"one", vec![])?;
        let all = door.call(b"another", vec![])?;
        println!("{name}: {}", String::from_utf8_lossy(&all.data));
        // The only reference.
        drop(door);
        println!("nobody holds {} any more", ends.recv()?);
    }
    Ok(())
}
