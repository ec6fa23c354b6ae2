//! What the tests of `typed` ask of a peer.

pub(crate) mod awaiter;
pub(crate) mod book;
pub(crate) mod custody;
pub(crate) mod errands;
pub(crate) mod finder;
pub(crate) mod ground;
pub(crate) mod keeper;
pub(crate) mod ledger;
pub(crate) mod library;
pub(crate) mod office;
pub(crate) mod procedures;
pub(crate) mod promises;
pub(crate) mod safe;
pub(crate) mod searcher;
pub(crate) mod shelves;
pub(crate) mod store;
pub(crate) mod waiting_room;

use std::io::BufRead;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex};

use doors::{
    Attachment, Door, DoorAttributes, Frozen, FrozenArchive, FrozenError, Held, Invocation,
    Options, Returned, Waiting, set_waiting,
};

use custody::CustodyDoor;
use errands::{ErrandsClient, ErrandsDoor, Office};
use harness::raw::Slow;

use finder::{FinderClient, FinderDoor, Index, LookerDoor};
use ground::{Earth, GroundDoor, whole};
use keeper::Keeper;
use ledger::{LedgerDoor, TillDoor, usual};
use library::{LibraryClient, LibraryDoor};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use office::{Desk, OfficeClient, OfficeDoor};
use procedures::{
    add, count, executed, greet, halve, mirror, nest, obey, pages, sleep, splice, sum,
};
use promises::{Book, PromisesClient, PromisesDoor};
use safe::{SafeClient, SafeDoor, Vault, closed};
use searcher::Searcher;
use shelves::Shelves;
use store::{Shelf, StoreDoor, later, next};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// Does one operation of this area; false if it has no such operation.
pub(crate) fn run(operation: &str, arguments: &[&str]) -> bool {
    match operation {
        "typed-server" => serve(Path::new(arguments[0])),
        "typed-store" => keep(Path::new(arguments[0])),
        "typed-library" => lend(Path::new(arguments[0])),
        "typed-holder" => hold(Path::new(arguments[0])),
        "typed-office" => receive(Path::new(arguments[0])),
        "typed-visitor" => visit(Path::new(arguments[0]), arguments[1]),
        "typed-safe" => guard(Path::new(arguments[0])),
        "typed-burglar" => try_all(Path::new(arguments[0]), &arguments[1..]),
        "typed-ground" => stand(Path::new(arguments[0]), &arguments[1..]),
        "typed-promises" => promise(Path::new(arguments[0])),
        "typed-waiter" => wait(Path::new(arguments[0])),
        "typed-errands" => run_errands(Path::new(arguments[0])),
        "typed-errander" => run_errand(Path::new(arguments[0]), arguments[1]),
        "typed-waiting-room" => hold_all(Path::new(arguments[0]), arguments[1].parse().unwrap()),
        "typed-awaiter" => {
            let uid = arguments.get(2).copied();
            awaiter::run(Path::new(arguments[0]), Path::new(arguments[1]), uid);
        }
        "typed-victim" => {
            awaiter::call_until_killed(Path::new(arguments[0]), arguments[1].parse().unwrap());
        }
        "typed-liar" => lie(Path::new(arguments[0])),
        "typed-limited" => freeze_within_limit(Path::new(arguments[0])),
        _ => return false,
    }
    true
}

/// `typed-server DIRECTORY`: every procedure at its name in a directory, until the input ends. A line is answered with
/// the number of allocations so far.
fn serve(directory: &Path) {
    let doors = [
        ("add", add::door()),
        ("count", count::door()),
        ("custody", CustodyDoor::serve(Keeper)),
        ("executed", executed::door()),
        ("finder", FinderDoor::serve(Searcher::default())),
        ("greet", greet::door()),
        ("halve", halve::door()),
        ("ledger", LedgerDoor::serve(book::Book)),
        ("looker", LookerDoor::serve(Searcher::default())),
        ("mirror", mirror::door()),
        ("nest", nest::door()),
        ("obey", obey::door()),
        ("pages", pages::door()),
        ("sleep", sleep::door()),
        ("splice", splice::door()),
        ("sum", sum::door()),
        ("till", TillDoor::serve(book::Drawer::default())),
        ("usual", usual::LedgerDoor::serve(book::Book)),
    ];
    attend(directory, doors);
}

/// `typed-store DIRECTORY`: a store at the names `store`, `later` and `next`, as each of these versions, until the input
/// ends. A line is answered with the number of allocations so far.
fn keep(directory: &Path) {
    let shelf = Arc::new(Shelf::default());
    let doors = [
        ("store", StoreDoor::serve(Arc::clone(&shelf))),
        ("later", later::StoreDoor::serve(Arc::clone(&shelf))),
        ("next", next::StoreDoor::serve(shelf)),
    ];
    attend(directory, doors);
}

/// Has doors at their names in a directory until the input ends.
fn attend<const MANY: usize>(
    directory: &Path,
    doors: [(&str, Result<Door, doors::DoorError>); MANY],
) {
    let names: Vec<Attachment> = doors
        .into_iter()
        .map(|(name, door)| door.unwrap().attach(directory.join(name), 0o600).unwrap())
        .collect();
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        drop(line);
        println!("{}", crate::threads::counting::allocations());
    }
    drop(names);
}

