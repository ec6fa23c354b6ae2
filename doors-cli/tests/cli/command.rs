//! The `doors` command as the tests start it.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::{Duration, Instant};

use harness::Directory;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};

pub(crate) const DOORS: &str = env!("CARGO_BIN_EXE_doors");
pub(crate) const NOBODY: u32 = 65_534;

pub(crate) fn doors<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    let mut command = Command::new(DOORS);
    command.args(arguments).stdin(Stdio::null());
    command.output().unwrap()
}

/// A call with data; its output must be read by the test.
pub(crate) fn call(path: &Path, data: &str, more: &[&str]) -> Output {
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
pub(crate) fn start_call(path: &Path, data: &str) -> Child {
    Command::new(DOORS)
        .arg("call")
        .arg(path)
        .args(["--data", data])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

pub(crate) fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The only line on standard error.
pub(crate) fn line(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(
        text.lines().count(),
        1,
        "more or less than one line: {text}"
    );
    text.trim_end().to_owned()
}

pub(crate) fn status(output: &Output) -> i32 {
    output
        .status
        .code()
        .unwrap_or_else(|| panic!("ended by a signal: {output:?}"))
}

/// Waits for what another process does.
pub(crate) fn eventually(what: &str, held: impl Fn() -> bool) {
    let until = Instant::now().checked_add(Duration::from_secs(30)).unwrap();
    while !held() {
        assert!(Instant::now() < until, "{what} did not come true");
        // A pause between two looks.
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

/// A `doors serve`, killed when dropped.
pub(crate) struct Server {
    pub(crate) child: Child,
    log: BufReader<ChildStderr>,
}

impl Server {
    pub(crate) fn start(path: &Path, options: &[&str], command: &[&str]) -> Self {
        let mut server = Command::new(DOORS);
        server
            .arg("serve")
            .arg(path)
            .args(options)
            .arg("--")
            .args(command);
        Self::of(server)
    }

    pub(crate) fn of(mut command: Command) -> Self {
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
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
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

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A pipe with a name: whoever reads it waits until the test opens it.
pub(crate) fn gate(directory: &Directory) -> PathBuf {
    let gate = directory.join("gate");
    mkfifo(&gate, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    gate
}

/// A directory that another user can look into.
pub(crate) fn open_directory(name: &str) -> Directory {
    let directory = Directory::new(name);
    fs::set_permissions(directory.path(), Permissions::from_mode(0o711)).unwrap();
    directory
}

/// Whether a process runs.
pub(crate) fn alive(pid: &str) -> bool {
    // A zombie of which somebody else is the parent is gone for our purpose.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ")
        .next()
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['Z', 'X']))
}
