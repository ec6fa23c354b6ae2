//! The ways to answer a call, and not to.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{TryRecvError, channel};

use doors::{CallCondition, CallState, Door, Reply};
use harness::calls::{both, start, until_active, until_idle};
use harness::{Census, Directory, Peer, Watchdog};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

fn text(fd: OwnedFd) -> String {
    let mut text = String::new();
    File::from(fd).read_to_string(&mut text).unwrap();
    text
}

fn only_text(reply: Reply) -> String {
    let [fd] = <[OwnedFd; 1]>::try_from(reply.descriptors).unwrap();
    text(fd)
}

#[test]
fn after_door_reply_the_buffer_is_ours_and_the_caller_still_waits() {
    let _watchdog = Watchdog::new("after_door_reply");
    let directory = Directory::new("reply");
    let (mut peer, path) = start(PEER, &directory, "door", "");
    for door in both(&path) {
        peer.say("shut");
        peer.expect("shut");
        let (done, wait) = channel();
        let call = std::thread::spawn(move || {
            let reply = door.call(b"reply", vec![]).unwrap();
            done.send(()).unwrap();
            reply
        });
        peer.expect("replied");
        // It counts as active, and the caller has nothing yet.
        until_active(&mut peer, 1);
        assert_eq!(wait.try_recv(), Err(TryRecvError::Empty));
        peer.say("open");
        peer.expect("returns");
        let reply = call.join().unwrap();
        // What was handed over counts, not what came with the return.
        assert!(reply.data == vec![b'r'; 100_000]);
        assert_eq!(only_text(reply), "7");
    }
    Census::settle(peer.pid(), "what was handed over is closed", |census| {
        !census.descriptors.contains_key("/memfd:numbered (deleted)")
    });
}

#[test]
fn a_second_reply_is_an_error_and_the_first_counts() {
    let _watchdog = Watchdog::new("a_second_reply_is_an_error");
    let directory = Directory::new("twice");
    let (mut peer, path) = start(PEER, &directory, "door", "");
    for door in both(&path) {
        assert_eq!(door.call(b"reply-twice", vec![]).unwrap().data, b"first");
        peer.expect("Err(AlreadyReplied)");
    }
}

#[test]
fn a_reply_that_was_handed_over_survives_a_panic() {
    let _watchdog = Watchdog::new("a_reply_survives_a_panic");
    let directory = Directory::new("panic");
    let (_peer, path) = start(PEER, &directory, "door", "");
    for door in both(&path) {
        for _ in 0..3 {
            assert_eq!(
                door.call(b"reply-panic", vec![]).unwrap().data,
                b"before the panic"
            );
            assert_eq!(door.call(b"reply-now-panic", vec![]).unwrap().data, b"now");
            assert_eq!(door.call(b"e", vec![]).unwrap().data, b"e");
        }
    }
}

#[test]
fn door_reply_now_lets_the_caller_go_and_keeps_the_thread() {
    let _watchdog = Watchdog::new("door_reply_now");
    let directory = Directory::new("now");
    let (mut peer, path) = start(PEER, &directory, "door", "");
    for door in both(&path) {
        peer.say("shut");
        peer.expect("shut");
        // The reply is here while the procedure still runs.
        let reply = door.call(b"reply-now", vec![]).unwrap();
        assert_eq!(reply.data, b"now");
        assert_eq!(only_text(reply), "9");
        peer.expect("replied");
        // The call is over for all accounting, and the next ones are served by other threads.
        until_idle(&mut peer);
        let mut others = Vec::new();
        for _ in 0..10 {
            let reply = door.call(b"thread", vec![]).unwrap();
            others.push(String::from_utf8(reply.data).unwrap());
        }
        peer.say("open");
        let busy = peer.hear();
        assert!(
            busy.starts_with("ThreadId") && !others.contains(&busy),
            "{busy}: {others:?}"
        );
    }
}

