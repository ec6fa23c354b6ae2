//! Methods that are leaf, beside others that are not.
#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a test that cannot go on ends"
)]

#[path = "peer/typed/ground.rs"]
mod ground;

use std::time::{Duration, Instant};

use ground::{Earth, Ground, GroundClient, Seen, whole};
use harness::{Directory, Peer, Watchdog, skipped};

const PEER: &str = env!("CARGO_BIN_EXE_peer");
/// Longer than any thread looks for the next call.
const PAUSE: Duration = Duration::from_micros(300);

fn start(name: &str, words: &[&str]) -> (Peer, Directory) {
    let directory = Directory::new(name);
    let path = directory.path().to_str().unwrap();
    let mut peer = Peer::start(PEER, "typed-ground", &[&[path], words].concat());
    peer.expect("ready");
    (peer, directory)
}

fn pause() {
    let until = Instant::now() + PAUSE;
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}

fn has_one_processor() -> bool {
    let one = std::thread::available_parallelism().unwrap().get() == 1;
    if one {
        skipped("there is one processor, and nowhere to go");
    }
    one
}

/// All processors of the server's process.
fn whole_of(server: &Peer) -> String {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    line.unwrap().trim().to_owned()
}

#[test]
fn case_113_a_method_that_is_not_leaf_has_all_processors_right_after_one_that_had_not() {
    let _watchdog = Watchdog::new(
        "case_113_a_method_that_is_not_leaf_has_all_processors_right_after_one_that_had_not",
    );
    if has_one_processor() {
        return;
    }
    for words in [&[][..], &["handoff"]] {
        let (server, directory) = start("ground", words);
        let ground = GroundClient::open(directory.join("mixed")).unwrap();
        let whole = whole_of(&server);
        let mut narrow = 0_u32;
        while narrow < 50 {
            pause();
            let (leaf_thread, leaf_mask) = ground.leaf().unwrap();
            pause();
            let ((thread, mask), read, started) = ground.wide(Seen(String::new())).unwrap();
            assert_eq!([&mask, &read, &started], [&whole; 3], "{words:?}");
            narrow += u32::from(thread == leaf_thread && leaf_mask != whole);
        }
    }
    // Without a door between it runs where it is called.
    assert_eq!(Earth.leaf().0, nix::unistd::gettid().as_raw());
}

#[test]
fn every_method_of_a_leaf_trait_stays_where_its_caller_is() {
    let _watchdog = Watchdog::new("every_method_of_a_leaf_trait_stays_where_its_caller_is");
    if has_one_processor() {
        return;
    }
    let (server, directory) = start("whole", &[]);
    let ground = whole::GroundClient::open(directory.join("whole")).unwrap();
    // A door that is declared leaf as a whole by its options is so, whatever its methods say.
    let declared = GroundClient::open(directory.join("declared")).unwrap();
    let whole = whole_of(&server);
    let calls: [&dyn Fn() -> String; 3] = [
        &|| ground.one().unwrap().1,
        &|| ground.other().unwrap().1,
        &|| declared.wide(Seen(String::new())).unwrap().0.1,
    ];
    for call in calls {
        while call() == whole {
            pause();
        }
    }
}
