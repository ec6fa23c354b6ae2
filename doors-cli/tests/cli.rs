//! The `doors` command as its users see it: what it prints, and its exit status.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on ends"
)]

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::{Duration, Instant};

use command_fds::{CommandFdExt, FdMapping};
use harness::{Directory, Watchdog};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, geteuid, mkfifo};
use serde_json::Value;

const DOORS: &str = env!("CARGO_BIN_EXE_doors");
const NOBODY: u32 = 65_534;

fn doors<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    let mut command = Command::new(DOORS);
    command.args(arguments).stdin(Stdio::null());
    command.output().unwrap()
}

/// A call with data; its output must be read by the test.
fn call(path: &Path, data: &str, more: &[&str]) -> Output {
    doors(
        [
            OsStr::new("call"),
            path.as_os_str(),
            "--data".as_ref(),
            data.as_ref(),
        ]
        .into_iter()
        .chain(more.iter().map(OsStr::new)),
    )
}

/// A call that goes on while the test does something else.
fn start_call(path: &Path, data: &str) -> Child {
    Command::new(DOORS)
        .arg("call")
        .arg(path)
        .args(["--data", data])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The only line on standard error.
fn line(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(
        text.lines().count(),
        1,
        "more or less than one line: {text}"
    );
    text.trim_end().to_owned()
}

fn status(output: &Output) -> i32 {
    output
        .status
        .code()
        .unwrap_or_else(|| panic!("ended by a signal: {output:?}"))
}

/// Waits for what another process does.
fn eventually(what: &str, held: impl Fn() -> bool) {
    let until = Instant::now().checked_add(Duration::from_secs(30)).unwrap();
    while !held() {
        assert!(Instant::now() < until, "{what} did not come true");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

/// A `doors serve`, killed when dropped.
struct Server {
    child: Child,
    log: BufReader<ChildStderr>,
}

impl Server {
    fn start(path: &Path, options: &[&str], command: &[&str]) -> Self {
        let mut server = Command::new(DOORS);
        server
            .arg("serve")
            .arg(path)
            .args(options)
            .arg("--")
            .args(command);
        Self::of(server)
    }

    fn of(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut ready = String::new();
        log.read_line(&mut ready).unwrap();
        assert!(ready.contains(" serves "), "{ready}");
        Self { child, log }
    }

    /// Waits for its end; what it has logged since it was ready.
    fn end(mut self) -> (Option<i32>, String) {
        let mut log = String::new();
        self.log.read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A pipe with a name: whoever reads it waits until the test opens it.
fn gate(directory: &Directory) -> PathBuf {
    let gate = directory.join("gate");
    mkfifo(&gate, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    gate
}

/// A directory that another user can look into.
fn open_directory(name: &str) -> Directory {
    let directory = Directory::new(name);
    fs::set_permissions(directory.path(), Permissions::from_mode(0o711)).unwrap();
    directory
}

#[test]
fn the_demonstration_holds_and_leaves_nothing_behind() {
    let _watchdog = Watchdog::new("the_demonstration_holds_and_leaves_nothing_behind");
    let (files, temporary) = (Directory::new("demo"), open_directory("demo-tmp"));
    let (abc, empty) = (files.join("abc"), files.join("empty"));
    fs::write(&abc, "abc").unwrap();
    fs::write(&empty, "").unwrap();
    let mut demo = Command::new(DOORS);
    let shown = demo
        .arg("demo")
        .args([&abc, &empty])
        .env("TMPDIR", temporary.path())
        .output()
        .unwrap();
    let text = out(&shown);
    assert_eq!(status(&shown), 0, "{shown:?}");
    assert!(!text.contains("DID NOT HOLD"), "{text}");
    // FIPS 180-2, appendix B.1, and the digest of nothing.
    assert!(
        text.contains("3 bytes") && text.contains("0 bytes"),
        "{text}"
    );
    assert!(
        text.contains("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        "{text}"
    );
    assert!(
        text.contains("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        "{text}"
    );
    let steps = text
        .lines()
        .filter(|line| line.get(2..4) == Some(". "))
        .count();
    assert_eq!(steps, 10, "{text}");
    if geteuid().is_root() {
        assert!(text.contains("10 steps held;"), "{text}");
    } else {
        assert!(text.contains("9 steps held, 1 skipped;"), "{text}");
        assert!(text.contains("skipped: only root"), "{text}");
    }
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
    for pid in started(&text) {
        assert!(!alive(&pid), "process {pid} is left");
    }
}

/// The processes that a demonstration says it has started.
fn started(text: &str) -> Vec<String> {
    let tails = text.split("started process ").skip(1);
    tails
        .map(|tail| tail.chars().take_while(char::is_ascii_digit).collect())
        .collect()
}

fn alive(pid: &str) -> bool {
    // A zombie of which somebody else is the parent is gone for our purpose.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ")
        .next()
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['Z', 'X']))
}

#[test]
fn an_interrupted_demonstration_leaves_nothing_behind() {
    let _watchdog = Watchdog::new("an_interrupted_demonstration_leaves_nothing_behind");
    let (files, temporary) = (Directory::new("demo"), Directory::new("demo-tmp"));
    // So long that it is being read when the signal comes.
    let long = files.join("long");
    File::create(&long).unwrap().set_len(1 << 40).unwrap();
    let mut demo = Command::new(DOORS)
        .arg("demo")
        .arg(&long)
        .env("TMPDIR", temporary.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut seen = String::new();
    let mut output = BufReader::new(demo.stdout.take().unwrap());
    while !seen.contains(" 4. ") {
        assert_ne!(output.read_line(&mut seen).unwrap(), 0, "{seen}");
    }
    signal(&demo, Signal::SIGTERM);
    assert_eq!(demo.wait().unwrap().code(), Some(143));
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
    let pids = started(&seen);
    assert_eq!(pids.len(), 2, "{seen}");
    for pid in pids {
        eventually("the end of a process of the demonstration", || !alive(&pid));
    }
}

#[test]
fn a_demonstration_without_its_file_says_so_in_one_line() {
    let shown = doors(["demo", "/no/such/file"]);
    assert_eq!(status(&shown), 1);
    assert_eq!(
        line(&shown),
        "doors: cannot open /no/such/file: No such file or directory (os error 2)"
    );
    let shown = doors(["demo", "/"]);
    assert_eq!(status(&shown), 1);
    assert_eq!(
        line(&shown),
        "doors: / is not a regular file; give one that is"
    );
}

#[test]
fn each_call_runs_the_command() {
    let _watchdog = Watchdog::new("each_call_runs_the_command");
    let directory = Directory::new("serve");
    let path = directory.join("upper");
    let _server = Server::start(&path, &[], &["tr", "a-z", "A-Z"]);
    let answered = call(&path, "hello", &[]);
    assert_eq!((status(&answered), out(&answered).as_str()), (0, "HELLO"));
    // From a file, and more than a pipe holds.
    let file = directory.join("data");
    fs::write(&file, "many words ".repeat(100_000)).unwrap();
    let answered = doors(["call", text(&path), "--file", text(&file)]);
    assert_eq!(status(&answered), 0);
    assert_eq!(out(&answered), "MANY WORDS ".repeat(100_000));
    // From standard input.
    let mut caller = Command::new(DOORS)
        .args(["call", text(&path)])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    caller.stdin.take().unwrap().write_all(b"typed").unwrap();
    let answered = caller.wait_with_output().unwrap();
    assert_eq!((status(&answered), out(&answered).as_str()), (0, "TYPED"));
    assert_eq!(call(&path, "", &[]).stdout, b"");
}

#[test]
fn descriptors_of_a_call_are_those_of_the_command_from_3_on() {
    let _watchdog = Watchdog::new("descriptors_of_a_call_are_those_of_the_command_from_3_on");
    let directory = Directory::new("fds");
    let (path, other) = (directory.join("door"), directory.join("other"));
    let script = "cat <&3; cat <&4; readlink /proc/self/fd/5; echo $DOORS_FDS $DOORS_CALLER_UID $DOORS_CALLER_PID";
    let _server = Server::start(&path, &[], &["sh", "-c", script]);
    let _other = Server::start(&other, &[], &["true"]);
    let (one, two) = (directory.join("one"), directory.join("two"));
    fs::write(&one, "first\n").unwrap();
    fs::write(&two, "second\n").unwrap();
    let caller = Command::new(DOORS)
        .args([
            "call",
            text(&path),
            "--data",
            "",
            "--fd",
            text(&one),
            "--fd",
            "-",
            "--fd",
            text(&other),
        ])
        .stdin(File::open(&two).unwrap())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = caller.id();
    let answered = caller.wait_with_output().unwrap();
    assert_eq!(status(&answered), 0);
    let text = out(&answered);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..2], ["first", "second"]);
    assert!(lines[2].starts_with("socket:"), "{text}");
    assert_eq!(lines[3], format!("3 {} {pid}", geteuid()));
    // Without descriptors there is no number 3 in the command.
    let failed = call(&path, "", &[]);
    assert_eq!(status(&failed), 0, "the script's last command succeeds");
    assert_eq!(
        out(&failed).lines().last().unwrap().split(' ').next(),
        Some("0")
    );
}

#[test]
fn a_command_that_fails_fails_the_call() {
    let _watchdog = Watchdog::new("a_command_that_fails_fails_the_call");
    let directory = Directory::new("fail");
    let path = directory.join("door");
    let server = Server::start(&path, &[], &["sh", "-c", "echo half; echo why >&2; exit 7"]);
    let failed = call(&path, "", &[]);
    assert_eq!(status(&failed), 6);
    assert_eq!(out(&failed), "half\n");
    let said = String::from_utf8(failed.stderr.clone()).unwrap();
    let expected = format!(
        "why\ndoors: call on {} failed: the command ended with exit status: 7\n",
        path.display()
    );
    assert_eq!(said, expected);
    signal(&server.child, Signal::SIGTERM);
    let (code, log) = server.end();
    assert_eq!(code, Some(0));
    assert_eq!(
        log,
        "why\ndoors serve: the command ended with exit status: 7\n"
    );
}

#[test]
fn an_endless_answer_is_cut_off() {
    let _watchdog = Watchdog::new("an_endless_answer_is_cut_off");
    let directory = Directory::new("endless");
    let path = directory.join("door");
    let _server = Server::start(&path, &["--answer-max", "100000"], &["yes"]);
    let failed = call(&path, "", &[]);
    assert_eq!(status(&failed), 6);
    assert!(line(&failed).ends_with("the command wrote more than 100000 bytes"));
    assert!(failed.stdout.len() <= 100_000);
}

#[test]
fn what_a_command_leaves_running_does_not_keep_the_caller() {
    let _watchdog = Watchdog::new("what_a_command_leaves_running_does_not_keep_the_caller");
    let directory = Directory::new("left");
    let (path, pid) = (directory.join("door"), directory.join("pid"));
    // It holds the standard output open.
    let script = "sleep 1000 & echo $! > \"$0\"; echo done";
    let _server = Server::start(&path, &[], &["sh", "-c", script, text(&pid)]);
    let answered = call(&path, "", &[]);
    assert_eq!((status(&answered), out(&answered).as_str()), (0, "done\n"));
    let left = fs::read_to_string(&pid).unwrap();
    eventually("the end of what was left", || !alive(left.trim()));
}

#[test]
fn a_caller_that_dies_or_gives_up_takes_its_command_along() {
    let _watchdog = Watchdog::new("a_caller_that_dies_or_gives_up_takes_its_command_along");
    let directory = Directory::new("cancel");
    let path = directory.join("door");
    let script = "echo $$ > \"$(cat)\"; sleep 1000";
    let _server = Server::start(&path, &[], &["sh", "-c", script]);
    let running = |pid: &Path| {
        let file = pid.to_owned();
        eventually("the command's start", || {
            fs::read_to_string(&file).is_ok_and(|pid| pid.ends_with('\n'))
        });
        fs::read_to_string(pid).unwrap().trim().to_owned()
    };
    let first = directory.join("first");
    let mut caller = start_call(&path, text(&first));
    let pid = running(&first);
    assert!(alive(&pid));
    caller.kill().unwrap();
    caller.wait().unwrap();
    eventually("the end of the dead caller's command", || !alive(&pid));

    let second = directory.join("second");
    let late = call(&path, text(&second), &["--deadline", "1500"]);
    assert_eq!(status(&late), 3, "{late:?}");
    assert!(line(&late).contains("may have been executed"));
    let pid = running(&second);
    eventually("the end of the late command", || !alive(&pid));
}

#[test]
fn calls_beyond_the_limit_wait_and_run_nothing_when_their_deadline_passes() {
    let _watchdog =
        Watchdog::new("calls_beyond_the_limit_wait_and_run_nothing_when_their_deadline_passes");
    let directory = Directory::new("limit");
    let (path, gate, ran) = (
        directory.join("door"),
        gate(&directory),
        directory.join("ran"),
    );
    let script = "echo run >> \"$0\"; cat \"$1\"";
    let _server = Server::start(
        &path,
        &["--max", "1"],
        &["sh", "-c", script, text(&ran), text(&gate)],
    );
    let first = start_call(&path, "");
    eventually("the first command's start", || ran.exists());
    let second = call(&path, "", &["--deadline", "300"]);
    assert_eq!(status(&second), 1, "{second:?}");
    assert!(line(&second).ends_with("nothing was executed"));
    fs::write(&gate, "through").unwrap();
    let first = first.wait_with_output().unwrap();
    assert_eq!((status(&first), out(&first).as_str()), (0, "through"));
    assert_eq!(fs::read_to_string(&ran).unwrap(), "run\n");
}

#[test]
fn a_server_that_is_told_to_end_removes_its_name_and_finishes() {
    let _watchdog = Watchdog::new("a_server_that_is_told_to_end_removes_its_name_and_finishes");
    for sign in [Signal::SIGTERM, Signal::SIGINT] {
        let directory = Directory::new("end");
        let (path, gate, ran) = (
            directory.join("door"),
            gate(&directory),
            directory.join("ran"),
        );
        let script = "echo run >> \"$0\"; cat \"$1\"";
        let server = Server::start(
            &path,
            &["--grace", "60"],
            &["sh", "-c", script, text(&ran), text(&gate)],
        );
        let running = start_call(&path, "");
        eventually("the command's start", || ran.exists());
        signal(&server.child, sign);
        eventually("the end of the name", || !path.exists());
        let refused = call(&path, "", &[]);
        assert_eq!(status(&refused), 4);
        fs::write(&gate, "finished").unwrap();
        let running = running.wait_with_output().unwrap();
        assert_eq!((status(&running), out(&running).as_str()), (0, "finished"));
        assert_eq!(server.end().0, Some(0));
    }
}

#[test]
fn a_server_ends_its_commands_after_the_grace() {
    let _watchdog = Watchdog::new("a_server_ends_its_commands_after_the_grace");
    let directory = Directory::new("grace");
    let (path, ran) = (directory.join("door"), directory.join("ran"));
    let script = "echo $$ >> \"$0\"; sleep 1000";
    let server = Server::start(
        &path,
        &["--grace", "0.1"],
        &["sh", "-c", script, text(&ran)],
    );
    let running = start_call(&path, "");
    eventually("the command's start", || {
        fs::read_to_string(&ran).is_ok_and(|pid| pid.ends_with('\n'))
    });
    signal(&server.child, Signal::SIGTERM);
    let running = running.wait_with_output().unwrap();
    assert_eq!(status(&running), 6, "{running:?}");
    assert!(line(&running).ends_with("the server ends; the command was ended"));
    assert_eq!(server.end().0, Some(0));
    assert!(!alive(fs::read_to_string(&ran).unwrap().trim()));
}

#[test]
fn a_passed_listener_is_served_and_left() {
    let _watchdog = Watchdog::new("a_passed_listener_is_served_and_left");
    let directory = Directory::new("activated");
    let path = directory.join("door");
    let listener: OwnedFd = socket(
        AddressFamily::Unix,
        SockType::SeqPacket,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .unwrap();
    bind(
        std::os::fd::AsRawFd::as_raw_fd(&listener),
        &UnixAddr::new(&path).unwrap(),
    )
    .unwrap();
    listen(&listener, Backlog::new(16).unwrap()).unwrap();
    // Called before there is a server.
    let early = start_call(&path, "early");
    let mut command = Command::new("sh");
    // LISTEN_PID is what the process id is after the exec, too.
    command.args([
        "-c",
        "LISTEN_PID=$$ exec \"$0\" serve - -- sh -c 'echo \"$(cat)$LISTEN_FDS\"'",
        DOORS,
    ]);
    command.env("LISTEN_FDS", "1");
    let mapping = FdMapping {
        parent_fd: listener,
        child_fd: 3,
    };
    command.fd_mappings(vec![mapping]).unwrap();
    let server = Server::of(command);
    let early = early.wait_with_output().unwrap();
    assert_eq!(
        (status(&early), out(&early).as_str()),
        (0, "early\n"),
        "{early:?}"
    );
    let later = call(&path, "later", &[]);
    assert_eq!((status(&later), out(&later).as_str()), (0, "later\n"));
    signal(&server.child, Signal::SIGTERM);
    let (code, _) = server.end();
    assert_eq!(code, Some(0));
    let none = doors(["serve", "-", "--", "true"]);
    assert_eq!(status(&none), 1);
    assert!(line(&none).contains("LISTEN_FDS"));
}

#[test]
fn failures_have_a_line_and_a_number() {
    let _watchdog = Watchdog::new("failures_have_a_line_and_a_number");
    let directory = Directory::new("failures");
    let path = directory.join("door");
    let missing = call(&path, "", &[]);
    assert_eq!(status(&missing), 4);
    assert!(line(&missing).contains(&format!("no such name: {}", path.display())));
    let info = doors(["info", text(&path)]);
    assert_eq!(status(&info), 4);

    let file = directory.join("file");
    fs::write(&file, "").unwrap();
    let foreign = call(&file, "", &[]);
    assert_eq!(status(&foreign), 4);
    assert!(line(&foreign).contains("is not a door"));
    let foreign = doors(["serve", text(&file), "--", "true"]);
    assert_eq!(status(&foreign), 1);
    assert!(line(&foreign).contains("it was not touched"));

    for wrong in [
        vec!["call"],
        vec!["nonsense"],
        vec!["serve", text(&path), "--mode", "999", "--", "true"],
        vec!["serve", text(&path), "--max", "0", "--", "true"],
        vec!["serve", text(&path)],
        vec!["call", text(&path), "--data", "a", "--file", "b"],
        vec!["top", "--interval", "0"],
    ] {
        assert_eq!(status(&doors(&wrong)), 2, "{wrong:?}");
    }
    let program = doors(["serve", text(&path), "--", "no-such-program"]);
    assert_eq!(status(&program), 1);
    assert!(line(&program).contains("there is no such program"));
    assert!(!path.exists());

    let mut server = Server::start(&path, &[], &["true"]);
    let busy = doors(["serve", text(&path), "--", "true"]);
    assert_eq!(status(&busy), 1);
    assert!(line(&busy).contains("a live door is at"));
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    let dead = call(&path, "", &[]);
    assert_eq!(status(&dead), 4);
    assert!(line(&dead).contains("no server is behind the name"));
}

#[test]
fn help_tells_the_numbers_and_examples() {
    let help = out(&doors(["--help"]));
    for word in [
        "demo",
        "serve",
        "call",
        "info",
        "ls",
        "top",
        "Exit status:",
        "may have been executed",
    ] {
        assert!(help.contains(word), "{word} in {help}");
    }
    assert!(!help.contains("demo-server"), "{help}");
    for verb in ["demo", "serve", "call", "info", "ls", "top"] {
        let help = doors([verb, "--help"]);
        assert_eq!(status(&help), 0);
        assert!(
            out(&help).contains(&format!("Examples:\n  doors {verb}")),
            "{}",
            out(&help)
        );
    }
}

#[test]
fn a_door_is_seen_while_it_serves() {
    let _watchdog = Watchdog::new("a_door_is_seen_while_it_serves");
    let directory = Directory::new("seen");
    let path = fs::canonicalize(directory.path()).unwrap().join("door");
    let gate = gate(&directory);
    let server = Server::start(&path, &[], &["cat", text(&gate)]);
    let running = start_call(&path, "");
    let info = || -> Value {
        let told = doors(["info", text(&path), "--json"]);
        assert_eq!(status(&told), 0, "{told:?}");
        serde_json::from_slice(&told.stdout).unwrap()
    };
    eventually("a running call", || info()["active"] == 1);
    let told = info();
    assert_eq!(told["pid"], server.child.id());
    assert_eq!(told["uid"], geteuid().as_raw());
    assert_eq!(told["attributes"], serde_json::json!(["PRIVATE"]));
    eventually("an age of the running call", || {
        info()["oldest_call_us"].as_u64().unwrap() > 0
    });
    let people = out(&doors(["info", text(&path)]));
    assert!(people.contains("1 running"), "{people}");

    let listed = || -> Option<Value> {
        let all: Value = serde_json::from_slice(&doors(["ls", "--json"]).stdout).unwrap();
        let mine = |door: &&Value| door["path"] == text(&path);
        all.as_array().unwrap().iter().find(mine).cloned()
    };
    let entry = listed().unwrap();
    assert_eq!(entry["pid"], server.child.id());
    assert_eq!(entry["active"], 1);
    let table = out(&doors(["ls"]));
    let row = table
        .lines()
        .find(|line| line.starts_with(text(&path)))
        .unwrap();
    assert!(row.contains("PRIVATE"), "{table}");
    let top = out(&doors([
        "top",
        "--once",
        "--interval",
        "0.05",
        "--rows",
        "1000",
    ]));
    let row = top
        .lines()
        .find(|line| line.ends_with(text(&path)))
        .unwrap();
    let running_now = row.split_whitespace().nth(1);
    assert_eq!(running_now, Some("1"), "{top}");

    fs::write(&gate, "through").unwrap();
    assert_eq!(status(&running.wait_with_output().unwrap()), 0);
    eventually("the end of the call", || info()["active"] == 0);
    assert_eq!(info()["calls"], 1);
    drop(server);
    assert_eq!(listed(), None);
}

#[test]
fn a_watcher_whose_reader_goes_ends_quietly() {
    let _watchdog = Watchdog::new("a_watcher_whose_reader_goes_ends_quietly");
    let mut top = Command::new(DOORS)
        .args(["top", "--interval", "0.05"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = top.stdout.take().unwrap();
    output.read_exact(&mut [0]).unwrap();
    drop(output);
    let ended = top.wait_with_output().unwrap();
    assert_eq!(status(&ended), 0);
    assert_eq!(ended.stderr, b"");
}

#[test]
fn another_user_is_told_what_it_may_not_do() {
    let _watchdog = Watchdog::new("another_user_is_told_what_it_may_not_do");
    if !geteuid().is_root() {
        eprintln!("skipped: only root can become another user");
        return;
    }
    let directory = open_directory("permission");
    let path = fs::canonicalize(directory.path()).unwrap().join("door");
    // The built program may lie where that user cannot go.
    let program = directory.join("doors");
    fs::copy(DOORS, &program).unwrap();
    let _server = Server::start(&path, &[], &["true"]);
    let as_nobody = |arguments: &[&str]| {
        Command::new(&program)
            .args(arguments)
            .uid(NOBODY)
            .gid(NOBODY)
            .output()
            .unwrap()
    };
    let called = as_nobody(&["call", text(&path), "--data", ""]);
    assert_eq!(status(&called), 5, "{called:?}");
    assert!(line(&called).contains("permission denied"));
    let listed = as_nobody(&["ls", "--json"]);
    let all: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let mine = all
        .as_array()
        .unwrap()
        .iter()
        .find(|door| door["path"] == text(&path))
        .unwrap();
    assert_eq!(mine["remark"], "not permitted by its mode");
    assert_eq!(mine["uid"], 0);
}
