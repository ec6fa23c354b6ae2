//! What the tests of `typed` ask of a peer.

pub(crate) mod library;
pub(crate) mod procedures;
pub(crate) mod shelves;
pub(crate) mod store;

use std::io::BufRead;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::{Arc, Mutex};

use doors::{Attachment, Door, DoorAttributes, Invocation, Returned};

use library::{LibraryClient, LibraryDoor};
use procedures::{add, count, executed, greet, halve, mirror, nest, obey, sleep, sum};
use shelves::Shelves;
use store::{Shelf, StoreDoor, later, next};

/// Does one operation of this area; false if it has no such operation.
pub(crate) fn run(operation: &str, arguments: &[&str]) -> bool {
    match operation {
        "typed-server" => serve(Path::new(arguments[0])),
        "typed-store" => keep(Path::new(arguments[0])),
        "typed-library" => lend(Path::new(arguments[0])),
        "typed-holder" => hold(Path::new(arguments[0])),
        "typed-liar" => lie(Path::new(arguments[0])),
        _ => return false,
    }
    true
}

/// `typed-server DIRECTORY`: every procedure at its name in a directory, until the input ends. A line is answered with
/// the number of allocations so far.
fn serve(directory: &Path) {
    let doors = [
        ("add", add::door()),
        ("count", count::door()),
        ("executed", executed::door()),
        ("greet", greet::door()),
        ("halve", halve::door()),
        ("mirror", mirror::door()),
        ("nest", nest::door()),
        ("obey", obey::door()),
        ("sleep", sleep::door()),
        ("sum", sum::door()),
    ];
    attend(directory, doors);
}

/// `typed-store DIRECTORY`: a store at the names `store`, `later` and `next`, as each of these versions, until the input
/// ends. A line is answered with the number of allocations so far.
fn keep(directory: &Path) {
    let shelf = Arc::new(Shelf::default());
    let doors = [
        ("store", StoreDoor::serve(Arc::clone(&shelf))),
        ("later", later::StoreDoor::serve(Arc::clone(&shelf))),
        ("next", next::StoreDoor::serve(shelf)),
    ];
    attend(directory, doors);
}

/// Has doors at their names in a directory until the input ends.
fn attend<const MANY: usize>(
    directory: &Path,
    doors: [(&str, Result<Door, doors::DoorError>); MANY],
) {
    let names: Vec<Attachment> = doors
        .into_iter()
        .map(|(name, door)| door.unwrap().attach(directory.join(name), 0o600).unwrap())
        .collect();
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        drop(line);
        println!("{}", crate::threads::counting::allocations());
    }
    drop(names);
}

/// `typed-library PATH`: a library at a name, until the input ends.
fn lend(path: &Path) {
    let door = LibraryDoor::serve(Shelves::default()).unwrap();
    let name = door.attach(path, 0o600).unwrap();
    println!("ready");
    for line in std::io::stdin().lines() {
        drop(line);
    }
    drop(name);
}

/// `typed-holder PATH`: holds a hundred counters of a library, until it is killed.
fn hold(path: &Path) {
    let library = LibraryClient::open(path).unwrap();
    let counters = library.counters(100).unwrap();
    assert_eq!(counters[7].next().unwrap(), 7);
    println!("ready");
    for line in std::io::stdin().lines() {
        drop(line);
    }
    drop(counters);
}

/// `typed-liar PATH`: a door that answers with the bytes of the last line, in hexadecimal, and a descriptor that nobody
/// asked for.
fn lie(path: &Path) {
    static ANSWER: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    let procedure = |invocation: Invocation<'_>| -> Returned {
        let answer = ANSWER.lock().unwrap().clone();
        let input = std::io::stdin();
        invocation.door_return(&answer, vec![input.as_fd().into()])
    };
    let door = Door::create(procedure, DoorAttributes::empty()).unwrap();
    let name = door.attach(path, 0o600).unwrap();
    println!("ready");
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let digits: Vec<char> = line.chars().collect();
        let bytes = digits.chunks(2).map(|pair| {
            let pair: String = pair.iter().collect();
            u8::from_str_radix(&pair, 16).unwrap()
        });
        *ANSWER.lock().unwrap() = bytes.collect();
        println!("set");
    }
    drop(name);
}
