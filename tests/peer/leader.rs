//! What the tests of the leader ask of a peer: a server whose destructors, policies and callbacks do what they should not.
#![expect(unsafe_code, reason = "a policy that forks is under test")]

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use doors::{
    Access, AttachOptions, Attachment, Door, DoorAttributes, Invocation, Options, Returned,
    ServerThread, ThreadCreator, Unreferenced,
};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{ForkResult, Pid, fork};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::life::board;

/// A door for anyone, which this process calls itself.
static PLAIN: OnceLock<Door> = OnceLock::new();
/// The door under test.
static SUBJECT: Mutex<Option<Door>> = Mutex::new(None);
/// A child that a policy has forked.
static CHILD: Mutex<Option<Pid>> = Mutex::new(None);

/// Does one operation of this area; false if it has no such operation.
pub(crate) fn run(operation: &str, arguments: &[&str]) -> bool {
    if operation != "leader-server" {
        return false;
    }
    if let [.., uid] = arguments
        && *uid != "bare"
    {
        crate::life::become_user(uid);
    }
    let mut attachments: Vec<Attachment> = Vec::new();
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        println!("{}", obey(&words, &mut attachments));
    }
    true
}

fn obey(words: &[&str], attachments: &mut Vec<Attachment>) -> String {
    match words {
        ["plain", path] => {
            let door = Door::create(procedure, DoorAttributes::empty()).unwrap();
            attachments.push(door.attach(path, 0o666).unwrap());
            PLAIN.set(door).unwrap();
        }
        // A door whose procedure or notice owns something that does this at its end.
        ["end", owner, deed] => {
            let end = End((*deed).to_owned());
            let (mine, its) = match *owner {
                "notice" => (None, Some(end)),
                _ => (Some(end), None),
            };
            let notice = move || {
                let _owned = &its;
                board::raise("notices");
            };
            let options = Options {
                unreferenced: (*owner != "procedure").then(|| Unreferenced::multi(notice)),
                ..Options::default()
            };
            let owning = move |call: Invocation<'_>| {
                let _owned = &mine;
                procedure(call)
            };
            *SUBJECT.lock().unwrap() = Some(Door::create_with(owning, options).unwrap());
        }
        // A door, or only its name, with a policy that does this.
        ["policy", "door", deed, path] => {
            let options = Options {
                access: policy(deed),
                ..Options::default()
            };
            let door = Door::create_with(procedure, options).unwrap();
            attachments.push(door.attach(path, 0o666).unwrap());
            *SUBJECT.lock().unwrap() = Some(door);
        }
        ["policy", "name", deed, path] => {
            let door = Door::create(procedure, DoorAttributes::empty()).unwrap();
            let options = AttachOptions {
                access: Some(policy(deed)),
                ..AttachOptions::mode(0o666)
            };
            attachments.push(door.attach_with(path, options).unwrap());
            *SUBJECT.lock().unwrap() = Some(door);
        }
        // Server threads are made by a callback that does this when there is none.
        ["creator", deed] => {
            let deed = (*deed).to_owned();
            let usual: Arc<OnceLock<ThreadCreator>> = Arc::default();
            let inner = Arc::clone(&usual);
            let creator: ThreadCreator = Arc::new(move |thread: ServerThread| {
                if thread.is_depletion() {
                    act(&deed, "made");
                }
                inner.get().unwrap()(thread);
            });
            let before = doors::replace_thread_creator(creator).unwrap();
            assert!(usual.set(before).is_ok());
        }
        ["drop-door"] => drop(SUBJECT.lock().unwrap().take()),
        ["trace"] => tracing::subscriber::set_global_default(Stuck).unwrap(),
        ["raise", name] => board::raise(name),
        ["wait", name, number] => return board::wait(name, number.parse().unwrap()).to_string(),
        ["count", name] => return board::count(name).to_string(),
        ["figures"] => {
            let door = SUBJECT.lock().unwrap().clone().unwrap();
            let figures = door.info().unwrap().figures.unwrap();
            return format!("calls {} refused {}", figures.calls, figures.refused);
        }
        ["limit", "threads", number] => {
            setrlimit(Resource::RLIMIT_NPROC, number.parse().unwrap(), 4096).unwrap();
        }
        ["limit", "descriptors", number] => {
            let number = number.parse().unwrap();
            setrlimit(Resource::RLIMIT_NOFILE, number, number).unwrap();
            // What was seen of the limit in this step of the clock, or about to be, is forgotten with the next two.
            let step = || clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE).unwrap();
            for _ in 0..2 {
                let now = step();
                while step() == now {
                    std::thread::yield_now();
                }
            }
        }
        ["child"] => {
            let child = CHILD.lock().unwrap().take().unwrap();
            let rest = rest_of(child);
            kill(child, Signal::SIGKILL).unwrap();
            waitpid(child, None).unwrap();
            return rest.to_owned();
        }
        _ => panic!("unknown command {words:?}"),
    }
    "done".into()
}

