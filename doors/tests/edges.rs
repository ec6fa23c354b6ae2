//! What only one place in the library may do with the kernel.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::path::{Path, PathBuf};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The words of a file's code, in order: no comments, no documentation.
fn words(text: &str) -> Vec<&str> {
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split(|c: char| c != '_' && !c.is_alphanumeric()))
        .filter(|word| !word.is_empty())
        .collect()
}

/// The files whose code has one of these words.
fn files_that_say(wanted: &[&str]) -> Vec<String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&source, &mut files);
    let says = |file: &PathBuf| {
        let text = std::fs::read_to_string(file).unwrap();
        // What takes no buffer is the receiver of a channel between threads.
        let text = text.replace(".recv()", "");
        words(&text).iter().any(|word| wanted.contains(word))
    };
    let mut found: Vec<String> = files
        .iter()
        .filter(|file| says(file))
        .map(|file| file.strip_prefix(&source).unwrap().display().to_string())
        .collect();
    found.sort();
    found
}

/// A receive without a place for descriptors throws them away, and one without `MSG_CMSG_CLOEXEC` leaks them.
#[test]
fn packets_with_descriptors_are_sent_and_received_in_one_file_each() {
    assert_eq!(files_that_say(&["sendmsg"]), ["sys/socket/send.rs"]);
    assert_eq!(files_that_say(&["recvmsg"]), ["sys/socket/receive.rs"]);
    // Netlink has no descriptors; the other is a look at what a queue holds, which takes nothing out.
    let plain = files_that_say(&["recv", "recvfrom", "recvmmsg", "sendmmsg"]);
    assert_eq!(plain, ["sys/diag.rs", "sys/socket/look.rs"]);
}

/// A private futex is not found by another process; a futex with an owner lets the peer name any thread as that.
#[test]
fn words_that_are_shared_are_slept_on_as_such_and_have_no_owner() {
    assert_eq!(
        files_that_say(&["FUTEX_WAIT", "FUTEX_WAKE"]),
        ["sys/futex.rs"]
    );
    let others = [
        "FUTEX_PRIVATE_FLAG",
        "FUTEX_LOCK_PI",
        "FUTEX_LOCK_PI2",
        "FUTEX_TRYLOCK_PI",
        "FUTEX_UNLOCK_PI",
        "FUTEX_WAIT_REQUEUE_PI",
        "FUTEX_CMP_REQUEUE_PI",
    ];
    assert_eq!(files_that_say(&others), [""; 0]);
}

/// Locks are counted where they are taken, so that a test can tell that a call takes none.
#[test]
fn locks_are_taken_in_one_place() {
    assert_eq!(
        files_that_say(&["RwLock", "LazyLock", "parking_lot"]),
        [""; 0]
    );
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&source, &mut files);
    // The result of `Mutex::lock` has to be told from an error, which `unwrap` may not do here.
    let takes = |file: &&PathBuf| {
        let text = std::fs::read_to_string(file).unwrap();
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        let text: String = code.flat_map(str::split_whitespace).collect();
        [
            ".lock().unwrap_or",
            ".lock().map",
            ".lock().ok",
            "=Mutex::lock(",
        ]
        .iter()
        .any(|way| text.contains(way))
    };
    let found: Vec<_> = files.iter().filter(takes).collect();
    assert_eq!(found, [&source.join("lock.rs")]);
    // The buffer of first calls is tried, and does without; a channel is tried, and another is taken.
    assert_eq!(
        files_that_say(&["TryLockError"]),
        ["client/first/buffer.rs"]
    );
}
