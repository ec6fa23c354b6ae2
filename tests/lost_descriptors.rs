//! Descriptors of calls that fail, on either side: none stays.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;

use doors::{CallCondition, CallState, Door, DoorDesc};
use harness::calls::{books, both, start, until_idle, warm};
use harness::files::{is_at_end, number_in, numbered, pipe, raise_limit, until_at_end};
use harness::waiting::until_asleep_in_a_call;
use harness::{Books, Census, Directory, Peer, Watchdog};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

#[test]
fn a_server_with_a_full_table_does_not_execute_the_call() {
    let _watchdog = Watchdog::new("a_server_with_a_full_table");
    raise_limit();
    let directory = Directory::new("full-server");
    let (mut peer, path) = start(PEER, &directory, "door", "");
    let [fresh, door] = both(&path);
    // The channel has its socket: the descriptors arrive, and find no place.
    door.call(b"e", vec![DoorDesc::from(numbered(1))]).unwrap();
    door.call(b"e", vec![DoorDesc::from(numbered(1))]).unwrap();
    peer.say("full");
    peer.expect("full");
    for count in [1_usize, 300] {
        for door in [&door, &fresh] {
            let (mut from, to) = pipe();
            let mut fds: Vec<_> = (1..count).map(|at| DoorDesc::from(numbered(at))).collect();
            fds.push(DoorDesc::from(to));
            let error = door.call(b"mark 1", fds).unwrap_err();
            assert_eq!(error.call_state(), CallState::NotExecuted, "{error}");
            assert!(
                matches!(
                    error.condition,
                    CallCondition::DescriptorsLost | CallCondition::NoRoom
                ),
                "{error}"
            );
            while !is_at_end(&mut from) {
                // Data go on meanwhile, where there is a session.
                let _data = door.call(b"e", vec![]);
            }
        }
    }
    peer.say("room");
    peer.expect("room");
    for door in [&door, &fresh] {
        let reply = door.call(b"e", vec![DoorDesc::from(numbered(9))]).unwrap();
        assert_eq!(number_in(reply.descriptors.into_iter().next().unwrap()), 9);
    }
    // What failed did not run.
    peer.ask("marked", "");
}

#[test]
fn a_client_with_a_full_table_hears_that_the_reply_was_lost() {
    let _watchdog = Watchdog::new("a_client_with_a_full_table");
    let directory = Directory::new("full-client");
    let (peer, path) = start(PEER, &directory, "door", "");
    let before = Census::of(peer.pid());
    let mut client = Peer::start(PEER, "calls-poor-client", &[path.to_str().unwrap()]);
    client.expect("first reply with files: ReplyLost");
    client.expect("data meanwhile: 5 and 0");
    client.expect("packet: ReplyLost");
    let refused = client.hear();
    assert!(refused.starts_with("no session yet: "), "{refused}");
    assert!(
        refused.contains("EMFILE") || refused.contains("NoRoom"),
        "{refused}"
    );
    client.expect("room: 0 and 2");
    client.expect("socket there: ReplyLost");
    client.expect("room again: 0 and 300");
    client.expect("packet client: 0 and 2");
    client.finish();
    Census::settle(peer.pid(), "nothing stays of the client", |census| {
        census.descriptors() <= before.descriptors() + 1 && census.mappings == before.mappings
    });
}

#[test]
fn descriptors_of_calls_given_up_are_closed_on_both_sides() {
    let _watchdog = Watchdog::new("descriptors_of_calls_given_up_are_closed");
    let directory = Directory::new("given-up");
    let (mut peer, path) = start(PEER, &directory, "door", "");
    for door in both(&path) {
        peer.say("shut");
        peer.expect("shut");
        let (mut from, to) = pipe();
        let soon = std::time::Instant::now() + std::time::Duration::from_millis(50);
        let error = door
            .call_until(b"slow-file", vec![DoorDesc::from(to)], soon)
            .unwrap_err();
        assert_eq!(error.condition, CallCondition::TimedOut { taken: true });
        peer.expect("begun");
        peer.say("open");
        peer.expect("ended");
        // The answer that nobody waits for brought the pipe's end back to this process, where it must not stay.
        until_at_end(&mut from);
        assert_eq!(
            door.call(b"e", vec![DoorDesc::from(numbered(3))])
                .unwrap()
                .descriptors
                .len(),
            1
        );
    }
}

