//! Threads that join a pool, and leave it.

use std::collections::BTreeSet;

use doors::{Door, DoorAttributes, DoorCondition, Invocation};
use harness::Watchdog;

use crate::server::{Server, assert_waits, call, calling, text};

#[test]
fn the_main_thread_can_join_the_pool_and_leave_it() {
    let _watchdog = Watchdog::new("main joins");
    let mut server = Server::start("main", &["creator=decline"]);
    assert_waits(&server.door);
    // Asked for while it serves nothing: without effect on what follows.
    assert_eq!(server.ask("unbind"), "unbound");
    assert_eq!(server.ask("join"), "joins");
    let main = server.peer.pid().to_string();
    for _ in 0..5 {
        assert_eq!(call(&server.door, "t"), main);
    }
    assert_eq!(call(&server.door, "u"), main);
    server.peer.expect("left");
    assert_eq!(server.threads(), 0);
    assert_waits(&server.door);
    assert_eq!(server.ask("join"), "joins");
    assert_eq!(call(&server.door, "t"), main);
}

#[test]
fn a_bound_thread_serves_its_private_door_until_it_unbinds() {
    let _watchdog = Watchdog::new("bind");
    let mut server = Server::start("bind", &["private", "creator=decline"]);
    assert_waits(&server.door);
    let main = server.peer.pid().to_string();
    for _ in 0..3 {
        assert_eq!(server.ask("bind"), "binds");
        // Through the connection, then through a session.
        assert_eq!(call(&server.door, "t"), main);
        assert_eq!(call(&server.door, "t"), main);
        assert_eq!(call(&server.door, "u"), main);
        server.peer.expect("left");
        assert_waits(&server.door);
    }
}

#[test]
fn only_a_private_door_of_the_own_process_has_places_for_threads() {
    let _watchdog = Watchdog::new("no place");
    let server = Server::start("place", &["private"]);
    let refused = |door: &Door| door.bind().unwrap_err().condition().clone();
    assert_eq!(refused(&server.door), DoorCondition::NotCreator);
    let procedure = |call: Invocation<'_>| call.door_return(&[], vec![]);
    let public = Door::create(procedure, DoorAttributes::empty()).unwrap();
    assert_eq!(refused(&public), DoorCondition::NotPrivate);
    let private = Door::create(procedure, DoorAttributes::PRIVATE).unwrap();
    assert_eq!(
        private.bind().unwrap().private_to(),
        Some(private.info().unwrap().id)
    );
    private.revoke().unwrap();
    let _place = private.bind().unwrap();
}

#[test]
fn private_and_public_doors_of_a_process_share_no_thread() {
    let _watchdog = Watchdog::new("disjoint");
    let mut server = Server::start("disjoint", &["private", "creator=start", "public"]);
    let public = Door::open(server.directory.join("public")).unwrap();
    let mut tids = [BTreeSet::new(), BTreeSet::new()];
    for round in 0..3 {
        let calls: Vec<_> = (0..12)
            .map(|at| {
                let door = if at % 2 == 0 { &server.door } else { &public };
                (at % 2, calling(door, "w"))
            })
            .collect();
        server.wait_entered((round + 1) * 12);
        server.open_gate(12);
        for (kind, call) in calls {
            tids[kind].insert(text(call.join().unwrap()));
        }
    }
    assert!(tids[0].is_disjoint(&tids[1]), "{tids:?}");
    assert!(tids[0].len() >= 6 && tids[1].len() >= 6, "{tids:?}");
    // The callback of the private door was told which door it is for.
    let id = server.door.info().unwrap().id;
    let created = server.created();
    assert!(
        created.iter().all(|(_, _, pool)| *pool == id),
        "{created:?}"
    );
}

#[test]
fn threads_that_all_leave_at_once_leave_no_call_behind() {
    let _watchdog = Watchdog::new("all leave");
    // One pool of each kind; every call takes its thread away.
    for words in [&["private"][..], &[]] {
        let server = Server::start("leave", words);
        let callers: Vec<_> = (0..4)
            .map(|_| {
                let door = server.door.clone();
                std::thread::spawn(move || {
                    for _ in 0..300 {
                        call(&door, "u");
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.join().unwrap();
        }
    }
}

#[test]
fn a_pool_that_its_last_thread_has_left_is_filled_when_a_call_waits() {
    let _watchdog = Watchdog::new("last leaves");
    // At the ceiling nobody is asked for a thread while the last one is there.
    for words in [&["private", "ceiling=1"][..], &["ceiling=1"]] {
        let mut server = Server::start("left", words);
        for _ in 0..5 {
            call(&server.door, "u");
            server.settle_threads(0);
            call(&server.door, "t");
            call(&server.door, "t");
            assert_eq!(server.threads(), 1);
        }
    }
}

#[test]
fn the_callback_is_asked_once_for_a_pool_that_all_have_left() {
    let _watchdog = Watchdog::new("asked once");
    let mut server = Server::start("once", &["private", "ceiling=1", "creator=one"]);
    call(&server.door, "u");
    server.settle_threads(0);
    // It declines: callers wait, until a thread joins.
    for _ in 0..3 {
        assert_waits(&server.door);
    }
    let created = server.created();
    let depleted: Vec<bool> = created.iter().map(|(_, depletion, _)| *depletion).collect();
    assert_eq!(depleted, [false, true], "{created:?}");
    assert_eq!(server.ask("bind"), "binds");
    assert_eq!(call(&server.door, "u"), server.peer.pid().to_string());
    server.peer.expect("left");
}
