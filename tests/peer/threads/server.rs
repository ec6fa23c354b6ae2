//! A server whose threads, limits and policy the test chooses, and which it can watch and steer by its input.
#![expect(clippy::arithmetic_side_effects, reason = "small numbers of the test")]

use std::io::BufRead;
use std::sync::{Arc, Barrier, Mutex, OnceLock};
use std::time::{Duration, Instant};

use doors::{
    AttachOptions, Attachment, Caller, Door, DoorAttributes, Held, Invocation, Options, PoolLimits,
    Returned, ServerThread, ThreadCreator,
};
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{Uid, gettid};

use super::counting::allocations;
use super::gate::Gate;
use super::options::Words;

static GATE: OnceLock<Gate> = OnceLock::new();
static DOOR: OnceLock<Door> = OnceLock::new();
static HELD: Mutex<Vec<Held>> = Mutex::new(Vec::new());
/// One line for each time that the creation callback ran.
static CREATED: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// Places in the pool that the callback has put aside.
static KEPT: Mutex<Vec<ServerThread>> = Mutex::new(Vec::new());
static MEETING: OnceLock<Barrier> = OnceLock::new();
static MINED: Mutex<Option<(Door, Attachment)>> = Mutex::new(None);

fn gate() -> &'static Gate {
    GATE.get_or_init(Gate::default)
}

/// `threads-server PATH WORD...`: serves until its input ends, obeying the lines that come.
pub(super) fn serve(arguments: &[&str]) {
    let words = Words(&arguments[1..]);
    prepare(words);
    if let Some(limits) = words.limits() {
        doors::set_pool_limits(limits).unwrap();
    }
    let creator = words.value("creator").map(creator);
    let options = words.door();
    let options = if words.has("private") {
        Options {
            attributes: DoorAttributes::PRIVATE,
            create_thread: creator,
            ..options
        }
    } else {
        if let Some(creator) = creator {
            drop(doors::replace_thread_creator(creator).unwrap());
        }
        options
    };
    let door = Door::create_with(procedure, options).unwrap();
    let mut attachments = vec![attach(&door, arguments[0], words)];
    // A second door, of the process pool and for anyone.
    if let Some(path) = words.value("public") {
        let public = Door::create(procedure, DoorAttributes::empty()).unwrap();
        attachments.push(public.attach(path, 0o666).unwrap());
    }
    let door = DOOR.get_or_init(|| door);
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        obey(door, &words);
    }
    drop(attachments);
}

fn prepare(words: Words<'_>) {
    if words.has("trace") {
        super::trace::begin();
    }
    if let Some(uid) = words.number("uid") {
        nix::unistd::setuid(Uid::from_raw(uid)).unwrap();
    }
    if words.has("starved") {
        // No thread can be made: the first door says so, and later ones are none the worse.
        setrlimit(Resource::RLIMIT_NPROC, 1, 4096).unwrap();
        for _ in 0..2 {
            assert!(Door::create(procedure, DoorAttributes::empty()).is_err());
        }
        setrlimit(Resource::RLIMIT_NPROC, 4096, 4096).unwrap();
    }
    if let Some(callers) = words.number("meeting") {
        MEETING.get_or_init(|| Barrier::new(callers));
    }
    if let Some(cpu) = words.number("cpu") {
        super::client::pin(cpu);
    }
}

fn attach(door: &Door, path: &str, words: Words<'_>) -> Attachment {
    let access = words.access("attach-access");
    let options = AttachOptions {
        access,
        owner: words.number("owner"),
        group: words.number("group"),
        ..AttachOptions::mode(words.number("mode").unwrap_or(0o666))
    };
    door.attach_with(path, options).unwrap()
}

