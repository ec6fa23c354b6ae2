//! Every example runs, says what it promises, and ends with success.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::process::{Command, Stdio};

/// Asserts that a program succeeds, and which line it says last.
fn assert_last_line(program: &str, last: &str) {
    let ran = Command::new(program).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(ran.stdout).unwrap();
    assert!(
        ran.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    assert_eq!(said.lines().last(), Some(last));
}

#[test]
fn hello_greets_its_client() {
    let ran = Command::new(env!("CARGO_BIN_EXE_hello")).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    assert!(
        String::from_utf8(ran.stdout)
            .unwrap()
            .starts_with("HELLO, process ")
    );
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
    let ran = Command::new(env!("CARGO_BIN_EXE_hold")).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let said = String::from_utf8(ran.stdout).unwrap();
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