#[test]
fn many_replies_now_are_answered_while_all_their_threads_stay_busy() {
    let _watchdog = Watchdog::new("many_replies_now");
    let directory = Directory::new("busy");
    let (mut peer, path) = start(PEER, &directory, "door", "");
    let [_, door] = both(&path);
    for _ in 0..40 {
        assert_eq!(door.call(b"reply-now", vec![]).unwrap().data, b"now");
        peer.expect("replied");
    }
    peer.say("open");
    let mut threads: Vec<String> = (0..40).map(|_| peer.hear()).collect();
    threads.sort();
    threads.dedup();
    assert_eq!(threads.len(), 40, "one thread ran two procedures at once");
}

#[test]
fn an_answer_that_cannot_be_handed_over_may_be_replaced() {
    let _watchdog = Watchdog::new("an_answer_that_cannot_be_handed_over");
    let directory = Directory::new("again");
    let (_peer, path) = start(PEER, &directory, "door", "");
    let why = b"1025 descriptors are more than the 1024 that a reply may bring";
    for word in ["too-many", "too-many-now"] {
        for door in both(&path) {
            assert_eq!(door.call(word.as_bytes(), vec![]).unwrap().data, why);
        }
    }
}

#[test]
fn a_held_call_is_answered_from_another_thread() {
    let _watchdog = Watchdog::new("a_held_call_is_answered");
    let directory = Directory::new("hold");
    let (mut peer, path) = start(PEER, &directory, "door", "");
    for door in both(&path) {
        let (done, wait) = channel();
        let call = door.clone();
        let call = std::thread::spawn(move || {
            let fds = vec![File::open("/dev/null").unwrap().into()];
            let mut data = b"hold ".to_vec();
            data.resize(100_000, b'x');
            let reply = call.call(&data, fds).unwrap();
            done.send(()).unwrap();
            reply
        });
        peer.expect("held");
        until_active(&mut peer, 1);
        // Others are served meanwhile, also with data that would overwrite what is held.
        for _ in 0..20 {
            let data = vec![b'e'; 50_000];
            assert!(door.call(&data, vec![]).unwrap().data == data);
        }
        assert_eq!(wait.try_recv(), Err(TryRecvError::Empty));
        peer.say("answer");
        peer.expect("answered 1");
        let reply = call.join().unwrap();
        assert!(reply.data.starts_with(b"late hold x") && reply.data.len() == 100_005);
        assert_eq!(reply.descriptors.len(), 1);
        until_idle(&mut peer);
        assert_eq!(door.call(b"e", vec![]).unwrap().data, b"e");
    }
}

#[test]
fn a_held_call_that_is_forgotten_tells_its_caller() {
    let _watchdog = Watchdog::new("a_held_call_that_is_forgotten");
    let directory = Directory::new("forget");
    let (mut peer, path) = start(PEER, &directory, "door", "");
    for door in both(&path) {
        let call = door.clone();
        let call = std::thread::spawn(move || call.call(b"hold", vec![]).unwrap_err());
        peer.expect("held");
        peer.say("forget");
        peer.expect("answered 1");
        let error = call.join().unwrap();
        assert_eq!(error.condition, CallCondition::Unanswered);
        assert_eq!(
            (error.call_state(), error.errno()),
            (CallState::MayHaveExecuted, libc::EINTR)
        );
        // The same when the procedure itself drops it, and when it hands back the proof of another call.
        assert_eq!(
            door.call(b"drop", vec![]).unwrap_err().condition,
            CallCondition::Unanswered
        );
        assert_eq!(door.call(b"stash", vec![]).unwrap().data, b"stashed");
        assert_eq!(door.call(b"e", vec![]).unwrap().data, b"e");
    }
}