fn creator(mode: &str) -> ThreadCreator {
    let mode = mode.to_owned();
    Arc::new(move |thread: ServerThread| {
        let depletion = thread.is_depletion();
        CREATED.lock().unwrap().push(format!(
            "{}:{depletion}:{}",
            gettid(),
            thread.private_to().unwrap_or(0)
        ));
        match mode.as_str() {
            // The first thread is made, no other.
            "one" | "panic" if !depletion => start(thread),
            "panic" => panic!("a creation callback that fails"),
            "keep" => KEPT.lock().unwrap().push(thread),
            // The child goes on from here, the parent makes no thread.
            "fork" if depletion => super::forks::go_on_twice(),
            // The value of the panic panics as well.
            "mine" if depletion => std::panic::panic_any(Mine),
            "start" | "fork" | "mine" => start(thread),
            _ => drop(thread),
        }
    })
}

fn start(thread: ServerThread) {
    std::thread::spawn(move || thread.serve());
}

fn obey(door: &Door, words: &[&str]) {
    let number = |at: usize| words[at].parse::<usize>().unwrap();
    match words[0] {
        "open" => gate().open(number(1)),
        "entered" => {
            gate().entered(number(1));
            println!("entered");
        }
        "count" => println!("{}", gate().count()),
        "created" => println!("{}", CREATED.lock().unwrap().join(" ")),
        "threads" => println!("{}", figures(door).threads),
        "answer" => {
            let held = HELD.lock().unwrap().pop().unwrap();
            held.door_return(b"held", vec![]).unwrap();
            println!("answered");
        }
        // The main thread becomes a server thread.
        "join" => {
            println!("joins");
            doors::join_pool().unwrap().serve();
            println!("left");
        }
        "bind" => {
            println!("binds");
            door.bind().unwrap().serve();
            println!("left");
        }
        // Without effect: this thread serves nothing.
        "unbind" => {
            doors::unbind();
            println!("unbound");
        }
        "serve-kept" => {
            let kept = std::mem::take(&mut *KEPT.lock().unwrap());
            println!("{}", kept.len());
            for thread in kept {
                start(thread);
            }
        }
        "limits" => {
            let limits = PoolLimits::new(number(1), number(2));
            doors::set_pool_limits(limits).unwrap();
            println!("set");
        }
        "child" => println!("{}", super::forks::fate_of_child()),
        "mine" => {
            let mined = mine(words[1]);
            *MINED.lock().unwrap() = Some(mined);
            println!("mined");
        }
        "leave-mine" => {
            drop(MINED.lock().unwrap().take());
            println!("left");
        }
        "revoke" => {
            door.revoke().unwrap();
            println!("revoked");
        }
        "nproc" => {
            let limit = words[1].parse().unwrap();
            setrlimit(Resource::RLIMIT_NPROC, limit, limit.max(4096)).unwrap();
            println!("limited");
        }
        other => panic!("unknown command {other}"),
    }
}

/// A door of the process pool whose procedure owns what panics when it is dropped.
fn mine(path: &str) -> (Door, Attachment) {
    let mine = Mine;
    let procedure = move |call: Invocation<'_>| {
        let _owned = &mine;
        procedure(call)
    };
    let door = Door::create(procedure, DoorAttributes::empty()).unwrap();
    let attachment = door.attach(path, 0o666).unwrap();
    (door, attachment)
}

/// Panics at its end.
struct Mine;

impl Drop for Mine {
    fn drop(&mut self) {
        panic!("as told");
    }
}

fn figures(door: &Door) -> doors::DoorFigures {
    door.info().unwrap().figures.unwrap()
}

