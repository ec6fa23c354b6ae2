//! What becomes of a door whose owner has dropped it. Every `ask` asserts the answer that it names.

use harness::{Census, Scene};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

#[test]
fn a_door_that_its_owner_dropped_serves_until_the_last_descriptor_goes() {
    let mut scene = Scene::new(
        PEER,
        "a_door_that_its_owner_dropped_serves_until_the_last_descriptor_goes",
        "multi",
    );
    scene.take("s");
    scene.take("t");
    scene.client.ask("door s", "a door");
    scene.server.ask("drop-door", "dropped");
    scene.client.ask("call s ehello", "reply hello");
    scene.client.ask("call s ehello", "reply hello");
    scene.close("t");
    scene.noticed(0);
    scene.client.ask("call s ehello", "reply hello");
    scene.server.ask("count dropped", "dropped 0");
    scene.close("s");
    scene.noticed(1);
    // The client's session goes on; the door, and what its procedure owns, is gone.
    scene.server.ask("wait dropped 1", "dropped 1");
    scene.client.ask("call control ehello", "reply hello");
}

#[test]
fn a_door_without_references_ends_with_its_owner() {
    for kind in ["none", "once", "multi"] {
        let mut scene = Scene::new(PEER, "a_door_without_references_ends_with_its_owner", kind);
        scene.server.ask("self-call", "true");
        scene.server.ask("drop-door", "dropped");
        scene.server.ask("wait dropped 1", "dropped 1");
        scene.server.ask("count notices", "notices 0");
    }
}

#[test]
fn a_private_door_ends_with_its_threads() {
    let mut scene = Scene::new(
        PEER,
        "a_private_door_ends_with_its_threads",
        "multi private",
    );
    scene.take_door("s");
    scene.client.ask("call s ehello", "reply hello");
    scene.server.ask("drop-door", "dropped");
    scene.client.ask("call s ehello", "reply hello");
    let with_threads = Census::of(scene.server.pid()).threads;
    scene.close("s");
    scene.noticed(1);
    scene.server.ask("wait dropped 1", "dropped 1");
    Census::settle(
        scene.server.pid(),
        "threads of a door that is gone",
        |now| now.threads < with_threads,
    );
}

#[test]
fn a_notice_that_owns_the_door_takes_it_along() {
    let mut scene = Scene::new(PEER, "a_notice_that_owns_the_door_takes_it_along", "owning");
    scene.take("s");
    scene.server.ask("drop-door", "dropped");
    scene.close("s");
    scene.noticed(1);
    scene.server.ask("wait dropped 1", "dropped 1");
}

#[test]
fn a_reference_that_goes_in_a_notice_with_the_owner_is_noticed() {
    let mut scene = Scene::new(
        PEER,
        "a_reference_that_goes_in_a_notice_with_the_owner_is_noticed",
        "multi",
    );
    scene.server.ask("manner last-will", "so be it");
    scene.take("s");
    scene.close("s");
    scene.server.ask("wait notices 2", "notices 2");
    scene.server.ask("wait dropped 1", "dropped 1");
}
