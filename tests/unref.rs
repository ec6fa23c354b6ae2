//! Which references a door has: one test for each row of the table in `doors/src/unref.rs` that names a reference. Every
//! `ask` asserts the answer that it names.

use std::os::unix::net::UnixListener;

use harness::{Census, Scene, life};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

#[test]
fn a_descriptor_that_is_closed_is_the_last() {
    let mut scene = Scene::new(PEER, "a_descriptor_that_is_closed_is_the_last", "once");
    scene
        .server
        .ask("attributes", "DoorAttributes(UNREF | LOCAL | IS_UNREF)");
    scene.take("s");
    scene
        .server
        .ask("attributes", "DoorAttributes(UNREF | LOCAL)");
    scene.noticed(0);
    scene.close("s");
    scene.noticed(1);
    scene
        .server
        .ask("attributes", "DoorAttributes(LOCAL | IS_UNREF)");
}

#[test]
fn a_door_that_was_never_handed_out_is_not_unreferenced() {
    let mut scene = Scene::new(
        PEER,
        "a_door_that_was_never_handed_out_is_not_unreferenced",
        "multi",
    );
    scene.server.ask("self-call", "true");
    scene.settled(0, 0);
    scene.noticed(0);
}

#[test]
fn a_dup_in_the_holder_counts() {
    let mut scene = Scene::new(PEER, "a_dup_in_the_holder_counts", "multi");
    scene.take("s");
    scene.client.ask("dup s t", "copied");
    scene.close("s");
    scene.noticed(0);
    scene.close("t");
    scene.noticed(1);
}

#[test]
fn a_copy_in_a_forked_child_counts() {
    let mut scene = Scene::new(PEER, "a_copy_in_a_forked_child_counts", "multi");
    scene.take("s");
    let child = scene.client.query("fork-idle");
    scene.close("s");
    scene.noticed(0);
    scene.client.kill();
    scene.noticed(0);
    life::end(&child);
    scene.noticed(1);
}

#[test]
fn an_exec_of_the_holder_closes_its_copy() {
    let mut scene = Scene::new(PEER, "an_exec_of_the_holder_closes_its_copy", "multi");
    scene.take("s");
    scene.client.ask("exec", "[]");
    scene.noticed(1);
}

#[test]
fn a_copy_in_flight_counts_although_its_sender_was_killed() {
    let mut scene = Scene::new(
        PEER,
        "a_copy_in_flight_counts_although_its_sender_was_killed",
        "multi",
    );
    let path = scene.directory.join("third");
    let third = UnixListener::bind(&path).unwrap();
    scene.take("s");
    scene
        .client
        .ask(&format!("park s {}", path.display()), "parked");
    let (unread, _) = third.accept().unwrap();
    let before = Census::of(scene.server.pid()).descriptors();
    scene.client.kill();
    Census::settle(scene.server.pid(), "the client is gone", |now| {
        now.descriptors() < before
    });
    scene.settled(1, 0);
    scene.noticed(0);
    drop(unread);
    scene.noticed(1);
}

#[test]
fn a_holder_that_is_killed_holds_nothing() {
    let mut scene = Scene::new(PEER, "a_holder_that_is_killed_holds_nothing", "multi");
    scene.take_door("s");
    scene.client.ask("call s ehello", "reply hello");
    scene.client.kill();
    scene.noticed(1);
}

#[test]
fn of_two_hand_outs_the_last_one_decides() {
    let mut scene = Scene::new(PEER, "of_two_hand_outs_the_last_one_decides", "multi");
    scene.take("s");
    scene.take("t");
    scene.close("s");
    scene.settled(1, 0);
    scene.noticed(0);
    scene.close("t");
    scene.noticed(1);
}

#[test]
fn a_fresh_descriptor_from_a_holder_counts_by_itself() {
    let mut scene = Scene::new(
        PEER,
        "a_fresh_descriptor_from_a_holder_counts_by_itself",
        "multi",
    );
    scene.take_door("s");
    scene.client.ask("remint s t", "minted");
    scene.settled(2, 0);
    scene.close("s");
    scene.settled(1, 0);
    scene.noticed(0);
    scene.close("t");
    scene.noticed(1);
}

