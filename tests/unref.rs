//! When a door has become unreferenced: one test for each row of the table in `doors/src/unref.rs`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::os::unix::net::UnixListener;

use harness::{Census, Directory, Peer, Watchdog};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const PEER: &str = env!("CARGO_BIN_EXE_peer");

/// A server with a door of this kind, and a client that can ask for it.
struct Scene {
    server: Peer,
    client: Peer,
    directory: Directory,
    _watchdog: Watchdog,
}

fn scene(name: &'static str, kind: &str) -> Scene {
    let watchdog = Watchdog::new(name);
    let directory = Directory::new("unref");
    let mut server = Peer::start(PEER, "life-server", &[]);
    let path = directory.join("control");
    server.ask(&format!("control {}", path.display()), "attached");
    server.ask(&format!("create {kind}"), "created");
    let mut client = Peer::start(PEER, "life-client", &[]);
    client.ask(&format!("open control {}", path.display()), "open");
    client.ask("call control eone", "reply one");
    client.ask("call control etwo", "reply two");
    Scene {
        server,
        client,
        directory,
        _watchdog: watchdog,
    }
}

trait Ask {
    /// One command; its answer must be this.
    fn ask(&mut self, command: &str, answer: &str);
    /// One command; its answer.
    fn query(&mut self, command: &str) -> String;
}

impl Ask for Peer {
    fn ask(&mut self, command: &str, answer: &str) {
        assert_eq!(self.query(command), answer, "the answer to {command}");
    }

    fn query(&mut self, command: &str) -> String {
        self.say(command);
        self.hear()
    }
}

impl Scene {
    /// So many notices have come and no more are due.
    fn noticed(&mut self, number: usize) {
        self.server.ask(
            &format!("wait notices {number}"),
            &format!("notices {number}"),
        );
        self.server.ask("barrier", "barrier");
        self.server
            .ask("count notices", &format!("notices {number}"));
    }

    /// Waits until the server has seen so many references and active calls.
    fn settled(&mut self, references: usize, active: usize) {
        let wanted = format!("references {references} active {active}");
        while self.server.query("info") != wanted {
            std::thread::yield_now();
        }
    }
}

fn end(child: &str) {
    let pid = child.strip_prefix("child ").unwrap().parse().unwrap();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
}

#[test]
fn a_descriptor_that_is_closed_is_the_last() {
    let mut scene = scene("a_descriptor_that_is_closed_is_the_last", "once");
    scene
        .server
        .ask("attributes", "DoorAttributes(UNREF | LOCAL | IS_UNREF)");
    scene.client.ask("take s control", "taken");
    scene
        .server
        .ask("attributes", "DoorAttributes(UNREF | LOCAL)");
    scene.noticed(0);
    scene.client.ask("close s", "closed");
    scene.noticed(1);
    scene
        .server
        .ask("attributes", "DoorAttributes(LOCAL | IS_UNREF)");
}

#[test]
fn a_door_that_was_never_handed_out_is_not_unreferenced() {
    let mut scene = scene(
        "a_door_that_was_never_handed_out_is_not_unreferenced",
        "multi",
    );
    scene.server.ask("self-call", "true");
    scene.settled(0, 0);
    scene.noticed(0);
}

#[test]
fn a_dup_in_the_holder_counts() {
    let mut scene = scene("a_dup_in_the_holder_counts", "multi");
    scene.client.ask("take s control", "taken");
    scene.client.ask("dup s t", "copied");
    scene.client.ask("close s", "closed");
    scene.noticed(0);
    scene.client.ask("close t", "closed");
    scene.noticed(1);
}

#[test]
fn a_copy_in_a_forked_child_counts() {
    let mut scene = scene("a_copy_in_a_forked_child_counts", "multi");
    scene.client.ask("take s control", "taken");
    let child = scene.client.query("fork-idle");
    scene.client.ask("close s", "closed");
    scene.noticed(0);
    scene.client.kill();
    scene.noticed(0);
    end(&child);
    scene.noticed(1);
}

