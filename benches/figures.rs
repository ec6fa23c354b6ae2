//! Null-call latency of a door beside a unix stream socket's, in one run, with the limits that must hold.
//!
//! `figures` prints a table and exits with 1 if a limit is missed. Rounds are interleaved; medians of the rounds are
//! compared, their minimum and maximum shown.
#![expect(clippy::print_stdout, reason = "the output is the result")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement that cannot run ends"
)]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use doors::{Door, DoorAttributes};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

const ROUNDS: usize = 7;
const CALLS: usize = 20_000;
const BYTES: usize = 8;
/// How many servers are killed.
const DEATHS: usize = 50;
/// The data of a call that never returns.
const HANG: &[u8] = b"hang";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).map(String::as_str) == Some("--serve") {
        serve(&arguments[2], &arguments[3]);
        return ExitCode::SUCCESS;
    }
    header();
    let unpinned = compare("unpinned", None);
    let pinned = compare("one CPU", Some(0));
    let death = deaths();
    let mut sound = true;
    println!("\n{:<44} {:>10} {:>10}", "limit", "measured", "");
    sound &= limit("null call unpinned, p50 (us)", unpinned.door.p50, 2.0);
    sound &= limit(
        "null call on one CPU, p50 / unix stream",
        pinned.door.p50 / pinned.stream.p50,
        1.0,
    );
    sound &= limit(
        "SIGKILL of the server to the caller's error, longest (ms)",
        death,
        50.0,
    );
    if sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Where and when.
fn header() {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or_default();
    let model = model.trim_start_matches([' ', '\t', ':']);
    let count = std::thread::available_parallelism().map_or(0, usize::from);
    let date = Command::new("date")
        .arg("-u")
        .arg("+%F")
        .output()
        .unwrap()
        .stdout;
    println!(
        "{} · {count} CPUs, {model} · Linux {}",
        String::from_utf8_lossy(&date).trim(),
        read("/proc/sys/kernel/osrelease").trim()
    );
    println!(
        "{ROUNDS} rounds of {CALLS} calls with {BYTES} bytes each way, interleaved; medians (min-max)\n"
    );
}

/// Kills servers in the middle of a call that sleeps; the longest time until the caller has its error, in ms.
fn deaths() -> f64 {
    let mut times = Vec::new();
    for _ in 0..DEATHS {
        let (mut server, directory) = start();
        let door = Door::open(directory.join("door")).unwrap();
        door.call(&[0; BYTES], vec![]).unwrap();
        door.call(&[0; BYTES], vec![]).unwrap();
        let caller = std::thread::spawn(move || {
            door.call(HANG, vec![]).unwrap_err();
            Instant::now()
        });
        let mut begun = [0];
        server
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut begun)
            .unwrap();
        // Long enough for the caller to have fallen asleep.
        std::thread::sleep(Duration::from_millis(5));
        let killed = Instant::now();
        server.kill().unwrap();
        times.push(caller.join().unwrap().saturating_duration_since(killed));
        server.wait().unwrap();
        std::fs::remove_dir_all(&directory).unwrap();
    }
    times.sort_unstable();
    let millis = |at: usize| times[at].as_secs_f64() * 1e3;
    println!(
        "death      caller   p50 {:>8.3} ms   longest of {DEATHS} {:.3} ms",
        millis(DEATHS / 2),
        millis(DEATHS - 1)
    );
    millis(DEATHS - 1)
}

fn limit(what: &str, measured: f64, limit: f64) -> bool {
    let held = measured <= limit;
    println!(
        "{what:<44} {measured:>10.3} <= {limit} {}",
        if held { "held" } else { "MISSED" }
    );
    held
}

#[derive(Clone, Copy, Debug)]
struct Latency {
    p50: f64,
    p99: f64,
}

#[derive(Debug)]
struct Pair {
    door: Latency,
    stream: Latency,
}

