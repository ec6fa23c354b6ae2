//! Clients that the tests of `calls` limit, kill or count.

use std::io::BufRead;

use doors::{CallError, Door, Reply};

use super::server::{fill_table, raise_limit};

/// `calls-poor-client PATH`: calls for files with a full descriptor table, over a session and before there is one.
pub(crate) fn poor(path: &str) {
    raise_limit();
    let door = Door::open(path).unwrap();
    let fresh = Door::open(path).unwrap();
    let unused = Door::open(path).unwrap();
    door.call(b"", vec![]).unwrap();
    door.call(b"", vec![]).unwrap();
    fill_table();
    say("first reply with files", &door.call(b"files 2 0", vec![]));
    say("data meanwhile", &door.call(b"bytes 5", vec![]));
    say("packet", &fresh.call(b"files 2 0", vec![]));
    say("no session yet", &unused.call(&vec![b'e'; 200_000], vec![]));
    raise_limit();
    say("room", &door.call(b"files 2 0", vec![]));
    fill_table();
    say("socket there", &door.call(b"files 2 0", vec![]));
    raise_limit();
    say("room again", &door.call(b"files 300 0", vec![]));
    say("packet client", &fresh.call(b"files 2 0", vec![]));
}

fn say(what: &str, outcome: &Result<Reply, CallError>) {
    match outcome {
        Ok(reply) => println!(
            "{what}: {} and {}",
            reply.data.len(),
            reply.descriptors.len()
        ),
        Err(error) => println!("{what}: {:?}", error.condition),
    }
}

/// `calls-client PATH`: each line of its input is the data of a call; says what came of it.
pub(crate) fn obey(path: &str) {
    let door = Door::open(path).unwrap();
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        match door.call(line.as_bytes(), vec![]) {
            Ok(reply) => println!("{} bytes", reply.data.len()),
            Err(error) => println!("{:?}", error.condition),
        }
    }
}

/// `calls-crowd PATH`: four threads keep the session's channels; a fifth calls with a full table, and with room.
pub(crate) fn crowd(path: &str) {
    raise_limit();
    let door = &Door::open(path).unwrap();
    door.call(b"", vec![]).unwrap();
    door.call(b"", vec![]).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| door.call(b"watch-and-wait", vec![]).unwrap());
        }
        let mut lines = std::io::stdin().lock().lines();
        let mut told = || drop(lines.next().unwrap().unwrap());
        told();
        fill_table();
        let soon = std::time::Instant::now() + std::time::Duration::from_millis(200);
        say("full", &door.call_until(b"e1", vec![], soon));
        raise_limit();
        say("room", &door.call(b"e2", vec![]));
    });
}

/// `calls-private-doors PATH`: calls twenty private doors, one after the other; says how many pairs of windows it has.
pub(crate) fn private_doors(path: &str) {
    let door = Door::open(path).unwrap();
    for _ in 0..20 {
        let mut reply = door.call(b"new-private-door", vec![]).unwrap();
        let private = Door::from_descriptor(reply.descriptors.remove(0)).unwrap();
        assert_eq!(private.call(b"", vec![]).unwrap().data, b"new");
    }
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let pairs = maps.matches("memfd:doors-call").count();
    println!("{pairs} pairs");
}
