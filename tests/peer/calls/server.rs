//! A server whose procedure does what the data say, and which is told more on its input.

use std::collections::HashMap;
use std::io::BufRead;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex};

use doors::{Door, DoorAttributes, DoorDesc, Held, Options, PoolLimits};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::procedure::procedure;

/// What the procedure and the input share.
#[derive(Default)]
pub(crate) struct Shared {
    /// Invocations that were told to wait go on.
    open: Mutex<bool>,
    opened: Condvar,
    /// Calls that were taken off their threads.
    pub(crate) held: Mutex<Vec<Held>>,
    /// Doors and other descriptors that were told to stay.
    pub(crate) kept: Mutex<Vec<OwnedFd>>,
    /// The numbers of the calls that ran, in order.
    pub(crate) marked: Mutex<Vec<usize>>,
    /// Doors of other processes, by path.
    others: Mutex<HashMap<String, Door>>,
    /// The door itself.
    pub(crate) own: Mutex<Option<Door>>,
}

impl Shared {
    /// Waits until the test opens the gate.
    pub(crate) fn wait(&self) {
        let mut open = self.open.lock().unwrap();
        while !*open {
            open = self.opened.wait(open).unwrap();
        }
    }

    /// A door of another process, opened once.
    pub(crate) fn other(&self, path: &str) -> Door {
        let mut others = self.others.lock().unwrap();
        others
            .entry(path.to_owned())
            .or_insert_with(|| Door::open(path).unwrap())
            .clone()
    }
}

/// `calls-serve PATH [WORDS]`: serves at a path until its input ends.
pub(crate) fn serve(path: &str, words: &str) {
    raise_limit();
    let shared = Arc::new(Shared::default());
    let mut options = Options::default();
    for word in words.split(',') {
        match word {
            "refuse" => options.attributes |= DoorAttributes::REFUSE_DESC,
            "no-cancel" => options.attributes |= DoorAttributes::NO_CANCEL,
            "private" => options.attributes |= DoorAttributes::PRIVATE,
            "single" => {
                options.threads = PoolLimits::new(1, 1);
                doors::set_pool_limits(PoolLimits::new(1, 1)).unwrap();
            }
            _ => {}
        }
    }
    let seen = Arc::clone(&shared);
    let door = Door::create_with(move |call| procedure(&seen, call), options).unwrap();
    *shared.own.lock().unwrap() = Some(door.clone());
    let attachment = door.attach(path, 0o600).unwrap();
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        obey(&shared, &door, &line.unwrap());
    }
    drop(attachment);
    std::process::exit(0);
}

fn obey(shared: &Arc<Shared>, door: &Door, line: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    match words[0] {
        "open" => {
            *shared.open.lock().unwrap() = true;
            shared.opened.notify_all();
        }
        "shut" => {
            *shared.open.lock().unwrap() = false;
            println!("shut");
        }
        "revoke" => println!(
            "{:?}",
            door.revoke().map_err(|error| error.condition().clone())
        ),
        "params" => {
            let params = doors::DoorParams {
                desc_max: words[1].parse().unwrap(),
                data_min: words[2].parse().unwrap(),
                data_max: words[3].parse().unwrap(),
            };
            match door.set_params(params) {
                Ok(()) => println!("ok"),
                Err(error) => match error.condition() {
                    doors::DoorCondition::BadParameter { errno, .. } => println!("{errno:?}"),
                    other => println!("{other:?}"),
                },
            }
        }
        "info" => {
            let info = door.info().unwrap();
            println!("{} {:?} {:?}", info.id, info.target, info.attributes);
        }
        // Answers, or drops, what is held: from this thread, which is none of the library's.
        "answer" => answer(shared, |held| {
            let data = [b"late ", held.data()].concat();
            let mut held = held;
            let fds = held.take_descriptors();
            let _gone = held.door_return(&data, fds.into_iter().map(DoorDesc::from).collect());
        }),
        "answer-with-a-file" => answer(shared, |held| {
            let file = std::fs::File::open("/dev/null").unwrap();
            let given = held.door_return(b"file", vec![DoorDesc::from(file)]);
            println!(
                "{}",
                given.map_or_else(|(_, why)| why.to_string(), |()| "given".into())
            );
        }),
        "forget" => answer(shared, drop),
        "cancelled" => {
            let held = shared.held.lock().unwrap();
            println!("{}", held.iter().filter(|held| held.is_cancelled()).count());
        }
        "threads" => println!("{}", door.info().unwrap().figures.unwrap().threads),
        "active" => println!("{}", door.info().unwrap().figures.unwrap().active),
        "full" => {
            fill_table();
            println!("full");
        }
        "room" => {
            raise_limit();
            println!("room");
        }
        "marked" => {
            let marked = shared.marked.lock().unwrap();
            let words: Vec<String> = marked.iter().map(usize::to_string).collect();
            println!("{}", words.join(" "));
        }
        "unkeep" => {
            shared.kept.lock().unwrap().clear();
            println!("unkept");
        }
        other => panic!("told {other}"),
    }
}

fn answer(shared: &Shared, how: impl Fn(Held)) {
    let all = std::mem::take(&mut *shared.held.lock().unwrap());
    let count = all.len();
    all.into_iter().for_each(how);
    println!("answered {count}");
}

/// `calls-giver PATH OTHER`: serves at PATH a door whose answer is the door that is at OTHER.
pub(crate) fn give(path: &str, other: &str) {
    let other = Door::open(other).unwrap();
    let procedure = move |call: doors::Invocation<'_>| {
        let door = other.to_desc().unwrap();
        call.door_return(b"a door", vec![door])
    };
    let door = Door::create(procedure, DoorAttributes::empty()).unwrap();
    let attachment = door.attach(path, 0o600).unwrap();
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        drop(line);
    }
    drop(attachment);
}

/// As many descriptors as we may have.
pub(crate) fn raise_limit() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
}

/// No further descriptor: only the standard streams have numbers below the soft limit, and they stay. Whatever else is
/// closed from now on, by a thread that has not come to it yet, makes no room.
pub(crate) fn fill_table() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 3, hard).unwrap();
}
