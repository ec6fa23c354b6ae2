//! What goes over to the successor, packet by packet.

use doors::CallCondition;
use harness::Watchdog;
use harness::raw::{self, Fields, Outcome, Packet, kind};

use crate::scene::{CONNECTION, DOOR, END, LISTENER, Scene, ask, is_lost};

#[test]
fn a_server_waits_until_results_that_travel_in_parts_have_gone() {
    let _watchdog = Watchdog::new("a_server_waits_until_results_that_travel_in_parts_have_gone");
    let mut scene = Scene::new("hand_over");
    let connection = raw::connect(&scene.path);
    let mut session = raw::Session::open(&connection);
    session.put(0, b"r");
    let mut head = session.head(1);
    let outcome = session.turn(&head);
    let Outcome::Answer(2, _, total) = outcome else {
        panic!("the results came in one part: {outcome:?}");
    };
    ask(&mut scene.server, "drain 20", "unfinished 1");
    ask(&mut scene.server, "resume", "resumed");
    (head.step, head.part) = (3, 0);
    let mut have = u64::try_from(session.ledger.area).unwrap();
    while let Outcome::Answer(2, 0, same) = session.turn(&head) {
        assert_eq!(same, total);
        have += u64::try_from(session.ledger.area).unwrap();
    }
    assert!(have < total, "the last part is not counted");
    ask(&mut scene.server, "drain 10000", "unfinished 0");
}

#[test]
fn a_revoked_door_is_not_handed_over() {
    let _watchdog = Watchdog::new("a_revoked_door_is_not_handed_over");
    let mut scene = Scene::new("hand_over");
    let door = scene.caller();
    ask(&mut scene.server, "revoke", "revoked");
    let error = door.call(b"", vec![]).unwrap_err();
    assert_eq!(error.condition, CallCondition::NoDoor);
    let socket = scene.connect();
    let mut successor = scene.successor(socket);
    scene.server.say("hand over");
    ask(&mut successor, "take over", "taken over 0");
    scene.server.expect("handed over 0");
    // Its session ends with all others, at any moment; the door is what it was, for whoever comes.
    is_lost(&door);
    let error = scene.open().call(b"", vec![]).unwrap_err();
    assert_eq!(error.condition, CallCondition::NoDoor);
}

#[test]
fn packets_of_a_hand_over_are_what_the_protocol_says() {
    let _watchdog = Watchdog::new("packets_of_a_hand_over_are_what_the_protocol_says");
    let mut scene = Scene::new("hand_over");
    let door = scene.caller();
    let id = door.info().unwrap().id;
    let socket = scene.offer(DOOR + LISTENER + CONNECTION + END);
    let heard = raw::receive(&socket).unwrap();
    assert_eq!(Fields::of(&heard.bytes, kind::HAND_DOOR).u64(), id);
    let mut listener = raw::receive(&socket).unwrap();
    let _fields = Fields::of(&listener.bytes, kind::HAND_LISTENER);
    let listener = listener.fds.pop().unwrap();
    let mut connection = raw::receive(&socket).unwrap();
    let _fields = Fields::of(&connection.bytes, kind::HAND_CONNECTION);
    let connection = connection.fds.pop().unwrap();
    let end = raw::receive(&socket).unwrap();
    assert_eq!(Fields::of(&end.bytes, kind::HAND_END).u32(), 1);
    let taken = Packet::new(kind::HAND_TAKEN).u32(1).bytes();
    raw::send(&socket, &taken, &[]).unwrap();
    let done = raw::receive(&socket).unwrap();
    let _fields = Fields::of(&done.bytes, kind::HAND_DONE);
    scene.server.expect("handed over 1");
    // Both are ours alone now.
    let waiting = raw::connect(&scene.path);
    drop(raw::accept(&listener));
    raw::is_over(waiting);
    drop(connection);
    is_lost(&door);
}
