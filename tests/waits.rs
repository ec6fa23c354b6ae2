//! How a side waits where it is not its own to decide: by an operator's word, under a quota, for a peer that stands still.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{Directory, Peer, Watchdog, skipped};
use nix::sched::{CpuSet, sched_getaffinity};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

const PEER: &str = env!("CARGO_BIN_EXE_peer");
/// Calls of which each is answered, and followed by another, within a time that is worth looking for.
const CALLS: u32 = 1_000;
/// How long a server stands still.
const SECONDS: i64 = 2;

/// A peer, perhaps with a wish of the operator, perhaps in a control group of its own.
fn peer(
    operation: &str,
    path: &Path,
    words: &[&str],
    wish: Option<&str>,
    group: Option<&Group>,
) -> Peer {
    let mut command = Command::new("sh");
    // The shell joins the group, and the program takes its place there.
    let joins = group.map_or(String::new(), |group| {
        format!("echo $$ > {}/cgroup.procs && ", group.0.display())
    });
    command.args(["-c", &format!("{joins}exec \"$0\" \"$@\""), PEER]);
    command.arg(operation).arg(path).args(words);
    command.env_remove("DOORS_WAITING");
    if let Some(wish) = wish {
        command.env("DOORS_WAITING", wish);
    }
    let mut peer = Peer::start_command(command);
    peer.expect("ready");
    peer
}

/// How often the client's and the server's thread let go of their processors in so many calls.
fn switches(client: &mut Peer) -> (u32, u32) {
    loop {
        let said = client.query(&format!("switches {CALLS}"));
        // Nothing else is said than that another thread came to serve.
        if let Some((ours, theirs)) = said.split_once(' ')
            && let (Ok(ours), Ok(theirs)) = (ours.parse(), theirs.parse())
        {
            return (ours, theirs);
        }
    }
}

/// Waits for a row of calls in which a side looked: a machine that is busy takes the processors away in some.
fn until_looked(client: &mut Peer, looks: impl Fn((u32, u32)) -> bool) {
    while !looks(switches(client)) {}
}

/// Few switches: each wait but some was a look.
fn looked(switches: u32) -> bool {
    switches < CALLS / 4
}

/// Each wait but some was none.
fn slept(switches: u32) -> bool {
    switches > CALLS / 2
}

fn has_one_processor() -> bool {
    let one = std::thread::available_parallelism().unwrap().get() == 1;
    if one {
        skipped("there is one processor, and nobody looks");
    }
    one
}

#[test]
fn an_operator_decides_how_a_client_waits_whatever_it_has_set() {
    let _watchdog = Watchdog::new("an_operator_decides_how_a_client_waits_whatever_it_has_set");
    if has_one_processor() {
        return;
    }
    let directory = Directory::new("wishes");
    let path = directory.join("door");
    let _server = peer("gears-server", &path, &[], None, None);
    for (own, wish) in [
        (None, None),
        (Some("block"), Some("spin")),
        (Some("block"), Some("auto")),
    ] {
        let mut client = peer("gears-client", &path, own.as_slice(), wish, None);
        until_looked(&mut client, |(ours, _)| looked(ours));
    }
    for (own, wish) in [
        (Some("block"), None),
        (None, Some("block")),
        (Some("spin"), Some("block")),
        // No way of waiting: what the program has set holds.
        (Some("block"), Some("quickly")),
    ] {
        let mut client = peer("gears-client", &path, own.as_slice(), wish, None);
        for _ in 0..3 {
            let (ours, _) = switches(&mut client);
            assert!(slept(ours), "{ours} switches: {own:?} {wish:?}");
        }
    }
}

/// The processor time of a call that nobody answers is no part of the time that it takes.
#[test]
fn a_client_that_always_looks_leaves_the_processor_where_nobody_answers() {
    let _watchdog =
        Watchdog::new("a_client_that_always_looks_leaves_the_processor_where_nobody_answers");
    let directory = Directory::new("stands-still");
    let allowed = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let numbers = (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap());
    let cpus: Vec<_> = numbers.map(|cpu| format!("cpu={cpu}")).collect();
    let path = directory.join("door");
    for words in [&["spin"][..], &[]] {
        // Who is on the same processor does not look at all.
        let place = |at: usize| {
            [
                words,
                &cpus
                    .get(at)
                    .map(String::as_str)
                    .into_iter()
                    .collect::<Vec<_>>()[..],
            ]
            .concat()
        };
        let mut server = peer("gears-server", &path, &place(0), None, None);
        let mut client = peer("gears-client", &path, &place(1), None, None);
        let _warm = switches(&mut client);
        server.stop();
        let used: i64 = client.query(&format!("late {SECONDS}")).parse().unwrap();
        server.signal(Signal::SIGCONT);
        assert!(used < SECONDS * 100, "{used} ms of {SECONDS} s: {words:?}");
        assert!(server.finish().success());
    }
}

