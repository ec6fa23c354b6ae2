//! A server that tells where its procedure may run, and a client that tells what its waits cost.

use std::io::BufRead;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use doors::{CallCondition, Door, Invocation, Options, Returned, Waiting, set_waiting};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::unistd::{Pid, gettid};

/// A procedure and a caller that take so long are worth looking for, and are not there at the first look.
const SHORT: Duration = Duration::from_micros(20);

pub(crate) fn run(operation: &str, arguments: &[&str]) -> bool {
    match (operation, arguments) {
        ("gears-server", [path, words @ ..]) => serve(Path::new(path), words),
        ("gears-client", [path, words @ ..]) => obey(Path::new(path), words),
        _ => return false,
    }
    true
}

/// How this process waits, and on which processor it runs, if the words say.
fn prepare(words: &[&str]) {
    for word in words {
        match word.split_once('=') {
            Some(("cpu", number)) => {
                let mut only = CpuSet::new();
                only.set(number.parse().unwrap()).unwrap();
                sched_setaffinity(Pid::from_raw(0), &only).unwrap();
            }
            Some(_) => {}
            None => match *word {
                "handoff" => set_waiting(Waiting::Handoff),
                "spin" => set_waiting(Waiting::Spin),
                "block" => set_waiting(Waiting::Block),
                _ => {}
            },
        }
    }
}

fn serve(path: &Path, words: &[&str]) {
    prepare(words);
    let options = Options {
        leaf: words.contains(&"leaf"),
        ..Options::default()
    };
    let door = Door::create_with(tell, options).unwrap();
    let _name = door.attach(path, 0o600).unwrap();
    // Another door of the same threads, which is not leaf.
    let beside = words.iter().find_map(|word| word.strip_prefix("beside="));
    let _beside = beside.map(|path| {
        let door = Door::create_with(tell, Options::default()).unwrap();
        let name = door.attach(path, 0o600).unwrap();
        (door, name)
    });
    println!("ready");
    let _until_the_end = std::io::read_to_string(std::io::stdin());
}

/// Calls as the lines of its input say.
fn obey(path: &Path, words: &[&str]) {
    prepare(words);
    let door = Door::open(path).unwrap();
    for _ in 0..3 {
        door.call(b"", vec![]).unwrap();
    }
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["switches", calls] => println!("{}", switches(&door, calls.parse().unwrap())),
            ["late", seconds] => println!("{}", late(&door, seconds.parse().unwrap())),
            _ => panic!("unknown command {line}"),
        }
    }
}

/// How often this thread and that of the server let go of their processors in so many short calls with short pauses.
fn switches(door: &Door, calls: u32) -> String {
    let theirs = || {
        let told = String::from_utf8(door.call(b"switches", vec![]).unwrap().data).unwrap();
        let (thread, switches) = told.split_once(' ').unwrap();
        (thread.to_owned(), switches.parse::<i64>().unwrap())
    };
    let (thread, before) = theirs();
    let ours = own_switches();
    for _ in 0..calls {
        compute();
        door.call(b"short", vec![]).unwrap();
    }
    let ours = own_switches() - ours;
    let (other, after) = theirs();
    if thread == other {
        format!("{ours} {}", after - before)
    } else {
        "another thread".into()
    }
}

fn own_switches() -> i64 {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
    usage.voluntary_context_switches() + usage.involuntary_context_switches()
}

/// Milliseconds of processor time that this process uses in a call that is not answered for so long.
fn late(door: &Door, seconds: u64) -> i64 {
    let used = || {
        let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
        (usage.user_time() + usage.system_time()).num_milliseconds()
    };
    let before = used();
    let until = Instant::now() + Duration::from_secs(seconds);
    let error = door.call_until(b"", vec![], until).unwrap_err();
    assert!(matches!(error.condition, CallCondition::TimedOut { .. }));
    used() - before
}

fn compute() {
    let until = Instant::now() + SHORT;
    while Instant::now() < until {
        std::hint::spin_loop();
    }
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

/// Without a word: nothing. `all`: the processors of this thread, of one that it starts, and of a child, and what is told of
/// parallelism.
fn tell(call: Invocation<'_>) -> Returned {
    let answer = match call.data() {
        b"mine" => own(),
        b"where" => format!("{} {}", gettid(), own()),
        b"switches" => format!("{} {}", gettid(), own_switches()),
        b"short" => {
            compute();
            String::new()
        }
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
