//! When the notice comes that a door has become unreferenced. Every `ask` asserts the answer that it names.

use harness::{Books, Scene};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

#[test]
fn once_is_once_and_many_times_is_each_time() {
    for (kind, total) in [("once", 1), ("multi", 5)] {
        let mut scene = Scene::new(PEER, "once_is_once_and_many_times_is_each_time", kind);
        for round in 1..=5 {
            scene.take("s");
            scene.close("s");
            scene.settled(0, 0);
            scene.noticed(total.min(round));
        }
    }
}

#[test]
fn what_happens_while_a_notice_runs_is_one_more_notice() {
    let mut scene = Scene::new(
        PEER,
        "what_happens_while_a_notice_runs_is_one_more_notice",
        "multi",
    );
    scene.server.ask("manner slow", "so be it");
    scene.server.ask("mint", "minted");
    scene.server.ask("close-copies", "closed");
    scene.server.ask("wait begun 1", "begun 1");
    for _ in 0..4 {
        scene.come_and_go();
    }
    scene.server.ask("count begun", "begun 1");
    scene.server.ask("raise go-on", "raised");
    scene.server.ask("wait begun 2", "begun 2");
    scene.server.ask("raise go-on", "raised");
    scene.noticed(2);
    scene.server.ask("count begun", "begun 2");
}

#[test]
fn a_new_hand_out_before_delivery_puts_it_off() {
    let mut scene = Scene::new(PEER, "a_new_hand_out_before_delivery_puts_it_off", "multi");
    scene.server.ask("occupy", "occupied");
    scene.come_and_go();
    scene.server.ask("mint", "minted");
    scene.server.ask("raise vacated", "raised");
    scene.noticed(0);
    scene.server.ask("close-copies", "closed");
    scene.noticed(1);
}

#[test]
fn notices_that_wait_are_merged() {
    let mut scene = Scene::new(PEER, "notices_that_wait_are_merged", "multi");
    let books = Books::of(&scene.server).and_threads(2);
    scene.server.ask("occupy", "occupied");
    for _ in 0..4 {
        scene.come_and_go();
    }
    scene.server.ask("raise vacated", "raised");
    scene.noticed(1);
    books.balance();
}

#[test]
fn a_notice_waits_for_the_last_active_call() {
    let mut scene = Scene::new(PEER, "a_notice_waits_for_the_last_active_call", "multi");
    scene.take_door("s");
    // A call that takes no notice of its caller's end.
    scene.client.ask("start s l one", "started");
    scene.server.ask("wait entered 1", "entered 1");
    scene.client.kill();
    scene.settled(0, 1);
    scene.noticed(0);
    scene.server.ask("raise released", "raised");
    scene.noticed(1);
}

#[test]
fn a_notice_waits_for_a_held_call() {
    let mut scene = Scene::new(PEER, "a_notice_waits_for_a_held_call", "multi");
    scene.take_door("s");
    scene.client.ask("start s h one", "started");
    scene.server.ask("wait held 1", "held 1");
    scene.client.kill();
    scene.settled(0, 1);
    scene.noticed(0);
    scene.server.ask("answer", "answered true");
    scene.noticed(1);
}

#[test]
fn a_notice_waits_for_a_first_call_that_came_as_a_packet() {
    let mut scene = Scene::new(
        PEER,
        "a_notice_waits_for_a_first_call_that_came_as_a_packet",
        "multi",
    );
    let path = scene.attach();
    scene
        .client
        .ask(&format!("open p {}", path.display()), "open");
    scene.client.ask("start p l one", "started");
    scene.server.ask("wait entered 1", "entered 1");
    scene.server.ask("detach n", "detached true");
    scene.client.kill();
    scene.settled(0, 1);
    scene.noticed(0);
    scene.server.ask("raise released", "raised");
    scene.noticed(1);
}

#[test]
fn no_notice_comes_after_a_revocation() {
    let mut scene = Scene::new(PEER, "no_notice_comes_after_a_revocation", "multi");
    scene.take("s");
    scene.server.ask("revoke", "Ok(())");
    scene.close("s");
    scene.settled(0, 0);
    scene.noticed(0);
}

#[test]
fn a_notice_that_waits_is_dropped_by_a_revocation() {
    let mut scene = Scene::new(
        PEER,
        "a_notice_that_waits_is_dropped_by_a_revocation",
        "multi",
    );
    scene.server.ask("occupy", "occupied");
    scene.come_and_go();
    scene.server.ask("revoke", "Ok(())");
    scene.server.ask("raise vacated", "raised");
    scene.noticed(0);
}

#[test]
fn a_notice_may_take_a_lock_that_a_call_holds() {
    let mut scene = Scene::new(PEER, "a_notice_may_take_a_lock_that_a_call_holds", "multi");
    scene.server.ask("manner locking", "so be it");
    scene.client.ask("start control l one", "started");
    scene.server.ask("wait entered 1", "entered 1");
    scene.take("s");
    scene.close("s");
    scene.server.ask("wait begun 1", "begun 1");
    // The notice waits for the lock; calls, hang-ups and new references go on.
    scene.client.ask("call control ehello", "reply hello");
    scene.take_door("s");
    scene.client.ask("call s ehello", "reply hello");
    scene.server.ask("count notices", "notices 0");
    scene.server.ask("raise released", "raised");
    scene.client.ask("join one", "reply unlocked");
    scene.noticed(1);
}