/// `typed-library PATH`: a library at a name, until the input ends.
fn lend(path: &Path) {
    let door = LibraryDoor::serve(Shelves::default()).unwrap();
    let name = door.attach(path, 0o600).unwrap();
    println!("ready");
    for line in std::io::stdin().lines() {
        drop(line);
    }
    drop(name);
}

/// `typed-holder PATH`: holds a hundred counters of a library, until it is killed.
fn hold(path: &Path) {
    let library = LibraryClient::open(path).unwrap();
    let counters = library.counters(100).unwrap();
    assert_eq!(counters[7].next().unwrap(), 7);
    println!("ready");
    for line in std::io::stdin().lines() {
        drop(line);
    }
    drop(counters);
}

/// `typed-office PATH`: an office at a name, until the input ends.
fn receive(path: &Path) {
    let door = OfficeDoor::serve(Desk::default()).unwrap();
    let name = door.attach(path, 0o600).unwrap();
    println!("ready");
    for line in std::io::stdin().lines() {
        drop(line);
    }
    drop(name);
}

/// `typed-visitor PATH METHOD`: calls an office, until it is killed.
fn visit(path: &Path, method: &str) {
    let office = OfficeClient::open(path).unwrap();
    office.await_lingered(0, 0).unwrap();
    println!("ready");
    match method {
        "linger" => office.linger().unwrap(),
        _ => panic!("unknown method {method}"),
    }
}

/// `typed-ground DIRECTORY [handoff]`: doors that are leaf in part, as a whole, and by their options, until the input ends.
fn stand(directory: &Path, words: &[&str]) {
    if words == ["handoff"] {
        set_waiting(Waiting::Handoff);
    }
    let declared = Options {
        leaf: true,
        ..Options::default()
    };
    let doors = [
        ("mixed", GroundDoor::serve(Earth)),
        ("whole", whole::GroundDoor::serve(Earth)),
        ("declared", GroundDoor::serve_with(Earth, declared)),
    ];
    attend(directory, doors);
}

/// `typed-promises PATH`: promises at a name, until the input ends.
fn promise(path: &Path) {
    // It opens more than a reply may bring.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    let door = PromisesDoor::serve(Book::default()).unwrap();
    let name = door.attach(path, 0o600).unwrap();
    println!("ready");
    for line in std::io::stdin().lines() {
        drop(line);
    }
    drop(name);
}

/// `typed-waiter PATH`: waits for a word that was promised, until it is killed.
fn wait(path: &Path) {
    let promises = PromisesClient::open(path).unwrap();
    println!("ready");
    let answer = promises.later();
    panic!("answered: {answer:?}");
}

/// `typed-errands PATH`: futures of one thread at a name, until the input ends. `close` ends their runtime.
fn run_errands(path: &Path) {
    let runtime = Builder::new_current_thread().build().unwrap();
    let office = Office::new(runtime.handle().clone());
    let (end, ended) = oneshot::channel::<()>();
    let mut running = Some((
        end,
        std::thread::spawn(move || {
            let _closed = runtime.block_on(ended);
        }),
    ));
    let door = ErrandsDoor::serve(office).unwrap();
    let name = door.attach(path, 0o600).unwrap();
    println!("ready");
    for line in std::io::stdin().lines() {
        assert_eq!(line.unwrap(), "close");
        if let Some((end, thread)) = running.take() {
            drop(end);
            thread.join().unwrap();
        }
        println!("closed");
    }
    drop(name);
}

/// `typed-errander PATH WORDS`: calls a method that never answers, until it is killed; after `turn, ` another before.
fn run_errand(path: &Path, words: &str) {
    let errands = ErrandsClient::open(path).unwrap();
    let method = words.strip_prefix("turn, ");
    if method.is_some() {
        assert_eq!(errands.turn(1).unwrap(), 1);
    }
    println!("ready");
    match method.unwrap_or(words) {
        "stay" => errands.stay().unwrap(),
        "poll_first" => errands.poll_first().unwrap(),
        other => panic!("unknown method {other}"),
    }
}

/// `typed-safe DIRECTORY`: a safe at the names `safe` and `closed`, until the input ends.
fn guard(directory: &Path) {
    let vault = Vault::default();
    let doors = [
        ("safe", SafeDoor::serve(vault.clone())),
        ("closed", closed::SafeDoor::serve(vault)),
    ];
    for (_, door) in &doors {
        assert!(door.is_ok(), "{door:?}");
    }
    let names: Vec<Attachment> = doors
        .into_iter()
        .map(|(name, door)| door.unwrap().attach(directory.join(name), 0o666).unwrap())
        .collect();
    println!("ready");
    for line in std::io::stdin().lines() {
        drop(line);
    }
    drop(names);
}