#[test]
fn a_name_counts_until_it_is_detached() {
    let mut scene = Scene::new(PEER, "a_name_counts_until_it_is_detached", "multi");
    scene.attach();
    scene.noticed(0);
    scene.server.ask("detach n", "detached true");
    scene.noticed(1);
}

#[test]
fn a_name_counts_until_its_attachment_is_dropped() {
    let mut scene = Scene::new(
        PEER,
        "a_name_counts_until_its_attachment_is_dropped",
        "multi",
    );
    let path = scene.attach();
    scene.server.ask("drop-attachment n", "dropped");
    scene.noticed(1);
    assert!(!path.exists());
}

#[test]
fn a_name_counts_until_somebody_removes_it() {
    let mut scene = Scene::new(PEER, "a_name_counts_until_somebody_removes_it", "multi");
    let path = scene.attach();
    std::fs::remove_file(&path).unwrap();
    scene.noticed(1);
    scene.server.ask("detach n", "detached false");
    scene.noticed(1);
}

#[test]
fn a_name_counts_until_somebody_replaces_it() {
    let mut scene = Scene::new(PEER, "a_name_counts_until_somebody_replaces_it", "multi");
    let path = scene.attach();
    let moved = scene.directory.join("moved");
    std::fs::rename(&path, &moved).unwrap();
    scene.noticed(0);
    std::fs::write(&path, "something else").unwrap();
    std::fs::rename(&path, &moved).unwrap();
    scene.noticed(1);
    scene.server.ask("detach n", "detached false");
    assert_eq!(std::fs::read_to_string(&moved).unwrap(), "something else");
}

#[test]
fn a_connection_through_a_name_counts_after_the_name() {
    let mut scene = Scene::new(
        PEER,
        "a_connection_through_a_name_counts_after_the_name",
        "multi",
    );
    let path = scene.directory.join("name");
    for (round, remove) in [(1, false), (2, true)] {
        scene
            .server
            .ask(&format!("attach n {} 600", path.display()), "attached");
        scene
            .client
            .ask(&format!("open p {}", path.display()), "open");
        scene.client.ask("call p ehello", "reply hello");
        scene.settled(2, 0);
        if remove {
            std::fs::remove_file(&path).unwrap();
            scene.settled(1, 0);
            scene.server.ask("detach n", "detached false");
        } else {
            scene.server.ask("detach n", "detached true");
        }
        scene.settled(1, 0);
        scene.noticed(round - 1);
        scene.client.ask("call p ehello", "reply hello");
        scene.close("p");
        scene.noticed(round);
    }
}

#[test]
fn connections_come_and_go_while_the_name_is_there() {
    let mut scene = Scene::new(
        PEER,
        "connections_come_and_go_while_the_name_is_there",
        "multi",
    );
    let path = scene.attach();
    for _ in 0..3 {
        scene
            .client
            .ask(&format!("open p {}", path.display()), "open");
        scene.client.ask("call p ehello", "reply hello");
        scene.close("p");
        scene.settled(1, 0);
    }
    scene.noticed(0);
}

#[test]
fn a_holder_cannot_fake_its_end() {
    let mut scene = Scene::new(PEER, "a_holder_cannot_fake_its_end", "multi");
    scene.take("s");
    scene.client.ask("dup s u", "copied");
    scene.take("t");
    scene.client.ask("shutdown s", "shut down");
    scene.noticed(0);
    // Another hand-out does not share its fate.
    scene.client.ask("door t", "a door");
    scene.client.ask("call t ehello", "reply hello");
    scene.close("t");
    scene.settled(1, 0);
    scene.close("s");
    scene.noticed(0);
    scene.close("u");
    scene.noticed(1);
}

#[test]
fn nothing_is_left_of_a_thousand_hand_outs() {
    let mut scene = Scene::new(PEER, "nothing_is_left_of_a_thousand_hand_outs", "multi");
    scene.take("s");
    scene.close("s");
    scene.noticed(1);
    let before = Census::of(scene.server.pid());
    for _ in 0..1000 {
        scene.take("s");
        scene.close("s");
    }
    scene.settled(0, 0);
    Census::settle(scene.server.pid(), "as before", |now| {
        now.descriptors() <= before.descriptors() && now.threads <= before.threads
    });
}
