//! How a channel changes its gear, and what a procedure sees of that: nothing.
#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a test that cannot go on ends"
)]

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use doors::{Door, DoorFigures};
use harness::raw::{Session, remint};
use harness::{Books, Directory, Peer, Watchdog, skipped};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

const PEER: &str = env!("CARGO_BIN_EXE_peer");
/// Longer than any thread looks for the next call.
const PAUSE: Duration = Duration::from_micros(300);
/// Where a client says on which processor it runs.
const CPU_WORD: usize = 44;

/// A server, and a door of it that has a session. When it is dropped, the server has to hold what it held at the start.
struct Scene {
    _directory: Directory,
    server: Peer,
    path: PathBuf,
    door: Door,
    books: Books,
}

impl Drop for Scene {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.books.balance();
        }
    }
}

impl Scene {
    fn new(words: &[&str], environment: Option<&str>) -> Self {
        let directory = Directory::new("gears");
        let path = directory.join("door");
        let mut command = Command::new(PEER);
        command.args(["gears-server", path.to_str().unwrap()]);
        command.args(words).env_remove("DOORS_WAITING");
        if let Some(word) = environment {
            command.env("DOORS_WAITING", word);
        }
        let mut server = Peer::start_command(command);
        server.expect("ready");
        let door = Door::open(&path).unwrap();
        for _ in 0..3 {
            door.call(b"", vec![]).unwrap();
        }
        // Four callers at once and one that asks make a pool of a few more.
        let books = Books::of(&server).and_threads(5).and_mappings(2);
        Self {
            _directory: directory,
            server,
            path,
            door,
            books,
        }
    }

    fn figures(&self) -> DoorFigures {
        self.door.info().unwrap().figures.unwrap()
    }

    fn asked(&self, what: &[u8]) -> String {
        String::from_utf8(self.door.call(what, vec![]).unwrap().data).unwrap()
    }

    /// The processors of the server's process.
    fn whole(&self) -> String {
        processors_of(&format!("/proc/{}/status", self.server.pid()))
    }

    /// Calls with a pause before each, during which this thread computes.
    fn sparse_calls(&self, calls: usize) {
        for _ in 0..calls {
            compute();
            self.door.call(b"", vec![]).unwrap();
        }
    }

    /// The processors of each of its threads.
    fn masks(&self) -> Vec<String> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.server.pid())).unwrap();
        // A thread may have ended since.
        let texts = tasks
            .flatten()
            .filter_map(|task| std::fs::read_to_string(task.path().join("status")).ok());
        texts.filter_map(|text| allowed_of(&text)).collect()
    }

    fn until_followed(&self) {
        while self.figures().followed == 0 {
            self.sparse_calls(20);
        }
    }

    /// Whether the procedure is seen on fewer processors than its process in so many calls after a pause.
    fn is_seen_narrow(&self, calls: usize) -> bool {
        let whole = self.whole();
        (0..calls).any(|_| {
            compute();
            self.asked(b"mine") != whole
        })
    }
}

fn compute() {
    let until = Instant::now() + PAUSE;
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}

fn processors_of(status: &str) -> String {
    allowed_of(&std::fs::read_to_string(status).unwrap()).unwrap()
}

/// Without an answer: the thread has ended.
fn allowed_of(status: &str) -> Option<String> {
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    Some(line.trim().to_owned())
}

fn has_one_processor() -> bool {
    let one = std::thread::available_parallelism().unwrap().get() == 1;
    if one {
        skipped("there is one processor, and nowhere to go");
    }
    one
}

#[test]
fn a_caller_that_pauses_is_followed_and_one_that_does_not_is_parted_from() {
    let _watchdog =
        Watchdog::new("a_caller_that_pauses_is_followed_and_one_that_does_not_is_parted_from");
    if has_one_processor() {
        return;
    }
    let scene = Scene::new(&[], None);
    scene.until_followed();
    while scene.figures().parted == 0 {
        // It may have parted, found no call, and followed again: both are counted.
        scene.sparse_calls(20);
        for _ in 0..20_000 {
            scene.door.call(b"", vec![]).unwrap();
        }
    }
}

