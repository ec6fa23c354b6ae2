//! Doors that come out of doors.

use doors::{CallState, Door, DoorDesc};
use harness::calls::{books, both, opened_and_received, start, warm};
use harness::files::numbered;
use harness::waiting::calling;
use harness::{Census, Directory, Peer, Watchdog};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

#[test]
fn a_received_door_outlives_its_giver() {
    let _watchdog = Watchdog::new("a_received_door_outlives_its_giver");
    let directory = Directory::new("giver");
    let (mut server, path) = start(PEER, &directory, "door", "");
    let second = directory.join("giver");
    let arguments = [second.to_str().unwrap(), path.to_str().unwrap()];
    let mut second_server = Peer::start(PEER, "calls-giver", &arguments);
    second_server.expect("ready");
    let third = directory.join("third");
    let arguments = [third.to_str().unwrap(), second.to_str().unwrap()];
    let mut third_server = Peer::start(PEER, "calls-giver", &arguments);
    third_server.expect("ready");

    let given = Door::open(&second)
        .unwrap()
        .call(b"", vec![])
        .unwrap()
        .descriptors;
    let given = Door::from_descriptor(given.into_iter().next().unwrap()).unwrap();
    // Through a third process: it hands out the giver's door, and that gives the server's.
    let relayed = Door::open(&third)
        .unwrap()
        .call(b"", vec![])
        .unwrap()
        .descriptors;
    let relayed = Door::from_descriptor(relayed.into_iter().next().unwrap()).unwrap();
    let relayed = relayed.call(b"", vec![]).unwrap().descriptors;
    let relayed = Door::from_descriptor(relayed.into_iter().next().unwrap()).unwrap();

    second_server.kill();
    third_server.kill();
    let id = Door::open(&path).unwrap().info().unwrap().id;
    for door in [&given, &relayed] {
        assert_eq!(door.info().unwrap().id, id);
        assert_eq!(
            door.info().unwrap().target,
            i32::try_from(server.pid()).ok()
        );
        for _ in 0..3 {
            assert_eq!(door.call(b"e", vec![]).unwrap().data, b"e");
        }
    }
    // One passed on to the server itself after all that.
    let reply = given
        .call(b"call-it e", vec![relayed.to_desc().unwrap()])
        .unwrap();
    assert_eq!(reply.data, b"e");
    server.kill();
    assert_eq!(
        given.call(b"e", vec![]).unwrap_err().call_state(),
        CallState::NotExecuted
    );
}

#[test]
fn a_new_door_comes_out_of_a_door() {
    let _watchdog = Watchdog::new("a_new_door_comes_out_of_a_door");
    let directory = Directory::new("new");
    let (peer, path) = start(PEER, &directory, "door", "");
    let door = warm(&path);
    door.call(b"e", vec![DoorDesc::from(numbered(0))]).unwrap();
    let before = Census::of(peer.pid());
    let mut ids = Vec::new();
    for round in 0..20 {
        let reply = both(&path)[round % 2].call(b"new-door", vec![]).unwrap();
        let new = Door::from_descriptor(reply.descriptors.into_iter().next().unwrap()).unwrap();
        assert_eq!(new.call(b"", vec![]).unwrap().data, b"new");
        ids.push(new.info().unwrap().id);
    }
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    // Doors that nobody refers to any more end.
    Census::settle(peer.pid(), "doors stay", |census| {
        census.descriptors() <= before.descriptors() && census.threads <= before.threads + 4
    });
}

#[test]
fn case_119_a_call_runs_though_another_thread_closes_its_door_before_it_is_taken() {
    let _watchdog = Watchdog::new("case_119_a_call_runs");
    let directory = Directory::new("closed");
    let (mut peer, path) = start(PEER, &directory, "door", "single");
    let books = books(&peer, &path).and_mappings(2);
    for round in 0..2 {
        peer.ask("shut", "shut");
        let busy = Door::open(&path).unwrap();
        let busy = std::thread::spawn(move || busy.call(b"gate", vec![]).unwrap());
        peer.expect("begun");
        // The only thread is in the procedure: this call is published, and not taken.
        let door = opened_and_received(&path).into_iter().nth(round).unwrap();
        let another = door.clone();
        let waiting = calling(move || another.call(b"e", vec![]).unwrap());
        drop(door);
        peer.say("open");
        assert_eq!(waiting.join().unwrap().data, b"e");
        assert_eq!(busy.join().unwrap().data, b"through");
    }
    books.balance();
}
