//! Calls on quiet channels, whose ring finds no memory in the kernel.

use doors::Door;
use harness::calls::start;
use harness::{Directory, Peer, Watchdog};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

#[test]
fn a_call_whose_ring_cannot_be_sent_is_told_so_and_does_not_run() {
    let _watchdog = Watchdog::new("a_call_whose_ring_cannot_be_sent");
    let directory = Directory::new("ring");
    let (mut server, path) = start(PEER, &directory, "door", "");
    let mut client = Peer::start(PEER, "calls-deaf-client", &[path.to_str().unwrap()]);
    client.expect("ready");
    // The session's used channel is busy; the others have never had a thread.
    server.say("shut");
    server.expect("shut");
    client.say("call watch-and-wait");
    client.expect("begun");
    server.expect("begun");
    let door = Door::open(&path).unwrap();
    let calls = || door.info().unwrap().figures.unwrap().calls;
    let before = calls();
    client.say("mute e never");
    client.expect("begun");
    client.expect(
        "mute: System { op: \"ring the server\", source: ENOBUFS, taken: false } NotExecuted",
    );
    assert_eq!(calls(), before);
    // The ring of another channel does for a call whose own ring is lost.
    client.say("mute e one");
    client.expect("begun");
    client.say("call e two");
    let mut heard: Vec<String> = (0..3).map(|_| client.hear()).collect();
    heard.sort();
    assert_eq!(heard, ["begun", "call: e two", "mute: e one"]);
    // What was taken back was found with them, and not run.
    assert_eq!(calls(), before + 2);
    server.say("open");
    server.expect("cancelled: false");
    client.expect("call:");
    assert!(client.finish().success());
}
