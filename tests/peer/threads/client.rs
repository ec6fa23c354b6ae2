//! Clients that call as they are told.
#![expect(clippy::arithmetic_side_effects, reason = "small numbers of the test")]

use std::io::BufRead;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use doors::{CallError, Door, DoorError, Reply};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{Gid, Pid, Uid};

use super::options::Words;

/// Keeps this process on one processor.
pub(super) fn pin(cpu: usize) {
    let mut set = CpuSet::new();
    set.set(cpu).unwrap();
    sched_setaffinity(Pid::from_raw(0), &set).unwrap();
}

fn become_somebody(words: Words<'_>) {
    if let Some(groups) = words.value("groups") {
        let groups: Vec<Gid> = groups
            .split(',')
            .map(|group| Gid::from_raw(group.parse().unwrap()))
            .collect();
        nix::unistd::setgroups(&groups).unwrap();
    }
    if let Some(gid) = words.number("gid") {
        nix::unistd::setgid(Gid::from_raw(gid)).unwrap();
    }
    if let Some(uid) = words.number("uid") {
        nix::unistd::setuid(Uid::from_raw(uid)).unwrap();
    }
}

/// `threads-client WORD...`: does what the lines of its input say, one answer a line.
pub(super) fn obey(arguments: &[&str]) {
    become_somebody(Words(arguments));
    println!("ready");
    let mut doors: Vec<Door> = Vec::new();
    let mut received: Vec<OwnedFd> = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["open", path] => {
                doors.push(Door::open(path).unwrap());
                println!("opened");
            }
            // The door at this place in the order of opening.
            ["call", at, data] => {
                let reply = door(&doors, at).call(data.as_bytes(), vec![]);
                println!("{}", said(reply, &mut received));
            }
            ["info", at] => {
                println!("{}", outcome(door(&doors, at).info().map(|info| info.id)));
            }
            ["copy", at] => {
                let copy = door(&doors, at).descriptor();
                println!("{}", outcome(copy.map(drop)));
            }
            // A door of the descriptor that came last.
            ["received"] => {
                doors.push(Door::from_descriptor(received.pop().unwrap()).unwrap());
                println!("opened");
            }
            // Gives a descriptor of the door to the server of another, which calls it.
            ["pass", at, to] => {
                let descriptor = door(&doors, at).to_desc().unwrap();
                let reply = door(&doors, to).call(b"f", vec![descriptor]);
                println!("{}", said(reply, &mut received));
            }
            ["nproc", limit] => {
                let limit = limit.parse().unwrap();
                setrlimit(Resource::RLIMIT_NPROC, limit, 4096).unwrap();
                println!("limited");
            }
            ["setresuid", uid] => {
                let uid = Uid::from_raw(uid.parse().unwrap());
                let keep = Uid::from_raw(u32::MAX);
                nix::unistd::setresuid(keep, uid, keep).unwrap();
                println!("changed");
            }
            other => panic!("unknown command {other:?}"),
        }
    }
}

fn door<'a>(doors: &'a [Door], at: &str) -> &'a Door {
    &doors[at.parse::<usize>().unwrap()]
}

fn said(reply: Result<Reply, CallError>, received: &mut Vec<OwnedFd>) -> String {
    match reply {
        Ok(reply) => {
            received.extend(reply.descriptors);
            format!("ok {}", String::from_utf8(reply.data).unwrap())
        }
        Err(error) => format!("error {:?}", error.condition),
    }
}

fn outcome<T: std::fmt::Debug>(result: Result<T, DoorError>) -> String {
    match result {
        Ok(_) => "ok".into(),
        Err(error) => format!("error {:?}", error.condition()),
    }
}

