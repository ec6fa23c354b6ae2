//! What can be said on the command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use doors_bench::{WORKS, Work};

const STATUSES: &str = "\
Exit status:
  0  done
  1  failed; nothing was executed in a server (of `demo`: a step did not hold)
  2  the command line is wrong
  3  the call may have been executed: the deadline passed, or the server died meanwhile
  4  there is no door, or no server behind its name
  5  not permitted: by the mode of the name, or by the server's policy
  6  the call was executed and failed: the server's command did, or its answer was lost

Environment:
  DOORS_WAITING  how this process waits, as a server and as a caller: auto,
                 spin, handoff or block; holds for every program with doors

Start with:
  doors demo";

/// Procedure calls between the processes of this host.
#[derive(Debug, Parser)]
#[command(name = "doors", version, after_help = STATUSES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Demo(Demo),
    Serve(Serve),
    Call(Call),
    Info(Info),
    Ls(Ls),
    Top(Top),
    Bench(Bench),
    /// The server process of the demonstration.
    #[command(hide = true)]
    DemoServer {
        directory: PathBuf,
    },
    #[command(hide = true)]
    DemoClient(DemoClient),
    /// A process of a measurement; the name is `doors_bench::ROLE`.
    #[command(hide = true)]
    BenchRole {
        arguments: Vec<OsString>,
    },
}

/// Show what doors do, between real processes, step by step.
///
/// Starts a server and client processes, calls, passes descriptors of each
/// FILE, kills both sides, and measures. Each step says what was done and what
/// was seen; the exit status is 0 only if every step held. Nothing is left
/// behind.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  doors demo
  doors demo /etc/passwd /bin/sh
  sudo doors demo            also shows how another user is refused"
)]
pub(crate) struct Demo {
    /// Regular files whose descriptors are handed over [default: this program's own].
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

/// Serve a door with a command: each call runs it.
///
/// The data of a call are the command's standard input, its standard output is
/// the answer. Descriptors that come with a call are its descriptors 3, 4, ...
/// (`DOORS_FDS` says how many). Who calls, by the kernel's word, is in
/// `DOORS_CALLER_UID`, `DOORS_CALLER_GID` and `DOORS_CALLER_PID`, unless the
/// caller is of another namespace.
///
/// A command that fails answers with what it has written and a failure, which
/// `doors call` shows. If the caller gives up or dies, the command's process
/// group gets SIGTERM, after 2 s SIGKILL. What the command leaves running in
/// its process group ends with it.
///
/// SIGTERM or SIGINT removes the name and lets running commands finish.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  doors serve /tmp/upper -- tr a-z A-Z
  doors serve /tmp/count --mode 666 --max 2 -- sh -c 'wc -c <&3'
  systemd-socket-activate --seqpacket -l /tmp/date doors serve - -- date

Exit status: 0 after SIGTERM or SIGINT; 1, 2, 5 as in `doors --help`"
)]
pub(crate) struct Serve {
    /// The name of the door, or `-` for the listening sockets that `LISTEN_FDS` announces.
    pub(crate) path: PathBuf,
    /// Who may open the name, in octal; the write bits decide.
    #[arg(long, value_name = "MODE", default_value = "600", value_parser = mode)]
    pub(crate) mode: u32,
    /// Commands that run at once; further calls wait, and run nothing if their deadline passes.
    #[arg(long, value_name = "N", default_value = "8", value_parser = at_least_one)]
    pub(crate) max: usize,
    /// The longest answer; a command that writes more is ended.
    #[arg(long, value_name = "BYTES", default_value = "67108864", value_parser = bytes)]
    pub(crate) answer_max: usize,
    /// How long running commands may go on after SIGTERM or SIGINT; a second signal ends them at once.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub(crate) grace: Duration,
    /// The command with its arguments.
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

/// Call a door and write its answer to standard output.
///
/// A door of an interface is called by the name of a METHOD, with ARGUMENTS in
/// JSON: an object with their names, or an array. The result is printed in JSON.
/// A descriptor is "@PATH": a file that is opened for reading, or a door's name.
/// `doors info` shows the methods.
///
/// A door of bytes is called without a METHOD. Without --data or --file the data
/// are read from standard input. Descriptors that come back are named on standard
/// error.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  doors call /tmp/store put '[\"a\", 3]'
  doors call /tmp/store sum
  doors call /tmp/upper --data hello
  doors call /tmp/upper --file /etc/hostname --deadline 500
  doors call /tmp/count --data '' --fd /etc/passwd
  date | doors call /tmp/upper

Exit status: 0 answered, 1 not executed, 3 may have been executed, 4 no door,
5 not permitted, 6 executed and failed; see `doors --help`"
)]
pub(crate) struct Call {
    /// The name of the door.
    pub(crate) path: PathBuf,
    /// The method to call.
    #[arg(conflicts_with_all = ["data", "file", "fd"])]
    pub(crate) method: Option<String>,
    /// Its arguments in JSON [default: none].
    pub(crate) arguments: Option<String>,
    /// The data themselves.
    #[arg(long, value_name = "STR", conflicts_with = "file")]
    pub(crate) data: Option<OsString>,
    /// A file with the data.
    #[arg(long, value_name = "F")]
    pub(crate) file: Option<PathBuf>,
    /// Pass a descriptor of F, opened for reading: a file, a door's name, or `-` for standard input itself. May be
    /// given often.
    #[arg(long, value_name = "F")]
    pub(crate) fd: Vec<PathBuf>,
    /// Give up after so many milliseconds [default: never].
    #[arg(long, value_name = "MS", value_parser = millis)]
    pub(crate) deadline: Option<u64>,
}