/// Deadlines that pass at every moment of a call with descriptors both ways.
#[test]
fn ten_thousand_calls_that_are_given_up_leave_no_descriptor() {
    let _watchdog = Watchdog::new("ten_thousand_calls_that_are_given_up");
    let directory = Directory::new("ten-thousand");
    let (mut peer, path) = start(PEER, &directory, "door", "");
    let session = warm(&path);
    session.call(b"e", vec![numbered(1).into()]).unwrap();
    // Numbered files: those of the calls, and no others, on either side.
    let files = |pid: u32| {
        let census = Census::of(pid);
        let found = census.descriptors.get("/memfd:numbered (deleted)");
        found.copied().unwrap_or(0)
    };
    let mut given_up = 0;
    for round in 0_u64.. {
        if given_up == 10_000 {
            break;
        }
        // One in eight is a first call.
        let door = if round % 8 == 0 {
            Door::open(&path).unwrap()
        } else {
            session.clone()
        };
        let lent = numbered(2);
        let fds = vec![DoorDesc::from(numbered(1)), DoorDesc::Lent(lent.as_fd())];
        let until = std::time::Instant::now() + std::time::Duration::from_micros(round * 7 % 160);
        match door.call_until(b"e", fds, until) {
            Ok(reply) => assert_eq!(reply.descriptors.len(), 2),
            Err(_) => given_up += 1,
        }
    }
    until_idle(&mut peer);
    assert_eq!(
        session
            .call(b"e", vec![numbered(1).into()])
            .unwrap()
            .descriptors
            .len(),
        1
    );
    drop(session);
    for pid in [peer.pid(), std::process::id()] {
        Census::settle(pid, "files of the calls stay", |_| files(pid) == 0);
    }
}

#[test]
fn descriptors_of_calls_that_were_never_taken_are_closed() {
    let _watchdog = Watchdog::new("descriptors_of_calls_that_were_never_taken");
    let directory = Directory::new("never-taken");
    let (mut peer, path) = start(PEER, &directory, "door", "single");
    let [fresh, door] = both(&path);
    let busy = door.clone();
    let gate = std::thread::spawn(move || busy.call(b"gate", vec![]).unwrap());
    peer.expect("begun");
    let mut ends = Vec::new();
    for door in [&door, &fresh] {
        let (from, to) = pipe();
        let soon = std::time::Instant::now() + std::time::Duration::from_millis(50);
        let error = door
            .call_until(b"e", vec![DoorDesc::from(to)], soon)
            .unwrap_err();
        assert_eq!(error.condition, CallCondition::TimedOut { taken: false });
        ends.push(from);
    }
    peer.say("open");
    gate.join().unwrap();
    for mut from in ends {
        until_at_end(&mut from);
    }
}

#[test]
fn lent_descriptors_stay_and_released_ones_go_whatever_comes_of_the_call() {
    let _watchdog = Watchdog::new("lent_descriptors_stay_and_released_ones_go");
    raise_limit();
    let directory = Directory::new("failing");
    let (_peer, path) = start(PEER, &directory, "door", "");
    let (_refusing, refusing) = start(PEER, &directory, "refusing", "refuse");
    let mut dead = start(PEER, &directory, "dead", "");
    let mut doors = Vec::new();
    for (path, data, works) in [
        (&path, "e", true),
        (&path, "panic", false),
        (&refusing, "e", false),
        (&dead.1, "e", false),
    ] {
        doors.extend(both(path).map(|door| (door, data, works)));
    }
    dead.0.kill();
    for (door, data, works) in doors {
        let (mut from, to) = pipe();
        let lent = to.try_clone().unwrap();
        let fds = vec![DoorDesc::from(to), DoorDesc::Lent(lent.as_fd())];
        let outcome = door.call(data.as_bytes(), fds);
        assert_eq!(outcome.is_ok(), works, "{data}: {outcome:?}");
        drop(outcome);
        // Our lent copy works still and is the last one that there is.
        File::from(lent).write_all(b"x").unwrap();
        from.read_exact(&mut [0]).unwrap();
        until_at_end(&mut from);
    }
}