#[test]
fn two_hundred_calls_are_held_with_few_threads() {
    let _watchdog = Watchdog::new("two_hundred_calls_are_held");
    let directory = Directory::new("many");
    let (mut peer, path) = start(PEER, &directory, "door", "");
    let [_, door] = both(&path);
    let calls: Vec<_> = (0..200)
        .map(|number| {
            let door = door.clone();
            std::thread::spawn(move || {
                let data = format!("hold {number}");
                let reply = door.call(data.as_bytes(), vec![]).unwrap();
                assert_eq!(reply.data, format!("late hold {number}").as_bytes());
            })
        })
        .collect();
    for _ in 0..200 {
        peer.expect("held");
    }
    until_active(&mut peer, 200);
    peer.say("threads");
    let threads: usize = peer.hear().parse().unwrap();
    assert!(threads < 100, "{threads} threads for 200 held calls");
    // The door serves on.
    assert_eq!(
        Door::open(&path).unwrap().call(b"e", vec![]).unwrap().data,
        b"e"
    );
    peer.say("answer");
    peer.expect("answered 200");
    for call in calls {
        call.join().unwrap();
    }
    until_idle(&mut peer);
}

#[test]
fn a_held_call_sees_that_its_client_was_killed() {
    let _watchdog = Watchdog::new("a_held_call_sees_that_its_client_was_killed");
    let directory = Directory::new("gone");
    let (mut peer, path) = start(PEER, &directory, "door", "");
    drop(both(&path));
    let before = Census::of(peer.pid());
    for first in [true, false] {
        let mut client = Peer::start(PEER, "calls-client", &[path.to_str().unwrap()]);
        client.expect("ready");
        if !first {
            client.say("e");
            client.expect("1 bytes");
        }
        client.say("hold");
        peer.expect("held");
        peer.say("cancelled");
        peer.expect("0");
        client.kill();
        loop {
            peer.say("cancelled");
            if peer.hear() == "1" {
                break;
            }
        }
        // A caller that has gone is no error, with a descriptor or without; the descriptor does not stay.
        peer.say("answer-with-a-file");
        peer.expect("given");
        peer.expect("answered 1");
        until_idle(&mut peer);
    }
    Census::settle(peer.pid(), "something stays of the clients", |census| {
        census.descriptors() <= before.descriptors() && census.mappings <= before.mappings
    });
}

#[test]
fn a_callback_runs_when_the_client_is_killed() {
    let _watchdog = Watchdog::new("a_callback_runs_when_the_client_is_killed");
    let directory = Directory::new("callback");
    let (mut peer, path) = start(PEER, &directory, "door", "");
    for first in [true, false] {
        let mut client = Peer::start(PEER, "calls-client", &[path.to_str().unwrap()]);
        client.expect("ready");
        if !first {
            client.say("e");
            client.expect("1 bytes");
        }
        client.say("watch");
        peer.expect("begun");
        client.kill();
        let mut said = [peer.hear(), peer.hear()];
        said.sort();
        assert_eq!(said, ["called back", "cancelled"]);
    }
    assert_eq!(
        Door::open(&path).unwrap().call(b"e", vec![]).unwrap().data,
        b"e"
    );
}

#[test]
fn a_hundred_thousand_replies_leave_nothing() {
    let _watchdog = Watchdog::new("a_hundred_thousand_replies_leave_nothing");
    let directory = Directory::new("nothing");
    let (mut peer, path) = start(PEER, &directory, "door", "");
    peer.say("open");
    let [_, door] = both(&path);
    let round = |count: usize| {
        for at in 0..count {
            let word = ["reply-now-panic", "drop", "stash", "e"][at % 4];
            let _any = door.call(word.as_bytes(), vec![]);
        }
    };
    round(200);
    let rest = |census: &Census| census.threads < 12;
    let before = Census::settle(peer.pid(), "many threads", rest);
    round(100_000);
    Census::settle(peer.pid(), "something stays", |census| {
        rest(census)
            && census.descriptors() <= before.descriptors()
            && census.mappings <= before.mappings
    });
}
