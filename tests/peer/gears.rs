//! A server that tells where its procedure may run.

use std::path::Path;
use std::process::Command;

use doors::{Door, Invocation, Options, Returned, Waiting, set_waiting};

pub(crate) fn run(operation: &str, arguments: &[&str]) -> bool {
    match (operation, arguments) {
        ("gears-server", [path, words @ ..]) => serve(Path::new(path), words),
        _ => return false,
    }
    true
}

fn serve(path: &Path, words: &[&str]) {
    if words.contains(&"handoff") {
        set_waiting(Waiting::Handoff);
    }
    let options = Options {
        leaf: words.contains(&"leaf"),
        ..Options::default()
    };
    let door = Door::create_with(tell, options).unwrap();
    let _name = door.attach(path, 0o600).unwrap();
    println!("ready");
    let _until_the_end = std::io::read_to_string(std::io::stdin());
}

/// The processors of the thread that asks.
fn own() -> String {
    listed(&std::fs::read_to_string("/proc/thread-self/status").unwrap())
}

fn listed(status: &str) -> String {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    line.unwrap().trim().to_owned()
}

/// Without a word: nothing. Else the processors of this thread, of one that it starts, and of a child, and what is told of parallelism.
fn tell(call: Invocation<'_>) -> Returned {
    let answer = match call.data() {
        b"mine" => own(),
        b"all" => {
            let thread = std::thread::spawn(own).join().unwrap();
            let child = Command::new("cat").arg("/proc/self/status").output();
            let child = listed(std::str::from_utf8(&child.unwrap().stdout).unwrap());
            let parallel = std::thread::available_parallelism().unwrap();
            format!("{} {thread} {child} {parallel}", own())
        }
        _ => String::new(),
    };
    call.door_return(answer.as_bytes(), vec![])
}
