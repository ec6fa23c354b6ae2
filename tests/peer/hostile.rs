//! What the tests of `hostile` ask of a peer: doors with limits, an honest customer, and a process that passes on.

use std::io::BufRead;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use doors::{CallState, Door, DoorAttributes, DoorDesc, Invocation, Options, Reply, Returned};
use harness::raw;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Does one operation of this area; false if it has no such operation.
pub(crate) fn run(operation: &str, arguments: &[&str]) -> bool {
    match operation {
        "limited" => limited(arguments[0]),
        "secluded" => secluded(arguments[0]),
        "single" => single(arguments[0]),
        "customer" => customer(),
        "intruder" => intruder(Path::new(arguments[0]), arguments[1]),
        "knot" => knot(Path::new(arguments[0])),
        "cut" => cut(),
        "park" => park(arguments[0].parse().unwrap()),
        "relay" => relay(Path::new(arguments[0])),
        _ => return false,
    }
    true
}

fn wait_for_end() {
    for line in std::io::stdin().lock().lines() {
        drop(line);
    }
}

/// Says how many bytes and descriptors came.
fn count(call: Invocation<'_>) -> Returned {
    let text = format!("{} {}", call.data().len(), call.descriptors().len());
    call.door_return(text.as_bytes(), vec![])
}

/// `limited PATH`: `PATH.none` refuses descriptors, `PATH.four` takes four of them and a hundred bytes.
fn limited(path: &str) {
    let none = Door::create(count, DoorAttributes::REFUSE_DESC).unwrap();
    let _none = none.attach(format!("{path}.none"), 0o600).unwrap();
    let four = Door::create(count, DoorAttributes::empty()).unwrap();
    let mut params = four.params().unwrap();
    params.desc_max = 4;
    params.data_max = 100;
    four.set_params(params).unwrap();
    let _four = four.attach(format!("{path}.four"), 0o600).unwrap();
    println!("ready");
    wait_for_end();
}

/// `secluded PATH`: a server whose only door is private.
fn secluded(path: &str) {
    let create_thread: doors::ThreadCreator = std::sync::Arc::new(|thread| {
        std::thread::spawn(move || thread.serve());
    });
    let options = Options {
        attributes: DoorAttributes::PRIVATE,
        create_thread: Some(create_thread),
        ..Options::default()
    };
    let door = Door::create_with(count, options).unwrap();
    let _attachment = door.attach(path, 0o600).unwrap();
    println!("ready");
    wait_for_end();
}

/// `single PATH`: a private door with one thread. A call with data says `running` and waits for a line of input.
fn single(path: &str) {
    let first = std::sync::Once::new();
    let create_thread: doors::ThreadCreator = std::sync::Arc::new(move |thread| {
        first.call_once(|| {
            std::thread::spawn(move || thread.serve());
        });
    });
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let procedure = move |call: Invocation<'_>| {
        if call.data() == b"wait" {
            println!("running");
            gone.lock().unwrap().recv().unwrap();
        }
        count(call)
    };
    let options = Options {
        attributes: DoorAttributes::PRIVATE,
        create_thread: Some(create_thread),
        ..Options::default()
    };
    let door = Door::create_with(procedure, options).unwrap();
    let _attachment = door.attach(path, 0o600).unwrap();
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        drop(line);
        go.send(()).unwrap();
    }
}

/// Lets this process have no more of something; back to what it was with `None`.
fn limit(resource: Resource, most: Option<u64>) {
    let (_, hard) = getrlimit(resource).unwrap();
    setrlimit(resource, most.unwrap_or(hard), hard).unwrap();
}

/// The address space that this process has, in bytes.
fn address_space() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = pages.split(' ').next().unwrap().parse().unwrap();
    pages * 4096
}

/// `customer`: an honest client. Lines: `open PATH`, `call LEN`, `until MILLIS LEN`, `send COUNT`, `info`, `drop`;
/// `aside LEN` calls on a thread of its own, `files COUNT`, `room BYTES` and `plenty` set limits of the process.
fn customer() {
    let mut door: Option<Door> = None;
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        match words[0] {
            "open" => {
                door = Some(Door::open(words[1]).unwrap());
                println!("open");
            }
            "drop" => {
                door = None;
                println!("dropped");
            }
            "call" => tell(door.as_ref().unwrap().call(&bytes(words[1]), vec![])),
            "aside" => {
                let (door, data) = (door.clone().unwrap(), bytes(words[1]));
                std::thread::spawn(move || tell(door.call(&data, vec![])));
            }
            "files" => {
                limit(Resource::RLIMIT_NOFILE, Some(words[1].parse().unwrap()));
                println!("limited");
            }
            "room" => {
                let most = address_space() + words[1].parse::<u64>().unwrap();
                limit(Resource::RLIMIT_AS, Some(most));
                println!("limited");
            }
            "plenty" => {
                limit(Resource::RLIMIT_NOFILE, None);
                limit(Resource::RLIMIT_AS, None);
                println!("unlimited");
            }
            "until" => {
                let within = Duration::from_millis(words[1].parse().unwrap());
                let until = Instant::now().checked_add(within).unwrap();
                let door = door.as_ref().unwrap();
                tell(door.call_until(&bytes(words[2]), vec![], until));
            }
            "send" => {
                let null = std::fs::File::open("/dev/null").unwrap();
                let count: usize = words[1].parse().unwrap();
                let lent = (0..count).map(|_| DoorDesc::from(null.as_fd())).collect();
                tell(door.as_ref().unwrap().call(b"e", lent));
            }
            "exit" => tell(door.as_ref().unwrap().call(b"x", vec![])),
            "info" => match door.as_ref().unwrap().info() {
                Ok(_) => println!("told"),
                Err(error) => println!("error {error}"),
            },
            other => panic!("unknown word {other}"),
        }
    }
}