/// A server process of doors and of streams, and the directory of its names.
fn start() -> (Child, PathBuf) {
    let directory =
        nix::unistd::mkdtemp(&std::env::temp_dir().join("doors-figures-XXXXXX")).unwrap();
    let mut server = Command::new(std::env::current_exe().unwrap())
        .arg("--serve")
        .args([directory.join("door"), directory.join("stream")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = [0];
    server
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut ready)
        .unwrap();
    (server, directory)
}

fn compare(name: &str, cpu: Option<usize>) -> Pair {
    let (mut server, directory) = start();
    pin(&server, cpu);
    let door = Door::open(directory.join("door")).unwrap();
    let mut stream = UnixStream::connect(directory.join("stream")).unwrap();
    let (mut doors, mut streams) = (Vec::new(), Vec::new());
    let mut results = Vec::with_capacity(64);
    door.call(&[0; BYTES], vec![]).unwrap();
    for _ in 0..ROUNDS {
        doors.push(measure(|| {
            results.clear();
            door.call_into(&[1; BYTES], Vec::new(), None, &mut results)
                .unwrap();
        }));
        streams.push(measure(|| {
            let mut bytes = [1; BYTES];
            stream.write_all(&bytes).unwrap();
            stream.read_exact(&mut bytes).unwrap();
        }));
    }
    drop(server.stdin.take());
    server.kill().unwrap();
    server.wait().unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
    let pair = Pair {
        door: summary(name, "door", &doors),
        stream: summary(name, "stream", &streams),
    };
    println!(
        "{name:<10} ratio p50 {:.3}  p99 {:.3}",
        pair.door.p50 / pair.stream.p50,
        pair.door.p99 / pair.stream.p99
    );
    pair
}

/// Both processes on one processor, or wherever the scheduler likes.
fn pin(server: &Child, cpu: Option<usize>) {
    let mut set = CpuSet::new();
    for one in 0..CpuSet::count() {
        if cpu.is_none_or(|only| only == one) {
            set.set(one).unwrap();
        }
    }
    let pid = i32::try_from(server.id()).unwrap();
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .flatten()
    {
        let thread = task.file_name().to_string_lossy().parse().unwrap();
        sched_setaffinity(Pid::from_raw(thread), &set).unwrap();
    }
    sched_setaffinity(Pid::from_raw(0), &set).unwrap();
}

fn measure(mut call: impl FnMut()) -> Latency {
    let mut times: Vec<u64> = (0..CALLS)
        .map(|_| {
            let start = Instant::now();
            call();
            u64::try_from(start.elapsed().as_nanos()).unwrap()
        })
        .collect();
    times.sort_unstable();
    let micros = |at: usize| Duration::from_nanos(times[at]).as_secs_f64() * 1e6;
    Latency {
        p50: micros(CALLS / 2),
        p99: micros(CALLS / 100 * 99),
    }
}

fn summary(name: &str, what: &str, rounds: &[Latency]) -> Latency {
    let column = |pick: fn(&Latency) -> f64| {
        let mut values: Vec<f64> = rounds.iter().map(pick).collect();
        values.sort_unstable_by(f64::total_cmp);
        values
    };
    let (p50, p99) = (column(|l| l.p50), column(|l| l.p99));
    let last = rounds.len().saturating_sub(1);
    println!(
        "{name:<10} {what:<8} p50 {:>8.3} us ({:.3}-{:.3})   p99 {:>8.3} us ({:.3}-{:.3})",
        p50[last / 2],
        p50[0],
        p50[last],
        p99[last / 2],
        p99[0],
        p99[last]
    );
    Latency {
        p50: p50[last / 2],
        p99: p99[last / 2],
    }
}

/// The server process: a door that echoes, and a unix stream that echoes.
fn serve(door_path: &str, stream_path: &str) {
    let door = Door::create(
        |call| {
            let data = call.data();
            if data == HANG {
                std::io::stdout().write_all(b"h").unwrap();
                std::io::stdout().flush().unwrap();
                loop {
                    std::thread::park();
                }
            }
            call.door_return(data, vec![])
        },
        DoorAttributes::empty(),
    )
    .unwrap();
    door.attach(door_path, 0o600).unwrap().keep();
    let listener = std::os::unix::net::UnixListener::bind(stream_path).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut bytes = [0; BYTES];
            while stream.read_exact(&mut bytes).is_ok() {
                stream.write_all(&bytes).unwrap();
            }
        }
    });
    std::io::stdout().write_all(b"r").unwrap();
    std::io::stdout().flush().unwrap();
    let _end = std::io::stdin().read(&mut [0]);
}
