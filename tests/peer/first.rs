//! A server that says on which thread its last call ran: a first call may run on one that leads otherwise.
//!
//! One command a line, exactly one line back; procedures tell by named counters.

mod procedure;

use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use doors::{
    Access, Attachment, Door, DoorAttributes, Held, Options, ServerThread, ThreadCreator,
    Unreferenced,
};
use nix::unistd::{geteuid, gettid};

use crate::life::{board, notices};
use procedure::procedure;

/// The door under test.
static DOOR: Mutex<Option<Door>> = Mutex::new(None);
/// Its name.
static NAME: Mutex<Option<Attachment>> = Mutex::new(None);
/// The name of a second door.
static PUBLIC: Mutex<Option<Attachment>> = Mutex::new(None);
/// Calls that were taken off their threads.
static HELD: Mutex<Vec<Held>> = Mutex::new(Vec::new());
/// One line for each time that the creation callback ran.
static CREATED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Does one operation of this area; false if it has no such operation.
pub(crate) fn run(operation: &str, arguments: &[&str]) -> bool {
    if operation != "first-server" {
        return false;
    }
    procedure::common();
    let door = Door::create_with(procedure, options(&arguments[1..])).unwrap();
    *NAME.lock().unwrap() = Some(door.attach(arguments[0], 0o600).unwrap());
    *DOOR.lock().unwrap() = Some(door);
    println!("ready");
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        println!("{}", obey(&words));
    }
    true
}

fn options(words: &[&str]) -> Options {
    let mut options = Options::default();
    for word in words {
        match *word {
            "no-cancel" => options.attributes |= DoorAttributes::NO_CANCEL,
            "private" => options.attributes |= DoorAttributes::PRIVATE,
            "leaf" => options.leaf = true,
            "multi" => {
                options.unreferenced = Some(Unreferenced::multi(|| board::raise("notices")));
            }
            "this-user" => options.access = Access::no_one().or_uid(geteuid().as_raw()),
            "another-user" => options.access = Access::no_one().or_uid(geteuid().as_raw() ^ 1),
            "judged" => options.access = Access::no_one().or_if(|_| true),
            "watched" => watch_the_creator(true),
            "one-thread" => watch_the_creator(false),
            other => panic!("unknown word {other}"),
        }
    }
    options
}

/// Notes each time that the callback runs, and on which thread; it makes the usual threads, or only the first of them.
fn watch_the_creator(makes_more: bool) {
    let usual: Arc<OnceLock<ThreadCreator>> = Arc::default();
    let inner = Arc::clone(&usual);
    let creator: ThreadCreator = Arc::new(move |thread: ServerThread| {
        let (depletion, begun) = (thread.is_depletion(), board::count("begun"));
        let line = format!("{}:{depletion}:{begun}", gettid());
        CREATED.lock().unwrap().push(line);
        if makes_more || !depletion {
            inner.get().unwrap()(thread);
        }
    });
    let before = doors::replace_thread_creator(creator).unwrap();
    assert!(usual.set(before).is_ok());
}

fn door() -> Door {
    DOOR.lock().unwrap().clone().unwrap()
}

fn obey(words: &[&str]) -> String {
    match words {
        ["where"] => return procedure::last_thread(),
        ["raise", name] => board::raise(name),
        ["wait", name, number] => return board::wait(name, number.parse().unwrap()).to_string(),
        ["count", name] => return board::count(name).to_string(),
        ["barrier"] => return notices::barrier(),
        ["created"] => return CREATED.lock().unwrap().join(" "),
        // A second door, of the process pool.
        ["public", path] => {
            let public = Door::create(procedure, DoorAttributes::empty()).unwrap();
            *PUBLIC.lock().unwrap() = Some(public.attach(path, 0o600).unwrap());
        }
        ["revoke"] => door().revoke().unwrap(),
        ["detach"] => assert!(NAME.lock().unwrap().take().unwrap().detach().unwrap()),
        ["figures"] => {
            let figures = door().info().unwrap().figures.unwrap();
            let (active, ages) = (figures.active, figures.ages.len());
            return format!(
                "references {} active {active} ages {ages}",
                figures.references
            );
        }
        ["answer"] => {
            let held = HELD.lock().unwrap().pop().unwrap();
            let _gone = held.door_return(b"late", vec![]);
        }
        ["forget"] => drop(HELD.lock().unwrap().pop().unwrap()),
        ["cancelled"] => {
            let held = HELD.lock().unwrap();
            return held.last().unwrap().is_cancelled().to_string();
        }
        // Elsewhere: it waits for what runs.
        ["drain"] => drop(std::thread::spawn(|| {
            let until = Instant::now().checked_add(Duration::from_mins(1));
            let drained = doors::drain(until.unwrap()).unwrap();
            assert_eq!(drained.unfinished(), 0);
            board::raise("drained");
            board::wait("resume", 1);
        })),
        _ => panic!("unknown command {words:?}"),
    }
    "done".into()
}