#[test]
fn case_113_a_procedure_its_threads_and_its_children_have_all_processors() {
    let _watchdog =
        Watchdog::new("case_113_a_procedure_its_threads_and_its_children_have_all_processors");
    let parallel = std::thread::available_parallelism().unwrap();
    for words in [&[][..], &["handoff"]] {
        let scene = Scene::new(words, None);
        // One that hands off follows from the start, and has changed nothing then.
        if words.is_empty() && !has_one_processor() {
            scene.until_followed();
        }
        let whole = scene.whole();
        for _ in 0..50 {
            scene.sparse_calls(5);
            compute();
            let expected = format!("{whole} {whole} {whole} {parallel}");
            assert_eq!(scene.asked(b"all"), expected, "{words:?}");
        }
    }
}

/// Both doors are served by one thread, on one channel.
#[test]
fn case_113_a_procedure_has_all_processors_right_after_a_leaf_one_that_had_not() {
    let _watchdog = Watchdog::new(
        "case_113_a_procedure_has_all_processors_right_after_a_leaf_one_that_had_not",
    );
    if has_one_processor() {
        return;
    }
    for words in [&["leaf"][..], &["leaf", "handoff"]] {
        let place = Directory::new("gears-beside");
        let path = place.join("door");
        let beside = format!("beside={}", path.display());
        let scene = Scene::new(&[words, &[&beside]].concat(), None);
        let wide = Door::open(&path).unwrap();
        let whole = scene.whole();
        let mut narrow = 0;
        while narrow < 50 {
            compute();
            let leaf = scene.asked(b"where");
            let seen = String::from_utf8(wide.call(b"where", vec![]).unwrap().data).unwrap();
            let (leaf_thread, leaf_mask) = leaf.split_once(' ').unwrap();
            let (thread, mask) = seen.split_once(' ').unwrap();
            assert_eq!(mask, whole, "{words:?}");
            narrow += u32::from(thread == leaf_thread && leaf_mask != whole);
        }
    }
}

#[test]
fn two_sides_on_one_processor_hand_it_to_each_other() {
    let _watchdog = Watchdog::new("two_sides_on_one_processor_hand_it_to_each_other");
    for words in [&[][..], &["spin"], &["handoff"], &["block"]] {
        let (cpu, _) = first_two();
        let word = format!("cpu={cpu}");
        let scene = Scene::new(&[words, &[&word]].concat(), None);
        // A thread of its own: it stays narrow.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                pin(cpu);
                scene.sparse_calls(50);
                for _ in 0..5_000 {
                    scene.door.call(b"", vec![]).unwrap();
                }
                scene.sparse_calls(50);
                assert_eq!(scene.asked(b"mine"), cpu.to_string());
            });
        });
        assert_eq!(
            scene.figures().parted,
            0,
            "there is nowhere to go: {words:?}"
        );
    }
}

#[test]
fn a_leaf_procedure_stays_where_its_caller_is() {
    let _watchdog = Watchdog::new("a_leaf_procedure_stays_where_its_caller_is");
    if has_one_processor() {
        return;
    }
    let scene = Scene::new(&["leaf"], None);
    scene.until_followed();
    while !scene.is_seen_narrow(1) {}
}

/// Server threads that are made while another is narrow, by depletion, are not.
#[test]
fn a_thread_that_a_narrow_one_asks_for_has_all_processors() {
    let _watchdog = Watchdog::new("a_thread_that_a_narrow_one_asks_for_has_all_processors");
    if has_one_processor() {
        return;
    }
    let scene = Scene::new(&["leaf"], None);
    while !scene.is_seen_narrow(1) {}
    // Many at once: the pool grows by calls that leave nobody parked.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| scene.sparse_calls(200));
        }
    });
    // Without calls all threads leave their channels, and are as wide as they were made.
    let whole = scene.whole();
    while scene.masks().iter().any(|mask| *mask != whole) {
        std::thread::yield_now();
    }
}

