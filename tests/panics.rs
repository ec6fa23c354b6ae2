//! Foreign code that panics beside the server procedure costs no channel, no thread and no count.

use doors::{CallCondition, Door};
use harness::calls::{books, both, start, until_idle};
use harness::raw::{self, Session};
use harness::{Directory, Watchdog};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

#[test]
fn what_a_panic_carries_may_panic_at_its_end_and_so_on() {
    let _watchdog = Watchdog::new("what_a_panic_carries");
    let directory = Directory::new("payload");
    let (mut peer, path) = start(PEER, &directory, "door", "");
    let books = books(&peer, &path).and_threads(1);
    for door in both(&path) {
        for _ in 0..5 {
            let error = door.call(b"bomb-panic", vec![]).unwrap_err();
            assert_eq!(error.condition, CallCondition::Panicked);
            assert_eq!(door.call(b"e", vec![]).unwrap().data, b"e");
        }
    }
    until_idle(&mut peer);
    books.balance();
}

#[test]
fn a_callback_may_panic_at_its_end() {
    let _watchdog = Watchdog::new("a_callback_may_panic_at_its_end");
    let directory = Directory::new("callback");
    let (mut peer, path) = start(PEER, &directory, "door", "");
    for (word, answer) in [
        ("bomb-return", "returned"),
        ("bomb-now", "now"),
        ("bomb-hold", "held"),
    ] {
        for door in both(&path) {
            for _ in 0..5 {
                let reply = door.call(word.as_bytes(), vec![]).unwrap();
                assert_eq!(reply.data, answer.as_bytes());
                assert_eq!(door.call(b"e", vec![]).unwrap().data, b"e", "after {word}");
            }
        }
        until_idle(&mut peer);
    }
}

#[test]
fn a_subscriber_may_panic() {
    let _watchdog = Watchdog::new("a_subscriber_may_panic");
    let directory = Directory::new("subscriber");
    let (_peer, path) = start(PEER, &directory, "door", "");
    let door = Door::open(&path).unwrap();
    assert_eq!(door.call(b"bomb-trace", vec![]).unwrap().data, b"traced");
    for _ in 0..5 {
        let connection = raw::connect(&path);
        let mut session = Session::open(&connection);
        assert_eq!(session.call(b"e"), b"e");
        // A turn that jumps, where a server thread waits.
        let head = session.head(0);
        session.publish(0, &head, 1000);
        raw::is_over(&session.socket);
        assert_eq!(door.call(b"e", vec![]).unwrap().data, b"e");
    }
}