#[test]
fn a_refusing_door_takes_none_and_keeps_none() {
    let _watchdog = Watchdog::new("a_refusing_door_takes_none");
    raise_limit();
    let directory = Directory::new("refusing");
    let (peer, path) = start(PEER, &directory, "door", "refuse");
    let keeper = warm(&path);
    for door in both(&path) {
        for count in [1, 300] {
            let (mut from, to) = pipe();
            let mut fds: Vec<_> = (1..count)
                .map(|_| DoorDesc::from(to.try_clone().unwrap()))
                .collect();
            fds.push(DoorDesc::from(to));
            let error = door.call(b"e", fds).unwrap_err();
            assert_eq!(error.condition, CallCondition::RefusesDescriptors);
            assert_eq!(
                (error.errno(), error.call_state()),
                (libc::ENOTSUP, CallState::NotExecuted)
            );
            // They do not stay on the way while the channel is in use.
            while !is_at_end(&mut from) {
                assert_eq!(keeper.call(b"e", vec![]).unwrap().data, b"e");
                assert_eq!(door.call(b"e", vec![]).unwrap().data, b"e");
            }
        }
    }
    drop(peer);
}

#[test]
fn case_26_a_client_that_is_killed_before_it_takes_descriptors_costs_the_server_none() {
    let _watchdog = Watchdog::new("case_26_a_client_that_is_killed");
    let directory = Directory::new("killed-client");
    let (mut peer, path) = start(PEER, &directory, "door", "");
    let books = books(&peer, &path).and_threads(1);
    for round in 0..20 {
        let mut client = Peer::start(PEER, "calls-client", &[path.to_str().unwrap()]);
        client.expect("ready");
        // As a packet on its connection, and through a session.
        if round % 2 == 0 {
            client.ask("e", "1 bytes");
        }
        client.say("hold");
        peer.expect("held");
        client.stop();
        peer.ask("answer-with-a-file", "given");
        peer.expect("answered 1");
        client.kill();
    }
    books.balance();
}

#[test]
fn case_26_a_server_that_is_killed_before_it_takes_descriptors_costs_the_client_none() {
    let _watchdog = Watchdog::new("case_26_a_server_that_is_killed");
    let directory = Directory::new("killed-server");
    let mut client = Peer::start(PEER, "customer", &[]);
    client.expect("ready");
    let mut books = None;
    for round in 0..6 {
        let (mut peer, path) = start(PEER, &directory, &round.to_string(), "");
        client.ask(&format!("open {}", path.display()), "open");
        // A session, and a channel that has its socket.
        for _ in 0..2 {
            client.ask("send 2", "reply 1 2");
        }
        peer.stop();
        client.say("send 50");
        until_asleep_in_a_call(client.pid());
        peer.kill();
        let heard = client.hear();
        assert!(heard.starts_with("error not-executed"), "{heard}");
        client.ask("drop", "dropped");
        // The first one made the watcher, which stays.
        let books = books.get_or_insert_with(|| {
            Census::settle(client.pid(), "a dead server", |now| now.mappings == 0);
            Books::of(&client)
        });
        books.balance();
    }
}

#[test]
fn a_session_that_lost_new_channels_for_want_of_descriptors_grows_when_there_is_room() {
    let _watchdog = Watchdog::new("a_session_that_lost_new_channels");
    let directory = Directory::new("lost-channels");
    let (mut peer, path) = start(PEER, &directory, "door", "");
    peer.say("shut");
    peer.expect("shut");
    let mut client = Peer::start(PEER, "calls-crowd", &[path.to_str().unwrap()]);
    for _ in 0..4 {
        peer.expect("begun");
    }
    client.say("go");
    client.expect("full: TimedOut { taken: false }");
    // All four are still busy: this is a new one.
    client.expect("room: 2 and 0");
    peer.say("open");
    for _ in 0..4 {
        peer.expect("cancelled: false");
    }
    assert!(client.finish().success());
}