/// `typed-burglar DIRECTORY UID GID GROUP`: as somebody else, says which methods of a safe it may call.
fn try_all(directory: &Path, ids: &[&str]) {
    use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
    let [uid, gid, group] = [0, 1, 2].map(|at| ids[at].parse().unwrap());
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    setgroups(&[Gid::from_raw(group)]).unwrap();
    setresgid(gid, gid, gid).unwrap();
    setresuid(uid, uid, uid).unwrap();
    let safe = SafeClient::open(directory.join("safe")).unwrap();
    let closed = closed::SafeClient::open(directory.join("closed")).unwrap();
    // The first call travels on the connection, the others through a session.
    let may = [
        safe.chosen("", vec![]).is_ok(),
        safe.free(None).is_ok(),
        safe.chosen("", vec![]).is_ok(),
        safe.own().is_ok(),
        closed.inside().is_ok(),
        closed.knock().is_ok(),
    ];
    println!("{may:?}");
}

/// `typed-waiting-room PATH MANY`: holds calls until there are so many, and answers them then with that number. Says `begun` for
/// each, and `cancelled` for each that is given up. A line has it let go of those, and say how many that were.
fn hold_all(path: &Path, many: u32) {
    let held = Arc::new(Mutex::new(Vec::<Held>::new()));
    let room = Arc::clone(&held);
    let procedure = move |mut call: Invocation<'_>| -> Returned {
        call.on_cancel(|| println!("cancelled"));
        let (call, returned) = call.hold();
        let mut room = room.lock().unwrap();
        room.push(call);
        println!("begun");
        if room.len() == usize::try_from(many).unwrap() {
            // What the method returned, as `typed` lays it out.
            let answer = [&many.to_le_bytes()[..], &[1, 0x81]].concat();
            for call in room.drain(..) {
                call.door_return(&answer, vec![]).unwrap();
            }
        }
        returned
    };
    let door = Door::create(procedure, DoorAttributes::empty()).unwrap();
    // For a client that becomes somebody else, too.
    let name = door.attach(path, 0o666).unwrap();
    println!("ready");
    for line in std::io::stdin().lines() {
        drop(line);
        let gone: Vec<Held> = held
            .lock()
            .unwrap()
            .extract_if(.., |call| call.is_cancelled())
            .collect();
        println!("{}", gone.len());
    }
    drop(name);
}

/// `typed-liar PATH`: a door that answers with the bytes of the last line, in hexadecimal, and a descriptor that nobody
/// asked for.
fn lie(path: &Path) {
    static ANSWER: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    // Those who take no bytes, while what is sent is slow to close.
    static OTHERS: Mutex<Option<Vec<OwnedFd>>> = Mutex::new(None);
    let procedure = |invocation: Invocation<'_>| -> Returned {
        let answer = ANSWER.lock().unwrap().clone();
        if let Some(others) = &mut *OTHERS.lock().unwrap() {
            let Slow { socket, other } = Slow::new();
            others.push(other);
            return invocation.door_return(&answer, vec![socket.into()]);
        }
        let input = std::io::stdin();
        invocation.door_return(&answer, vec![input.as_fd().into()])
    };
    let door = Door::create(procedure, DoorAttributes::empty()).unwrap();
    let name = door.attach(path, 0o600).unwrap();
    println!("ready");
    for line in std::io::stdin().lines() {
        let mut line = line.unwrap();
        if let Some(rest) = line.strip_prefix("slow ") {
            OTHERS.lock().unwrap().get_or_insert_default();
            line = rest.to_owned();
        }
        let digits: Vec<char> = line.chars().collect();
        let bytes = digits.chunks(2).map(|pair| {
            let pair: String = pair.iter().collect();
            u8::from_str_radix(&pair, 16).unwrap()
        });
        *ANSWER.lock().unwrap() = bytes.collect();
        println!("set");
    }
    drop(name);
}

/// `typed-limited PATH`: freezes what its limit of a file's size allows, and what it does not; has a finder read the former.
fn freeze_within_limit(path: &Path) {
    const LIMIT: u64 = 1 << 20;
    let finder = FinderClient::open(path).unwrap();
    let index = |places| Index {
        words: vec!["a".to_owned(), "b".to_owned()],
        places: (0..places).collect(),
    };
    let failed = |outcome: Result<(), FrozenError>| match outcome {
        Ok(()) => "made".to_owned(),
        Err(error) => std::io::Error::from_raw_os_error(error.errno()).to_string(),
    };
    let (_, most) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
    // The default action of SIGXFSZ, which comes with the limit, is to end the process.
    setrlimit(Resource::RLIMIT_FSIZE, LIMIT, most).unwrap();
    let large = index(LIMIT);
    println!("archive: {}", failed(FrozenArchive::new(&large).map(drop)));
    let bytes = vec![1; usize::try_from(LIMIT).unwrap() + 1];
    println!("bytes: {}", failed(Frozen::new(&bytes).map(drop)));
    println!("as many: {}", failed(Frozen::new(&bytes[1..]).map(drop)));
    let small = FrozenArchive::new(&index(2)).unwrap();
    println!("found: {:?}", finder.find(&small, "b").unwrap());
}