#[test]
fn an_exec_of_the_holder_closes_its_copy() {
    let mut scene = scene("an_exec_of_the_holder_closes_its_copy", "multi");
    scene.client.ask("take s control", "taken");
    scene.client.ask("exec", "[]");
    scene.noticed(1);
}

#[test]
fn a_copy_in_flight_counts_although_its_sender_was_killed() {
    let mut scene = scene(
        "a_copy_in_flight_counts_although_its_sender_was_killed",
        "multi",
    );
    let path = scene.directory.join("third");
    let third = UnixListener::bind(&path).unwrap();
    scene.client.ask("take s control", "taken");
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
    let mut scene = scene("a_holder_that_is_killed_holds_nothing", "multi");
    scene.client.ask("take s control", "taken");
    scene.client.ask("door s", "a door");
    scene.client.ask("call s ehello", "reply hello");
    scene.client.kill();
    scene.noticed(1);
}

#[test]
fn of_two_hand_outs_the_last_one_decides() {
    let mut scene = scene("of_two_hand_outs_the_last_one_decides", "multi");
    scene.client.ask("take s control", "taken");
    scene.client.ask("take t control", "taken");
    scene.client.ask("close s", "closed");
    scene.settled(1, 0);
    scene.noticed(0);
    scene.client.ask("close t", "closed");
    scene.noticed(1);
}

#[test]
fn a_fresh_descriptor_from_a_holder_counts_by_itself() {
    let mut scene = scene("a_fresh_descriptor_from_a_holder_counts_by_itself", "multi");
    scene.client.ask("take s control", "taken");
    scene.client.ask("door s", "a door");
    scene.client.ask("remint s t", "minted");
    scene.settled(2, 0);
    scene.client.ask("close s", "closed");
    scene.settled(1, 0);
    scene.noticed(0);
    scene.client.ask("close t", "closed");
    scene.noticed(1);
}

#[test]
fn a_name_counts_until_it_is_detached() {
    let mut scene = scene("a_name_counts_until_it_is_detached", "multi");
    let path = scene.directory.join("name");
    scene
        .server
        .ask(&format!("attach n {} 600", path.display()), "attached");
    scene.noticed(0);
    scene.server.ask("detach n", "detached true");
    scene.noticed(1);
}

#[test]
fn a_name_counts_until_its_attachment_is_dropped() {
    let mut scene = scene("a_name_counts_until_its_attachment_is_dropped", "multi");
    let path = scene.directory.join("name");
    scene
        .server
        .ask(&format!("attach n {} 600", path.display()), "attached");
    scene.server.ask("drop-attachment n", "dropped");
    scene.noticed(1);
    assert!(!path.exists());
}

#[test]
fn a_name_counts_until_somebody_removes_it() {
    let mut scene = scene("a_name_counts_until_somebody_removes_it", "multi");
    let path = scene.directory.join("name");
    scene
        .server
        .ask(&format!("attach n {} 600", path.display()), "attached");
    std::fs::remove_file(&path).unwrap();
    scene.noticed(1);
    scene.server.ask("detach n", "detached false");
    scene.noticed(1);
}

#[test]
fn a_name_counts_until_somebody_replaces_it() {
    let mut scene = scene("a_name_counts_until_somebody_replaces_it", "multi");
    let path = scene.directory.join("name");
    scene
        .server
        .ask(&format!("attach n {} 600", path.display()), "attached");
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
    let mut scene = scene("a_connection_through_a_name_counts_after_the_name", "multi");
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
        scene.client.ask("close p", "closed");
        scene.noticed(round);
    }
}

#[test]
fn connections_come_and_go_while_the_name_is_there() {
    let mut scene = scene("connections_come_and_go_while_the_name_is_there", "multi");
    let path = scene.directory.join("name");
    scene
        .server
        .ask(&format!("attach n {} 600", path.display()), "attached");
    for _ in 0..3 {
        scene
            .client
            .ask(&format!("open p {}", path.display()), "open");
        scene.client.ask("call p ehello", "reply hello");
        scene.client.ask("close p", "closed");
        scene.settled(1, 0);
    }
    scene.noticed(0);
}