fn bytes(count: &str) -> Vec<u8> {
    vec![b'e'; count.parse().unwrap()]
}

fn tell(result: Result<Reply, doors::CallError>) {
    match result {
        Ok(reply) => println!("reply {} {}", reply.data.len(), reply.descriptors.len()),
        Err(error) => {
            let state = match error.call_state() {
                CallState::NotExecuted => "not-executed",
                CallState::MayHaveExecuted => "may-have-executed",
                CallState::Executed => "executed",
            };
            println!("error {state} {}", error.condition);
        }
    }
}

/// `relay PATH`: takes packets whose first descriptor is a socket, and sends the rest of each on there.
fn relay(path: &Path) {
    let from = raw::connect(path);
    println!("ready");
    while let Some(heard) = raw::receive(&from) {
        let mut fds = heard.fds.into_iter();
        let to: OwnedFd = fds.next().unwrap();
        let rest: Vec<OwnedFd> = fds.collect();
        let rest: Vec<_> = rest.iter().map(AsFd::as_fd).collect();
        raw::send(&to, &heard.bytes, &rest).unwrap();
        raw::send(&from, b"done", &[]).unwrap();
    }
}

/// `intruder PATH ID`: asks to register the door in a session of another process, and tells the answer.
fn intruder(path: &Path, id: &str) {
    let connection = raw::connect(path);
    let (ours, theirs) = raw::pair();
    let packet = raw::Packet::new(raw::kind::REGISTER).u128(id.parse().unwrap());
    raw::send(&connection, &packet.bytes(), &[theirs.as_fd()]).unwrap();
    let heard = raw::receive(&ours).unwrap();
    let mut fields = raw::Fields::of(&heard.bytes, raw::kind::REFUSED);
    assert_eq!(fields.u64(), 0);
    println!("refused {}", fields.u32());
    wait_for_end();
}

/// `knot PATH`: sends the ends of its own sessions into each other, where nobody reads them.
fn knot(path: &Path) {
    let connection = raw::connect(path);
    for _ in 0..10 {
        let session = raw::Session::open(&connection);
        session.say(&raw::Packet::new(raw::kind::WANT_SOCKET).u64(9).u32(0));
        let socket = session.hear().fds.remove(0);
        let packet = raw::Packet::new(raw::kind::DESCRIPTORS).u64(55);
        let ends = [session.socket.as_fd(), socket.as_fd(), connection.as_fd()];
        raw::send(&socket, &packet.u32(0).u32(3).bytes(), &ends).unwrap();
        let (ours, theirs) = raw::pair();
        let hello = raw::Packet::new(raw::kind::HELLO).u32(1).bytes();
        raw::send(&theirs, &hello, &[ours.as_fd(), theirs.as_fd()]).unwrap();
        raw::send(&ours, &hello, &[ours.as_fd(), theirs.as_fd()]).unwrap();
        raw::send(&connection, &hello, &[theirs.as_fd()]).unwrap();
    }
    // Our own copies are closed here; what is left refers to itself alone, and to us.
    drop(connection);
    println!("knotted");
    wait_for_end();
}

/// `park COUNT`: leaves so many descriptors in the queues of sockets.
fn park(mut count: usize) {
    let null = std::fs::File::open("/dev/null").unwrap();
    let mut queues = Vec::new();
    while count > 0 {
        let (ours, theirs) = raw::pair();
        let now = count.min(250);
        raw::send(&ours, b"parked", &vec![null.as_fd(); now]).unwrap();
        queues.push((ours, theirs));
        count = count.saturating_sub(now);
    }
    println!("parked");
    wait_for_end();
}

/// `cut`: looks at memory that was made shorter after it was mapped.
fn cut() {
    let memory = raw::memfd(8192, nix::fcntl::SealFlag::empty());
    let window = raw::Window::map(&memory, 8192, false).unwrap();
    nix::unistd::ftruncate(&memory, 4096).unwrap();
    println!("mapped, and cut");
    println!("{}", window.load(4096));
}
