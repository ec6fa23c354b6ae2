//! A door with one server thread, handed out by another door, that prints in which order things happen to it.

use std::io::BufRead;
use std::sync::{Arc, Condvar, Mutex};

use doors::{Door, DoorAttributes, DoorDesc, Invocation, Options, PoolLimits, Unreferenced};

/// Opened by the line `go`.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    moved: Condvar,
}

impl Gate {
    fn pass(&self) {
        let mut open = self.open.lock().unwrap();
        while !*open {
            open = self.moved.wait(open).unwrap();
        }
    }
}

/// `closing PATH`: the door at the path hands the other out. The other's calls print their data; `wait` waits at the gate.
pub(crate) fn run(operation: &str, arguments: &[&str]) -> bool {
    if operation == "closing" {
        serve(arguments[0]);
    }
    operation == "closing"
}

fn serve(path: &str) {
    let gate = Arc::new(Gate::default());
    let subject = subject(&gate);
    let handed = subject.clone();
    let shop = Door::create(
        move |call: Invocation<'_>| {
            let descriptor = handed.descriptor().unwrap();
            call.door_return(&[], vec![DoorDesc::from(descriptor)])
        },
        DoorAttributes::empty(),
    )
    .unwrap();
    let attachment = shop.attach(path, 0o600).unwrap();
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        match line.unwrap().as_str() {
            "figures" => {
                let figures = subject.info().unwrap().figures.unwrap();
                println!("{} {}", figures.references, figures.active);
            }
            "go" => {
                *gate.open.lock().unwrap() = true;
                gate.moved.notify_all();
            }
            "revoke" => println!("revoked {}", subject.revoke().is_ok()),
            other => panic!("unknown line {other:?}"),
        }
    }
    drop(attachment);
}

fn subject(gate: &Arc<Gate>) -> Door {
    let gate = Arc::clone(gate);
    let procedure = move |call: Invocation<'_>| {
        let data = String::from_utf8_lossy(call.data()).into_owned();
        println!("{data}");
        if data == "wait" {
            gate.pass();
        }
        call.door_return(&[], vec![])
    };
    let options = Options {
        attributes: DoorAttributes::PRIVATE,
        unreferenced: Some(Unreferenced::once(|| println!("unreferenced"))),
        threads: PoolLimits::new(1, 1),
        ..Options::default()
    };
    Door::create_with(procedure, options).unwrap()
}
