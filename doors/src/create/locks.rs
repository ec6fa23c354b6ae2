//! How many locks a call takes that finds all it needs: none, on either side.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "a test that cannot go on ends"
)]

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::lock::count;
use crate::{Door, DoorAttributes};

/// Where the other process finds the path of its door.
const PATH: &str = "DOORS_TEST_LOCKS";
const CALLS: u32 = 1_000;

/// The process of the server; it is killed and reaped with the test, and its name removed.
struct Server {
    child: Child,
    path: PathBuf,
}

impl Server {
    fn start(path: PathBuf) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([
            "--exact",
            "--ignored",
            "--nocapture",
            "create::locks::serve",
        ]);
        command.env(PATH, &path).stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(said.any(|line| line.unwrap().ends_with("serves")));
        Self { child, path }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
        let _removed = std::fs::remove_file(&self.path);
    }
}

#[test]
#[ignore = "the other process of the test below"]
fn serve() {
    let Some(path) = std::env::var_os(PATH) else {
        return;
    };
    // The thread, and how many locks it has taken.
    let tell = |call: crate::Invocation<'_>| {
        if call.data().is_empty() {
            return call.door_return(&[], vec![]);
        }
        let told = format!("{} {}", nix::unistd::gettid(), count::taken());
        call.door_return(told.as_bytes(), vec![])
    };
    let door = Door::create(tell, DoorAttributes::empty()).unwrap();
    let _name = door.attach(path, 0o600).unwrap();
    println!("serves");
    let _until_the_end = std::io::stdin().read_to_end(&mut Vec::new());
}

/// The thread that serves, and how many locks it has taken so far.
fn asked(door: &Door) -> (String, u64) {
    let told = String::from_utf8(door.call(b"?", vec![]).unwrap().data).unwrap();
    let (thread, taken) = told.split_once(' ').unwrap();
    (thread.to_owned(), taken.parse().unwrap())
}

/// The locks that the calls of one row took here and there. Nothing: another thread has come in between.
fn row(door: &Door, results: &mut Vec<u8>) -> Option<(u64, u64)> {
    let (thread, before) = asked(door);
    let ours = count::taken();
    for _ in 0..CALLS {
        door.call_into(&[], vec![], None, results).unwrap();
    }
    let ours = count::taken() - ours;
    let (other, after) = asked(door);
    (thread == other).then(|| (ours, after - before))
}

#[test]
fn a_warm_call_takes_no_lock_on_either_side() {
    let name = format!("doors-locks-{}", std::process::id());
    let server = Server::start(std::env::temp_dir().join(name));
    let door = Door::open(&server.path).unwrap();
    // To establish takes some, on either side.
    for _ in 0..10 {
        asked(&door);
    }
    assert!(count::taken() > 0 && asked(&door).1 > 0);
    let mut results = Vec::new();
    let mut rows = Vec::new();
    // A machine that stops one side for longer than a channel stays staffed makes the way back take some: one row has to be
    // left alone.
    let end = Instant::now() + Duration::from_secs(20);
    while Instant::now() < end {
        let row = row(&door, &mut results);
        if row == Some((0, 0)) {
            return;
        }
        rows.extend(row);
    }
    rows.truncate(4);
    panic!("locks taken here and there for {CALLS} calls: {rows:?}");
}