/// Show what a door tells about itself.
///
/// Its server, attributes and limits, its counters, and how long each call that
/// runs has been running: the oldest 64 of more; and its methods, if it has an
/// interface. This look is a reference, too, but no call, except for the one that
/// asks for the interface.
///
/// In JSON, names that end in `_us` are microseconds, class n of `histogram`
/// counts calls below 2^(n+1) us in the server procedure (one call in 64 is
/// timed), and what is unknown or has no limit is null.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  doors info /tmp/upper
  doors info /tmp/upper --json | jq .ages_us

Exit status: 0 told, 1 its server does not answer, 4 no door, 5 not permitted"
)]
pub(crate) struct Info {
    /// The name of the door.
    pub(crate) path: PathBuf,
    /// As one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// List the live doors of this host.
///
/// Doors have names in the file system; those of the same network namespace
/// are found. A door that this user may not open, or whose server does not
/// answer, is listed with that remark. PID and UID are the server's. In JSON,
/// what is unknown or has no limit is null.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  doors ls
  doors ls --json | jq '.[] | select(.calls > 0) | .path'

Exit status: 0 also without any door; a door that tells nothing has a remark"
)]
pub(crate) struct Ls {
    /// As one JSON array.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Watch the live doors of this host.
///
/// Busiest first: calls per second, calls that run now and the age of the
/// oldest, and the 99th percentile of the time in the server procedure (of the
/// calls of the interval if some were timed, one in 64 is; else of all).
/// Ends with ^C.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  doors top
  doors top --interval 0.5 --rows 40
  doors top --once | head -n 5"
)]
pub(crate) struct Top {
    /// Print one table, of one interval, and end.
    #[arg(long)]
    pub(crate) once: bool,
    /// Seconds between two looks.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    pub(crate) interval: Duration,
    /// Doors shown at most.
    #[arg(long, value_name = "N", default_value = "20", value_parser = rows)]
    pub(crate) rows: usize,
}

/// Measure doors beside other ways to call another process.
///
/// Each measurement has two processes. Peers take turns within a round, so that
/// what disturbs the machine disturbs all of them; tables show medians of the
/// rounds with the smallest and the largest, and the processor time per call of
/// both sides. Everything takes some 25 minutes; nothing else should be running
/// then.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment, after_help = works_and_examples())]
pub(crate) struct Bench {
    /// What is measured [default: everything].
    #[arg(value_name = "WORK", value_parser = work)]
    pub(crate) works: Vec<&'static Work>,
    /// A quick look, in a minute: no figures to rely on.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Write an array with one object for each line of the tables; `-` for standard output, instead of the tables.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write a page with plots, which needs nothing else.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

/// A client process of the demonstration.
#[derive(Debug, Args)]
pub(crate) struct DemoClient {
    pub(crate) directory: PathBuf,
    /// Become this user first.
    #[arg(long)]
    pub(crate) uid: Option<u32>,
    pub(crate) files: Vec<PathBuf>,
}

/// What can be measured, and how to ask for it.
fn works_and_examples() -> String {
    let works = WORKS
        .iter()
        .map(|work| format!("  {:<9}{}\n", work.name, work.about));
    format!(
        "Works:\n{}\n\
Examples:
  doors bench --quick
  doors bench null echo --html latency.html
  doors bench mt --json - | jq '.[] | [.peer, .threads, .calls_per_s]'",
        works.collect::<String>()
    )
}

fn work(text: &str) -> Result<&'static Work, String> {
    doors_bench::find(text).ok_or_else(|| {
        let names: Vec<&str> = WORKS.iter().map(|work| work.name).collect();
        format!("one of {} is wanted", names.join(", "))
    })
}

fn mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err("octal digits up to 777 are wanted".into()),
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("a number from 1 on is wanted".into()),
    }
}

fn bytes(text: &str) -> Result<usize, String> {
    number(text, "bytes")
}

fn millis(text: &str) -> Result<u64, String> {
    number(text, "milliseconds")
}

fn rows(text: &str) -> Result<usize, String> {
    number(text, "rows")
}

/// The standard library's own words would be about digits.
fn number<T: FromStr>(text: &str, of: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("a number of {of} is wanted"))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = text.parse().ok().filter(|seconds| *seconds <= 1e6);
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "a number of seconds is wanted, 0.5 for example".into())
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = seconds(text)?;
    if interval < Duration::from_millis(50) {
        return Err("at least 0.05 s are wanted".into());
    }
    Ok(interval)
}
