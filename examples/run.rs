//! Every example runs, says what it promises, and ends with success.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// What a program says; asserts that it succeeds.
fn said(program: &str) -> String {
    let ran = Command::new(program).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(ran.stdout).unwrap();
    assert!(
        ran.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    said
}

/// Asserts that a program succeeds, and which line it says last.
fn assert_last_line(program: &str, last: &str) {
    assert_eq!(said(program).lines().last(), Some(last));
}

/// Asserts that a program succeeds, and what it says.
fn assert_lines(program: &str, lines: &[&str]) {
    assert_eq!(said(program).lines().collect::<Vec<_>>(), lines);
}

#[test]
fn hello_greets_its_client() {
    let said = said(env!("CARGO_BIN_EXE_hello"));
    assert!(said.starts_with("Hello, Ada, from process "), "{said}");
}

/// A server that stays; it is killed when the test is over.
struct Stays(Child);

impl Stays {
    /// Starts it, and waits until it can be called.
    fn at(path: &Path) -> Self {
        let mut server = Command::new(env!("CARGO_BIN_EXE_counter_server"));
        server.arg(path).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut stays = Self(server.spawn().unwrap());
        let mut said = String::new();
        let stdout = stays.0.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut said).unwrap();
        assert_eq!(said, format!("{} can be called\n", path.display()));
        stays
    }
}

impl Drop for Stays {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn two_programs_share_a_trait() {
    let directory = std::env::temp_dir().join(format!("doors-counter-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let [path, text, other] = ["door", "text", "other"].map(|name| directory.join(name));
    std::fs::write(&text, "one\ntwo\n").unwrap();
    std::fs::write(&other, [0xff]).unwrap();
    let client = |file: &Path| {
        let mut client = Command::new(env!("CARGO_BIN_EXE_counter_client"));
        client.arg(&path).arg(file).output().unwrap()
    };
    let said = |file: &Path| {
        let ran = client(file);
        assert!(ran.status.success(), "{ran:?}");
        String::from_utf8(ran.stdout).unwrap()
    };
    let server = Stays::at(&path);
    assert_eq!(said(&text), format!("{} has 2 lines\n", text.display()));
    assert_eq!(said(&other), format!("{} is no text\n", other.display()));
    drop(server);
    // The name that it has left leads nowhere, and the next server takes it.
    let nobody = client(&text);
    let why = String::from_utf8_lossy(&nobody.stderr);
    assert!(
        !nobody.status.success() && why.contains("no server is behind the name"),
        "{why}"
    );
    let _next = Stays::at(&path);
    assert_eq!(said(&text), format!("{} has 2 lines\n", text.display()));
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn a_store_gives_large_values_back() {
    let lines = [
        "replaced: false",
        "replaced: true",
        "the same came back: true",
        "known: 1",
        "song: there is nothing under this key",
    ];
    assert_lines(env!("CARGO_BIN_EXE_kv"), &lines);
}

#[test]
fn files_go_there_and_come_back() {
    let lines = [
        "all is kept: true",
        "all is shown: true",
        "it can be written: false",
    ];
    assert_lines(env!("CARGO_BIN_EXE_files"), &lines);
}

#[test]
fn cursors_end_with_their_client() {
    let lines = [
        "the client read row 0",
        "a cursor ended after 1 row",
        "the client read row 0, row 1",
        "the client ended: signal: 9 (SIGKILL)",
        "a cursor ended after 2 rows",
    ];
    assert_lines(env!("CARGO_BIN_EXE_objects"), &lines);
}

#[test]
fn versions_talk_to_each_other() {
    let lines = [
        "a client of 1.0 and a server of 1.1:",
        "1.0 reads 20.5 degrees",
        "a client of 1.1 and a server of 1.0:",
        "1.1 reads 20.5 degrees",
        "1.1 cannot set it: the server is older",
        "a client of 1.1 and a server of 1.1:",
        "1.1 reads 20.5 degrees",
        "1.1 sets 21 degrees: true",
    ];
    assert_lines(env!("CARGO_BIN_EXE_thermostat"), &lines);
}

#[test]
fn a_server_calls_back_while_it_works() {
    let mut lines: Vec<String> = (1..=10).map(|tenth| format!("{tenth:2}0 %")).collect();
    lines.push("the sum is 500500".to_owned());
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    assert_lines(env!("CARGO_BIN_EXE_progress"), &lines);
}

#[test]
fn calls_are_awaited_together() {
    let lines = [
        "three at once: bread, cake, pie",
        "not waited for: stone",
        "and another: soup",
    ];
    assert_lines(env!("CARGO_BIN_EXE_async_client"), &lines);
}

#[test]
fn futures_answer_and_end_with_their_callers() {
    let lines = [
        "it rings after 50 ms",
        "it rings after 40 ms",
        "it rings after 30 ms",
        "it rings after 20 ms",
        "it rings after 10 ms",
        "nobody waits for an hour",
        "no alarm is set",
    ];
    assert_lines(env!("CARGO_BIN_EXE_async_server"), &lines);
}

#[test]
fn bytes_know_their_caller() {
    let said = said(env!("CARGO_BIN_EXE_bytes"));
    assert!(said.starts_with("HELLO, process "), "{said}");
}

#[test]
fn descriptors_come_back() {
    let program = env!("CARGO_BIN_EXE_descriptors");
    let bytes = std::fs::metadata(program).unwrap().len();
    assert_last_line(program, &format!("and has {bytes} bytes"));
}

#[test]
fn objects_end_when_nobody_holds_them() {
    assert_last_line(env!("CARGO_BIN_EXE_object"), "nobody holds books any more");
}

#[test]
fn a_reply_is_handed_over_before_the_caller_goes_on() {
    assert_last_line(
        env!("CARGO_BIN_EXE_reply"),
        "when the caller has its 1000000 bytes, the server has: handed over, freed",
    );
}

#[test]
fn held_calls_are_answered_together() {
    let said = said(env!("CARGO_BIN_EXE_hold"));
    assert_eq!(said.lines().count(), 3);
    for name in ["Ada", "Barbara", "Grace"] {
        assert_eq!(said.matches(name).count(), 4, "{said}");
    }
}

#[test]
fn outcomes_are_told_apart() {
    assert_last_line(
        env!("CARGO_BIN_EXE_outcome"),
        "a call after the end of the door: the door is revoked or its server is gone; open or obtain it anew (NotExecuted)",
    );
}