#[test]
fn an_operator_decides_how_a_server_waits() {
    let _watchdog = Watchdog::new("an_operator_decides_how_a_server_waits");
    if has_one_processor() {
        return;
    }
    let handoff = Scene::new(&["leaf", "handoff"], None);
    while !handoff.is_seen_narrow(1) {}
    for word in ["block", "spin"] {
        let other = Scene::new(&["leaf", "handoff"], Some(word));
        assert!(!other.is_seen_narrow(200), "{word}");
        assert_eq!(other.figures().followed, 0, "{word}");
    }
    let wrong = Scene::new(&["leaf", "handoff"], Some("quickly"));
    while !wrong.is_seen_narrow(1) {}
}

#[test]
fn case_112_false_processor_numbers_of_a_client_lead_nowhere() {
    let _watchdog = Watchdog::new("case_112_false_processor_numbers_of_a_client_lead_nowhere");
    let scene = Scene::new(&["leaf"], None);
    let token = remint(scene.door.descriptor().unwrap());
    let mut session = Session::open(&token);
    let whole = scene.whole();
    let numbers = [
        0,
        1,
        2,
        3,
        63,
        1023,
        1024,
        i32::MAX.unsigned_abs(),
        u32::MAX,
    ];
    for number in numbers.iter().cycle().take(2_000) {
        session.call.store(CPU_WORD, *number);
        compute();
        let seen = String::from_utf8(session.call(b"mine")).unwrap();
        assert!(is_among(&seen, &whole), "{seen} is not among {whole}");
    }
    // Others are served as ever.
    Door::open(&scene.path).unwrap().call(b"", vec![]).unwrap();
}

/// A client says that it runs where the server may not: it is told apart from one that says where the server may.
#[test]
fn case_112_a_server_that_was_narrowed_follows_no_number_out_of_its_mask() {
    let _watchdog =
        Watchdog::new("case_112_a_server_that_was_narrowed_follows_no_number_out_of_its_mask");
    let (cpu, Some(other)) = first_two() else {
        skipped("there is one processor, and none outside of a mask");
        return;
    };
    for words in [&["leaf"][..], &["leaf", "handoff"]] {
        let says_other = |scene: &Scene| {
            // The registration lives as long as the token.
            let token = remint(scene.door.descriptor().unwrap());
            let session = Session::open(&token);
            session.call.store(CPU_WORD, u32::try_from(other).unwrap());
            (token, session)
        };
        let call = |session: &mut Session| {
            compute();
            String::from_utf8(session.call(b"mine")).unwrap()
        };
        // One that may follow there does, so there is something to see.
        let free = Scene::new(words, None);
        let (_token, mut session) = says_other(&free);
        while call(&mut session) != other.to_string() {}
        let own = format!("cpu={cpu}");
        let narrowed = Scene::new(&[words, &[&own]].concat(), None);
        let (_token, mut session) = says_other(&narrowed);
        for _ in 0..500 {
            assert_eq!(call(&mut session), cpu.to_string(), "{words:?}");
            for mask in narrowed.masks() {
                assert_eq!(mask, cpu.to_string(), "{words:?}");
            }
        }
    }
}

/// The first processor of this process, and the second if there is one.
fn first_two() -> (usize, Option<usize>) {
    let allowed = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let mut each = (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap());
    (each.next().unwrap(), each.next())
}

fn pin(cpu: usize) {
    let mut only = CpuSet::new();
    only.set(cpu).unwrap();
    sched_setaffinity(Pid::from_raw(0), &only).unwrap();
}

/// Whether a list of processors holds only such as another list has.
fn is_among(list: &str, of: &str) -> bool {
    let (part, all) = (numbers(list), numbers(of));
    !part.is_empty() && part.iter().all(|number| all.contains(number))
}

fn numbers(list: &str) -> Vec<u32> {
    list.split(',')
        .flat_map(|range| {
            let (from, to) = range.split_once('-').unwrap_or((range, range));
            from.parse().unwrap()..=to.parse().unwrap()
        })
        .collect()
}
