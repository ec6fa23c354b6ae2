//! Names whose listener was made by a service manager before the server was started.

use std::process::Command;

use doors::Door;
use harness::life::{server_of, try_open};
use harness::{Census, Directory, Peer, Watchdog, life, skipped, stay_on_one_processor};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

#[test]
fn a_listener_that_a_manager_passed_serves() {
    let _watchdog = Watchdog::new("a_listener_that_a_manager_passed_serves");
    let directory = Directory::new("names");
    let path = directory.join("door");
    let mut server = Peer::start(PEER, "life-activate", &[path.to_str().unwrap()]);
    server.ask("create multi", "created");
    let mut client = life::stranger(PEER);
    // Before the server has looked: the connection waits.
    assert_eq!(try_open(&mut client, "p", &path), "open");
    client.ask("start p eearly one", "started");
    server.ask("attach-inherited", "inherited 1");
    client.ask("join one", "reply early");
    // The socket was made by another process than the one that serves.
    assert_ne!(server_of(&mut client, "p"), server.pid());
    for _ in 0..30 {
        assert_eq!(try_open(&mut client, "q", &path), "open");
        client.ask("call q eone", "reply one");
        client.ask("call q etwo", "reply two");
        client.ask("call p ethree", "reply three");
        client.ask("close q", "closed");
    }
    // Sessions that no door uses do not pile up.
    let mappings = Census::of(client.pid()).mappings;
    assert!(mappings <= 20, "{mappings} mappings");
    server.ask("attach-inherited", "inherited 0");
    server.ask("detach inherited0", "detached false");
    assert!(path.exists(), "the name belongs to the manager");
    client.ask("call p estill", "reply still");
    server.ask("count notices", "notices 0");
    client.ask("close p", "closed");
    server.ask("wait notices 1", "notices 1");
}

#[test]
fn doors_on_a_passed_listener_share_a_session() {
    let _watchdog = Watchdog::new("doors_on_a_passed_listener_share_a_session");
    let directory = Directory::new("names");
    let path = directory.join("door");
    let mut server = Peer::start(PEER, "life-activate", &[path.to_str().unwrap()]);
    server.ask("create none", "created");
    server.ask("attach-inherited", "inherited 1");
    // The manager lives, and is who the kernel names at the other end of each connection.
    let doors = [0, 1, 2].map(|_| Door::open(&path).unwrap());
    for door in &doors {
        for _ in 0..2 {
            assert_eq!(door.call(b"ehello", vec![]).unwrap().data, b"hello");
        }
    }
    for door in &doors {
        assert_eq!(door.info().unwrap().figures.unwrap().sessions, 1);
    }
}

#[test]
fn a_dropped_attachment_of_a_passed_listener_leaves_the_name() {
    let _watchdog = Watchdog::new("a_dropped_attachment_of_a_passed_listener_leaves_the_name");
    let directory = Directory::new("names");
    let path = directory.join("door");
    let mut server = Peer::start(PEER, "life-activate", &[path.to_str().unwrap()]);
    server.ask("create multi", "created");
    server.ask("attach-inherited", "inherited 1");
    server.ask("drop-attachment inherited0", "dropped");
    server.ask("wait notices 1", "notices 1");
    assert!(path.exists(), "the name belongs to the manager");
    // The manager goes on listening: whoever connects waits for the next server.
    let mut client = life::stranger(PEER);
    assert_eq!(try_open(&mut client, "p", &path), "open");
}

/// A manager that starts another server with the listener makes it blocking for all who have it (`NonBlocking=`,
/// systemd.service(5)).
#[test]
fn a_passed_listener_that_blocks_again_holds_up_nobody_else() {
    let _watchdog = Watchdog::new("a_passed_listener_that_blocks_again");
    stay_on_one_processor();
    let directory = Directory::new("names");
    let paths = ["door", "other", "blocks"].map(|name| directory.join(name));
    let [path, other, blocks] = paths.each_ref().map(|path| path.to_str().unwrap());
    let mut server = Peer::start(PEER, "life-activate", &[path, blocks]);
    server.ask("create none", "created");
    server.ask(&format!("attach other {other} 600"), "attached");
    server.ask("attach-inherited", "inherited 1");
    while !paths[2].exists() {
        std::thread::yield_now();
    }
    // First calls that come at once, as long as it takes to learn that they do, and then none.
    for _ in 0..10 {
        for path in [path; 100].into_iter().chain([other]) {
            let reply = Door::open(path).unwrap().call(b"ehello", vec![]).unwrap();
            assert_eq!(reply.data, b"hello");
        }
    }
}

#[test]
fn systemd_can_start_a_server() {
    let _watchdog = Watchdog::new("systemd_can_start_a_server");
    let activate = Command::new("systemd-socket-activate")
        .arg("--version")
        .output();
    if !activate.is_ok_and(|output| output.status.success()) {
        skipped("there is no systemd-socket-activate");
        return;
    }
    let directory = Directory::new("names");
    let path = directory.join("door");
    let mut command = Command::new("systemd-socket-activate");
    command.args([
        "--seqpacket",
        "-l",
        path.to_str().unwrap(),
        PEER,
        "life-server",
    ]);
    let mut server = Peer::start_command(command);
    let mut client = life::stranger(PEER);
    // The first connection starts the server.
    while try_open(&mut client, "p", &path) != "open" {
        std::thread::yield_now();
    }
    server.ask("create none", "created");
    server.ask("attach-inherited", "inherited 1");
    client.ask("call p ehello", "reply hello");
    client.ask("call p eagain", "reply again");
    assert_eq!(server_of(&mut client, "p"), server.pid());
}