#[test]
fn once_is_once_and_many_times_is_each_time() {
    for (kind, total) in [("once", 1), ("multi", 5)] {
        let mut scene = scene("once_is_once_and_many_times_is_each_time", kind);
        for round in 1..=5 {
            scene.client.ask("take s control", "taken");
            scene.client.ask("close s", "closed");
            scene.settled(0, 0);
            scene.noticed(total.min(round));
        }
    }
}

#[test]
fn what_happens_while_a_notice_runs_is_one_more_notice() {
    let mut scene = scene(
        "what_happens_while_a_notice_runs_is_one_more_notice",
        "multi",
    );
    scene.server.ask("manner slow", "so be it");
    scene.server.ask("mint", "minted");
    scene.server.ask("close-copies", "closed");
    scene.server.ask("wait begun 1", "begun 1");
    for _ in 0..4 {
        scene.server.ask("mint", "minted");
        scene.server.ask("close-copies", "closed");
        scene.settled(0, 0);
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
    let mut scene = scene("a_new_hand_out_before_delivery_puts_it_off", "multi");
    scene.server.ask("occupy", "occupied");
    scene.server.ask("mint", "minted");
    scene.server.ask("close-copies", "closed");
    scene.settled(0, 0);
    scene.server.ask("mint", "minted");
    scene.server.ask("raise vacated", "raised");
    scene.noticed(0);
    scene.server.ask("close-copies", "closed");
    scene.noticed(1);
}

#[test]
fn notices_that_wait_are_merged() {
    let mut scene = scene("notices_that_wait_are_merged", "multi");
    scene.server.ask("occupy", "occupied");
    for _ in 0..4 {
        scene.server.ask("mint", "minted");
        scene.server.ask("close-copies", "closed");
        scene.settled(0, 0);
    }
    scene.server.ask("raise vacated", "raised");
    scene.noticed(1);
}

#[test]
fn a_notice_waits_for_the_last_active_call() {
    let mut scene = scene("a_notice_waits_for_the_last_active_call", "multi");
    scene.client.ask("take s control", "taken");
    scene.client.ask("door s", "a door");
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
    let mut scene = scene("a_notice_waits_for_a_held_call", "multi");
    scene.client.ask("take s control", "taken");
    scene.client.ask("door s", "a door");
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
    let mut scene = scene(
        "a_notice_waits_for_a_first_call_that_came_as_a_packet",
        "multi",
    );
    let path = scene.directory.join("name");
    scene
        .server
        .ask(&format!("attach n {} 600", path.display()), "attached");
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
    let mut scene = scene("no_notice_comes_after_a_revocation", "multi");
    scene.client.ask("take s control", "taken");
    scene.server.ask("revoke", "Ok(())");
    scene.client.ask("close s", "closed");
    scene.settled(0, 0);
    scene.noticed(0);
}

#[test]
fn a_notice_that_waits_is_dropped_by_a_revocation() {
    let mut scene = scene("a_notice_that_waits_is_dropped_by_a_revocation", "multi");
    scene.server.ask("occupy", "occupied");
    scene.server.ask("mint", "minted");
    scene.server.ask("close-copies", "closed");
    scene.settled(0, 0);
    scene.server.ask("revoke", "Ok(())");
    scene.server.ask("raise vacated", "raised");
    scene.noticed(0);
}

#[test]
fn a_holder_cannot_fake_its_end() {
    let mut scene = scene("a_holder_cannot_fake_its_end", "multi");
    scene.client.ask("take s control", "taken");
    scene.client.ask("dup s u", "copied");
    scene.client.ask("take t control", "taken");
    scene.client.ask("shutdown s", "shut down");
    scene.noticed(0);
    // Another hand-out does not share its fate.
    scene.client.ask("door t", "a door");
    scene.client.ask("call t ehello", "reply hello");
    scene.client.ask("close t", "closed");
    scene.settled(1, 0);
    scene.client.ask("close s", "closed");
    scene.noticed(0);
    scene.client.ask("close u", "closed");
    scene.noticed(1);
}

#[test]
fn a_notice_may_take_a_lock_that_a_call_holds() {
    let mut scene = scene("a_notice_may_take_a_lock_that_a_call_holds", "multi");
    scene.server.ask("manner locking", "so be it");
    scene.client.ask("start control l one", "started");
    scene.server.ask("wait entered 1", "entered 1");
    scene.client.ask("take s control", "taken");
    scene.client.ask("close s", "closed");
    scene.server.ask("wait begun 1", "begun 1");
    // The notice waits for the lock; calls, hang-ups and new references go on.
    scene.client.ask("call control ehello", "reply hello");
    scene.client.ask("take s control", "taken");
    scene.client.ask("door s", "a door");
    scene.client.ask("call s ehello", "reply hello");
    scene.server.ask("count notices", "notices 0");
    scene.server.ask("raise released", "raised");
    scene.client.ask("join one", "reply unlocked");
    scene.noticed(1);
}

#[test]
fn a_door_that_its_owner_dropped_serves_until_the_last_descriptor_goes() {
    let mut scene = scene(
        "a_door_that_its_owner_dropped_serves_until_the_last_descriptor_goes",
        "multi",
    );
    scene.client.ask("take s control", "taken");
    scene.client.ask("take t control", "taken");
    scene.client.ask("door s", "a door");
    scene.server.ask("drop-door", "dropped");
    scene.client.ask("call s ehello", "reply hello");
    scene.client.ask("call s ehello", "reply hello");
    scene.client.ask("close t", "closed");
    scene.noticed(0);
    scene.client.ask("call s ehello", "reply hello");
    scene.server.ask("count dropped", "dropped 0");
    scene.client.ask("close s", "closed");
    scene.noticed(1);
    // The client's session goes on; the door, and what its procedure owns, is gone.
    scene.server.ask("wait dropped 1", "dropped 1");
    scene.client.ask("call control ehello", "reply hello");
}

#[test]
fn a_door_without_references_ends_with_its_owner() {
    for kind in ["none", "once", "multi"] {
        let mut scene = scene("a_door_without_references_ends_with_its_owner", kind);
        scene.server.ask("self-call", "true");
        scene.server.ask("drop-door", "dropped");
        scene.server.ask("wait dropped 1", "dropped 1");
        scene.server.ask("count notices", "notices 0");
    }
}

#[test]
fn a_private_door_ends_with_its_threads() {
    let mut scene = scene("a_private_door_ends_with_its_threads", "multi private");
    scene.client.ask("take s control", "taken");
    scene.client.ask("door s", "a door");
    scene.client.ask("call s ehello", "reply hello");
    scene.server.ask("drop-door", "dropped");
    scene.client.ask("call s ehello", "reply hello");
    let with_threads = Census::of(scene.server.pid()).threads;
    scene.client.ask("close s", "closed");
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
    let mut scene = scene("a_notice_that_owns_the_door_takes_it_along", "owning");
    scene.client.ask("take s control", "taken");
    scene.server.ask("drop-door", "dropped");
    scene.client.ask("close s", "closed");
    scene.noticed(1);
    scene.server.ask("wait dropped 1", "dropped 1");
}

#[test]
fn a_reference_that_goes_in_a_notice_with_the_owner_is_noticed() {
    let mut scene = scene(
        "a_reference_that_goes_in_a_notice_with_the_owner_is_noticed",
        "multi",
    );
    scene.server.ask("manner last-will", "so be it");
    scene.client.ask("take s control", "taken");
    scene.client.ask("close s", "closed");
    scene.server.ask("wait notices 2", "notices 2");
    scene.server.ask("wait dropped 1", "dropped 1");
}

#[test]
fn nothing_is_left_of_a_thousand_hand_outs() {
    let mut scene = scene("nothing_is_left_of_a_thousand_hand_outs", "multi");
    scene.client.ask("take s control", "taken");
    scene.client.ask("close s", "closed");
    scene.noticed(1);
    let before = Census::of(scene.server.pid());
    for _ in 0..1000 {
        scene.client.ask("take s control", "taken");
        scene.client.ask("close s", "closed");
    }
    scene.settled(0, 0);
    Census::settle(scene.server.pid(), "as before", |now| {
        now.descriptors() <= before.descriptors() && now.threads <= before.threads
    });
}