/// What a call asks for by its first byte; most answer with the id of the thread.
pub(super) fn procedure(mut call: Invocation<'_>) -> Returned {
    let data = call.data();
    if data.is_empty() {
        // Nothing of our own in a null call: neither a system call nor an allocation.
        return call.door_return(&[], vec![]);
    }
    let tid = gettid().to_string();
    let text = |from: usize| std::str::from_utf8(&data[from..]).unwrap();
    match data.first() {
        Some(b't') => call.door_return(tid.as_bytes(), vec![]),
        Some(b'w') => {
            gate().pass();
            call.door_return(tid.as_bytes(), vec![])
        }
        // Nothing that a child of this process may run.
        Some(b'k') => {
            if super::forks::is_child() {
                std::process::exit(7);
            }
            call.door_return(tid.as_bytes(), vec![])
        }
        // Waits until so many calls do that the server was told of.
        Some(b'm') => {
            MEETING.get().unwrap().wait();
            call.door_return(tid.as_bytes(), vec![])
        }
        Some(b'p') => panic!("as told"),
        Some(b'x') => std::process::exit(3),
        Some(b'u') => {
            doors::unbind();
            call.door_return(tid.as_bytes(), vec![])
        }
        // So many levels deep, through the door itself; after a dot the level whose call has a deadline.
        Some(b'n') => {
            let said = text(1);
            let (depth, limited) = said.split_once('.').unwrap_or((said, "0"));
            let deeper = deeper(depth.parse().unwrap(), limited.parse().unwrap());
            call.door_return(deeper.as_bytes(), vec![])
        }
        Some(b'c') => {
            let who = describe(&call.caller());
            call.door_return(who.as_bytes(), vec![])
        }
        Some(b'r') => {
            let who = match &*call.caller() {
                Caller::Known(known) => match known.refresh() {
                    Ok(fresh) => describe(&Caller::Known(fresh)),
                    Err(error) => error.to_string(),
                },
                other => describe(other),
            };
            call.door_return(who.as_bytes(), vec![])
        }
        Some(b'h') => {
            let (held, returned) = call.hold();
            HELD.lock().unwrap().push(held);
            gate_entered();
            returned
        }
        // A descriptor of the door.
        Some(b'd') => {
            let descriptor = DOOR.get().unwrap().to_desc().unwrap();
            call.door_return(b"door", vec![descriptor])
        }
        // Calls the door whose descriptor came, and answers what that one says of its caller.
        Some(b'f') => {
            let descriptor = call.take_descriptors().pop().unwrap();
            let door = Door::from_descriptor(descriptor).unwrap();
            let heard = match door.call(b"c", vec![]) {
                Ok(reply) => String::from_utf8(reply.data).unwrap(),
                Err(error) => format!("{:?}", error.condition),
            };
            call.door_return(heard.as_bytes(), vec![])
        }
        Some(b'a') => call.door_return(allocations().to_string().as_bytes(), vec![]),
        Some(b'e') => {
            let back = call.take_descriptors();
            let back = back.into_iter().map(doors::DoorDesc::from).collect();
            call.door_return(data, back)
        }
        other => panic!("unknown call {other:?}"),
    }
}

/// A held call counts as one that came in, though it has left.
fn gate_entered() {
    gate().open(1);
    gate().pass();
}

fn deeper(depth: u32, limited: u32) -> String {
    if depth == 0 {
        return "bottom".into();
    }
    let next = format!("n{}.{limited}", depth - 1);
    let door = DOOR.get().unwrap();
    let called = if depth == limited {
        let until = Instant::now() + Duration::from_millis(500);
        door.call_until(next.as_bytes(), vec![], until)
    } else {
        door.call(next.as_bytes(), vec![])
    };
    match called {
        Ok(reply) => String::from_utf8(reply.data).unwrap(),
        Err(error) => format!("{:?} at {depth}", error.condition),
    }
}

fn describe(caller: &Caller) -> String {
    match caller {
        Caller::Known(known) => {
            let mut groups = known.groups().to_vec();
            groups.sort_unstable();
            let (uid, gid, pid) = (known.uid(), known.gid(), known.pid());
            let alive = pid_of_pidfd(known);
            format!("uid={uid} gid={gid} groups={groups:?} pid={pid} pidfd={alive}")
        }
        _ => "unknown".into(),
    }
}

/// The pid behind the pidfd, by /proc.
fn pid_of_pidfd(known: &doors::Credentials) -> String {
    use std::os::fd::AsRawFd;
    let number = known.pidfd().as_raw_fd();
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap_or_default();
    let line = info.lines().find(|line| line.starts_with("Pid:"));
    line.map_or("-", |line| line[4..].trim()).to_owned()
}