/// `threads-crowd PATH THREADS DATA`: that many threads call once each; says what they heard, keeps its sessions.
pub(super) fn crowd(arguments: &[&str]) {
    let threads: usize = arguments[1].parse().unwrap();
    let door = Door::open(arguments[0]).unwrap();
    // Not the connection's packet: a session with a channel for each thread.
    door.call(b"t", vec![]).unwrap();
    let data = arguments[2].as_bytes().to_vec();
    let together = Arc::new(Barrier::new(threads));
    let callers: Vec<_> = (0..threads)
        .map(|_| {
            let (door, data, together) = (door.clone(), data.clone(), Arc::clone(&together));
            std::thread::spawn(move || {
                together.wait();
                door.call(&data, vec![]).map(|reply| reply.data)
            })
        })
        .collect();
    let mut heard = Vec::new();
    for caller in callers {
        let reply = caller.join().unwrap().unwrap();
        heard.push(String::from_utf8(reply).unwrap());
    }
    println!("{}", heard.join(" "));
    for line in std::io::stdin().lock().lines() {
        if line.unwrap() == "again" {
            let reply = door.call(b"t", vec![]);
            println!("{}", said(reply, &mut Vec::new()));
        }
    }
}

/// `threads-meeting PATH THREADS ROUNDS CALLS`: threads that make so many null calls, then one that waits for all the others, round by round.
pub(super) fn meeting(arguments: &[&str]) {
    let number = |at: usize| arguments[at].parse::<usize>().unwrap();
    let (threads, rounds, calls) = (number(1), number(2), number(3));
    let door = Door::open(arguments[0]).unwrap();
    let callers: Vec<_> = (0..threads)
        .map(|_| {
            let door = door.clone();
            std::thread::spawn(move || {
                for round in 0..rounds {
                    for _ in 0..calls {
                        door.call(b"", vec![]).unwrap();
                    }
                    // Every second time the arguments come in parts.
                    let data = vec![b'm'; 1 + round % 2 * 300_000];
                    door.call(&data, vec![]).unwrap();
                }
            })
        })
        .collect();
    for caller in callers {
        caller.join().unwrap();
    }
    println!("all met");
}

/// `threads-hammer PATH THREADS CALLS PAUSE_US`: threads that make so many calls each with a pause around the given one in between.
pub(super) fn hammer(arguments: &[&str]) {
    let number = |at: usize| arguments[at].parse::<u64>().unwrap();
    let (threads, calls, pause_us) = (number(1), number(2), number(3));
    let door = Door::open(arguments[0]).unwrap();
    door.call(b"t", vec![]).unwrap();
    let callers: Vec<_> = (0..threads)
        .map(|seed| {
            let door = door.clone();
            std::thread::spawn(move || {
                let mut noise = seed;
                for _ in 0..calls {
                    let until = Instant::now() + Duration::from_secs(20);
                    door.call_until(b"t", vec![], until).unwrap();
                    // Time is the subject: what ends after a pause ends about now. Up to 500 us on either side, by a small generator of
                    // numbers.
                    noise = noise
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    let jitter = (noise >> 33) % 1000;
                    std::thread::sleep(Duration::from_micros(pause_us - 500 + jitter));
                }
            })
        })
        .collect();
    for caller in callers {
        caller.join().unwrap();
    }
    println!("all answered");
}

/// `threads-steady PATH CALLS [cpu=N]`: null calls in one thread.
pub(super) fn steady(arguments: &[&str]) {
    let words = Words(&arguments[2..]);
    if let Some(cpu) = words.number("cpu") {
        pin(cpu);
    }
    let calls: u32 = arguments[1].parse().unwrap();
    let door = Door::open(arguments[0]).unwrap();
    let mut results = Vec::new();
    for _ in 0..calls {
        door.call_into(&[], vec![], None, &mut results).unwrap();
    }
    println!("done");
}

/// `threads-brief PATH TIMES`: opens the door, calls it once and closes it, so often.
pub(super) fn brief(arguments: &[&str]) {
    let times: u32 = arguments[1].parse().unwrap();
    for _ in 0..times {
        let door = Door::open(arguments[0]).unwrap();
        door.call(b"", vec![]).unwrap();
    }
    println!("done");
}
