//! A server that is replaced by a successor while it is called.

mod caller;
mod link;

use std::io::BufRead;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use doors::{Door, DoorAttributes, Invocation, Options, Returned, drain, take_over};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

/// `predecessor PATH`: serves until told to hand over; `successor`: takes over from its input; `restart-link LOG`: one
/// server of many, led by commands; `restart-caller PATH NAME`: calls all the time.
pub(crate) fn run(operation: &str, arguments: &[&str]) -> bool {
    match operation {
        "predecessor" => predecessor(arguments[0]),
        "successor" => successor(),
        "drainer" => drainer(arguments[0]),
        "restart-caller" => caller::run(arguments[0], arguments[1]),
        "restart-link" => link::run(arguments[0]),
        _ => return false,
    }
    true
}

fn predecessor(path: &str) {
    let door = Door::create(procedure, DoorAttributes::empty()).unwrap();
    let attachment = door.attach(path, 0o600).unwrap();
    println!("ready");
    let line = std::io::stdin().lock().lines().next().unwrap().unwrap();
    assert_eq!(line, "hand over");
    let flags = SockFlag::SOCK_CLOEXEC;
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg("successor")
        .stdin(Stdio::from(theirs))
        .spawn()
        .unwrap();
    let drained = drain(Instant::now() + Duration::from_secs(10)).unwrap();
    assert_eq!(drained.unfinished(), 0);
    assert_eq!(drained.hand_over(&ours).unwrap(), 1);
    drop((attachment, door));
    // The successor ends when our own caller closes this process' input, which it waits for in our place.
    child.wait().unwrap();
}

/// `drainer PATH`: drains while a call runs, and takes calls again. A second door, at `PATH.bare`, has no thread.
fn drainer(path: &str) {
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let inner = Arc::clone(&gate);
    let waits = move |call: Invocation<'_>| {
        if call.data() == b"wait" {
            println!("begun");
            let open = inner.0.lock().unwrap();
            drop(inner.1.wait_while(open, |open| !*open).unwrap());
        }
        procedure(call)
    };
    let door = Door::create(waits, DoorAttributes::empty()).unwrap();
    let _attachment = door.attach(path, 0o600).unwrap();
    let nobody = Options {
        attributes: DoorAttributes::PRIVATE,
        create_thread: Some(Arc::new(drop)),
        ..Options::default()
    };
    let bare = Door::create_with(procedure, nobody).unwrap();
    let _its = bare.attach(format!("{path}.bare"), 0o600).unwrap();
    println!("ready");
    let mut drained = None;
    for line in std::io::stdin().lock().lines() {
        match line.unwrap().as_str() {
            "drain" => {
                let now = drain(Instant::now() + Duration::from_millis(20)).unwrap();
                println!("{} unfinished", now.unfinished());
                drained = Some(now);
            }
            "release" => {
                *gate.0.lock().unwrap() = true;
                gate.1.notify_all();
            }
            "resume" => {
                drop(drained.take());
                println!("resumed");
            }
            other => panic!("unknown command {other}"),
        }
    }
}

fn successor() {
    let mut doors = Vec::new();
    for heirloom in take_over(std::io::stdin()).unwrap() {
        doors.push(heirloom.serve(procedure, Options::default()).unwrap());
    }
    println!("taken over");
    // Its input is the socket of the hand-over, which ends with the predecessor.
    let mut byte = [0];
    let _end = nix::unistd::read(std::io::stdin(), &mut byte);
}

/// Answers with the pid and the data; `d` gives a descriptor of the door itself to nobody in particular.
fn procedure(call: Invocation<'_>) -> Returned {
    let mut answer = std::process::id().to_le_bytes().to_vec();
    answer.extend_from_slice(call.data());
    let none: Vec<OwnedFd> = Vec::new();
    call.door_return(&answer, none.into_iter().map(Into::into).collect())
}
