//! A well-behaved server whose procedure does what the first byte of the data says.

use std::io::BufRead;
use std::os::fd::OwnedFd;
use std::time::Duration;

use doors::{Door, DoorAttributes, DoorDesc, Invocation, Returned};

/// `serve PATH`: serves at a path until its input ends.
pub(crate) fn run(operation: &str, arguments: &[&str]) -> bool {
    if operation == "serve" {
        serve(arguments[0]);
    }
    operation == "serve"
}

fn serve(path: &str) {
    let door = Door::create(procedure, DoorAttributes::empty()).unwrap();
    let attachment = door.attach(path, 0o600).unwrap();
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        drop(line);
    }
    drop(attachment);
}

/// What a call asks for.
fn procedure(mut call: Invocation<'_>) -> Returned {
    let data = call.data();
    match data.first() {
        None => call.door_return(&[], vec![]),
        // Everything comes back: data and descriptors.
        Some(b'e') => {
            let descriptors: Vec<OwnedFd> = call.take_descriptors();
            call.door_return(data, descriptors.into_iter().map(DoorDesc::from).collect())
        }
        // So many bytes.
        Some(b'n') => {
            let count: usize = std::str::from_utf8(&data[1..]).unwrap().parse().unwrap();
            call.door_return(&vec![7; count], vec![])
        }
        // So many milliseconds: time is the subject of who asks for it.
        Some(b's') => {
            let millis: u64 = std::str::from_utf8(&data[1..]).unwrap().parse().unwrap();
            std::thread::sleep(Duration::from_millis(millis));
            call.door_return(b"slept", vec![])
        }
        Some(b'p') => panic!("as told"),
        Some(b'x') => std::process::exit(3),
        Some(b'i') => call.door_return(format!("{}", std::process::id()).as_bytes(), vec![]),
        Some(_) => call.door_return(b"?", vec![]),
    }
}
