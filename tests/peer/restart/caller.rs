//! A client that calls all the time while its server is replaced again and again.
#![expect(
    clippy::disallowed_types,
    reason = "loom has no part in what counts here"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use doors::{CallCondition, CallError, CallState, Door, DoorCondition};

/// Calls in three ways until told to stop; writes down the number of each call that was answered, one a line, in
/// `PATH.NAME`, and says what it met besides answers.
pub(super) fn run(path: &str, name: &str) {
    let stop = Arc::new(AtomicBool::new(false));
    let ways: [(&str, Way); 3] = [("steady", steady), ("opener", opener), ("passer", passer)];
    let callers: Vec<_> = ways
        .into_iter()
        .map(|(kind, way)| {
            let stop = Arc::clone(&stop);
            let answered = format!("{path}.{name}.{kind}");
            let mut caller = Caller {
                path: PathBuf::from(path),
                name: format!("{name}.{kind}"),
                next: 0,
                answered: BufWriter::new(File::create(answered).unwrap()),
                hiccups: BTreeMap::new(),
            };
            std::thread::spawn(move || {
                way(&mut caller, &stop);
                caller.answered.flush().unwrap();
                caller.hiccups
            })
        })
        .collect();
    println!("calling");
    let _told = std::io::stdin().read_line(&mut String::new());
    stop.store(true, Ordering::SeqCst);
    let mut hiccups: BTreeMap<String, usize> = BTreeMap::new();
    for caller in callers {
        for (what, times) in caller.join().unwrap() {
            *hiccups.entry(what).or_default() += times;
        }
    }
    println!("{hiccups:?}");
    // What this process still holds is looked at before its input ends.
    let _end = std::io::stdin().read_line(&mut String::new());
}

type Way = fn(&mut Caller, &AtomicBool);

struct Caller {
    path: PathBuf,
    name: String,
    next: u64,
    answered: BufWriter<File>,
    /// What came instead of an answer, and how often.
    hiccups: BTreeMap<String, usize>,
}

/// One door for ever.
fn steady(caller: &mut Caller, stop: &AtomicBool) {
    let door = open(&caller.path);
    while !stop.load(Ordering::SeqCst) {
        caller.call(&door);
    }
}

/// A connection for each two calls: the first travels on it.
fn opener(caller: &mut Caller, stop: &AtomicBool) {
    while !stop.load(Ordering::SeqCst) {
        let door = open(&caller.path);
        caller.call(&door);
        caller.call(&door);
    }
}

/// A descriptor that the server makes for each two calls.
fn passer(caller: &mut Caller, stop: &AtomicBool) {
    let source = open(&caller.path);
    while !stop.load(Ordering::SeqCst) {
        match source.descriptor() {
            Ok(descriptor) => {
                let door = Door::from_descriptor(descriptor).unwrap();
                caller.call(&door);
                caller.call(&door);
            }
            Err(error) => {
                assert_eq!(*error.condition(), DoorCondition::Draining);
                caller.hiccup("no descriptor: draining");
            }
        }
    }
}

fn open(path: &Path) -> Door {
    // The name never goes away: not even for an instant is there nobody behind it.
    Door::open(path).unwrap()
}

impl Caller {
    /// A call with a number of its own, which is never used again.
    fn call(&mut self, door: &Door) {
        let number = format!("{}.{}", self.name, self.next);
        self.next += 1;
        match door.call(number.as_bytes(), vec![]) {
            Ok(reply) => {
                assert_eq!(&reply.data[4..], number.as_bytes());
                writeln!(self.answered, "{number}").unwrap();
            }
            Err(error) => self.hiccup(told(&error)),
        }
    }

    fn hiccup(&mut self, what: &str) {
        *self.hiccups.entry(what.to_owned()).or_default() += 1;
    }
}

/// The two ways in which a restart may show: call again, on the door that you have.
fn told(error: &CallError) -> &'static str {
    assert_eq!(error.call_state(), CallState::NotExecuted, "{error:?}");
    match error.condition {
        CallCondition::Draining => "draining",
        CallCondition::ServerDied { taken: false } => "session over",
        _ => panic!("{error:?}"),
    }
}