fn procedure(mut call: Invocation<'_>) -> Returned {
    let data = call.data();
    match data.first() {
        Some(b'e') => call.door_return(&data[1..], vec![]),
        // A descriptor of the subject.
        Some(b'd') => {
            let subject = SUBJECT.lock().unwrap().clone().unwrap();
            call.door_return(&[], vec![subject.to_desc().unwrap()])
        }
        // Stays until its caller goes, and has somebody told of that by a deed.
        Some(b'c') => {
            let deed = String::from_utf8(data[1..].to_vec()).unwrap();
            call.on_cancel(move || act(&deed, "told"));
            board::raise(&thread_name());
            board::raise("entered");
            board::wait("leave", 1);
            call.door_return(&[], vec![])
        }
        // Stays until everybody may leave so often; answers with the name of its thread, as what follows.
        Some(b'w') => {
            let times = str::from_utf8(&data[1..]).unwrap().parse().unwrap();
            board::raise("entered");
            board::wait("leave", times);
            call.door_return(thread_name().as_bytes(), vec![])
        }
        // Takes a while, and no longer: how soon others are served meanwhile is the subject.
        Some(b't') => {
            board::raise("begun");
            std::thread::sleep(Duration::from_millis(60));
            board::raise("over");
            call.door_return(thread_name().as_bytes(), vec![])
        }
        Some(b'a') => {
            act(str::from_utf8(&data[1..]).unwrap(), "acted");
            assert_eq!(board::count("failed"), 0);
            call.door_return(thread_name().as_bytes(), vec![])
        }
        Some(b'u') => {
            doors::unbind();
            call.door_return(thread_name().as_bytes(), vec![])
        }
        other => panic!("unknown call {other:?}"),
    }
}

fn thread_name() -> String {
    std::thread::current().name().unwrap_or_default().to_owned()
}

/// Does something that takes the leader; raises `done` if it worked.
fn act(deed: &str, done: &str) {
    let worked = match deed {
        // The first call of this process on its own door: it opens a session with itself.
        "calls" => PLAIN.get().unwrap().call(b"e", vec![]).is_ok(),
        "waits" => {
            board::raise("waiting");
            board::wait("go", 1) > 0
        }
        "panics" => panic!("as told"),
        "nothing" => true,
        _ => panic!("unknown deed {deed}"),
    };
    board::raise(if worked { done } else { "failed" });
}

/// Does something when it is dropped.
struct End(String);

impl Drop for End {
    fn drop(&mut self) {
        act(&self.0, "dropped");
    }
}

fn policy(deed: &str) -> Access {
    let deed = deed.to_owned();
    Access::no_one().or_if(move |caller| {
        if caller.pid().unsigned_abs() == std::process::id() {
            return true;
        }
        board::raise("asked");
        match deed.as_str() {
            "refuses" => return false,
            "forks" => fork_here(),
            deed => act(deed, "admitted"),
        }
        board::count("failed") == 0
    })
}

/// The child goes on as if it were the server.
fn fork_here() {
    // SAFETY: that the child goes on in the library is what is under test.
    if let ForkResult::Parent { child } = unsafe { fork() }.unwrap() {
        rest_of(child);
        *CHILD.lock().unwrap() = Some(child);
    }
}

/// Waits until a child sleeps or has ended; which of the two.
fn rest_of(child: Pid) -> &'static str {
    loop {
        let status = std::fs::read_to_string(format!("/proc/{child}/status")).unwrap();
        if status.contains("State:\tS") {
            return "sleeps";
        }
        if status.contains("State:\tZ") {
            return "ended";
        }
        std::thread::yield_now();
    }
}

/// A subscriber that does not come back for a while.
struct Stuck;

impl Subscriber for Stuck {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, _event: &Event<'_>) {
        act("waits", "heard");
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}