/// A control group of the test's own, with a processor's time for all that is in it.
struct Group(PathBuf);

impl Group {
    /// Under the group of this process, in the hierarchy that limits processor time here. An error says why not.
    fn with_one_processor() -> Result<Self, String> {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap();
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let mounted = |wanted: &dyn Fn(&str, &str) -> bool| {
            mounts.lines().find_map(|line| {
                let mut words = line.split(' ').skip(1);
                let (place, kind, options) = (words.next()?, words.next()?, words.next()?);
                wanted(kind, options).then(|| place.to_owned())
            })
        };
        let place_of = |line: &str| line.splitn(3, ':').nth(2).map(str::to_owned);
        let names_cpu = |options: &str| options.split(',').any(|option| option == "cpu");
        let first = own.lines().find(|line| {
            let controllers = line.split(':').nth(1);
            controllers.is_some_and(names_cpu)
        });
        let (mount, line) = match first {
            Some(line) => (
                mounted(&|kind, options| kind == "cgroup" && names_cpu(options)),
                Some(line),
            ),
            None => (
                mounted(&|kind, _| kind == "cgroup2"),
                own.lines().find(|line| line.starts_with("0::")),
            ),
        };
        let mount = PathBuf::from(mount.ok_or("no hierarchy of control groups is mounted")?);
        let own = line.and_then(place_of).ok_or("in no control group")?;
        let limits: &[_] = if first.is_some() {
            &[
                ("cpu.cfs_period_us", "100000"),
                ("cpu.cfs_quota_us", "100000"),
            ]
        } else {
            &[("cpu.max", "100000 100000")]
        };
        // Not each group shares out processor time among those in it; what another does is not for a test to change.
        let mut why = String::new();
        for above in Path::new(own.trim_start_matches('/')).ancestors() {
            match Self::within(&mount.join(above), limits) {
                Ok(group) => return Ok(group),
                Err(error) => why += &error,
            }
        }
        Err(why)
    }

    fn within(above: &Path, limits: &[(&str, &str)]) -> Result<Self, String> {
        let group = above.join(format!("doors-test-{}", std::process::id()));
        fs::create_dir(&group).map_err(|error| format!("{}: {error}; ", group.display()))?;
        let group = Self(group);
        for (file, text) in limits {
            group.write(file, text)?;
        }
        Ok(group)
    }

    fn write(&self, file: &str, text: &str) -> Result<(), String> {
        let path = self.0.join(file);
        fs::write(&path, text).map_err(|error| format!("{}: {error}; ", path.display()))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Its processes were reaped before.
        let _gone = fs::remove_dir(&self.0);
    }
}

#[test]
fn with_a_quota_of_one_processor_neither_side_looks() {
    let _watchdog = Watchdog::new("with_a_quota_of_one_processor_neither_side_looks");
    if has_one_processor() {
        return;
    }
    let group = match Group::with_one_processor() {
        Ok(group) => group,
        Err(why) => {
            skipped(&format!("no control group can be made here: {why}"));
            return;
        }
    };
    let directory = Directory::new("quota");
    for words in [&[][..], &["spin"]] {
        // Without a quota both look.
        let path = directory.join("free");
        let _server = peer("gears-server", &path, words, None, None);
        let mut client = peer("gears-client", &path, words, None, None);
        until_looked(&mut client, |(ours, theirs)| looked(ours) && looked(theirs));
        let path = directory.join("short");
        let mut server = peer("gears-server", &path, words, None, Some(&group));
        let mut client = peer("gears-client", &path, words, None, Some(&group));
        for _ in 0..3 {
            let (ours, theirs) = switches(&mut client);
            assert!(
                slept(ours) && slept(theirs),
                "{ours} and {theirs} switches: {words:?}"
            );
        }
        assert!(client.finish().success() && server.finish().success());
    }
}
