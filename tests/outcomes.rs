//! What a caller learns about a call that brought no reply.

use doors::{CallCondition, CallState, Door};
use harness::calls::{books, start, warm};
use harness::waiting::calling;
use harness::{Directory, Watchdog};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

#[test]
fn a_server_that_dies_before_the_call_has_not_executed_it() {
    let _watchdog = Watchdog::new("a_server_that_dies_before_the_call");
    let directory = Directory::new("dead");
    let (mut peer, path) = start(PEER, &directory, "door", "");
    let (used, fresh, again) = (warm(&path), Door::open(&path).unwrap(), warm(&path));
    // A call that is in nobody's hands when the server is killed.
    peer.stop();
    let waiting: Vec<_> = [again, Door::open(&path).unwrap()]
        .into_iter()
        .map(|door| calling(move || door.call(b"e", vec![]).unwrap_err()))
        .collect();
    peer.kill();
    for waiting in waiting {
        let error = waiting.join().unwrap();
        assert_eq!(error.call_state(), CallState::NotExecuted, "{error}");
        assert_eq!(error.errno(), libc::EBADF);
    }
    for door in [&used, &fresh] {
        for _ in 0..3 {
            let error = door.call(b"e", vec![]).unwrap_err();
            assert_eq!(error.call_state(), CallState::NotExecuted, "{error}");
            assert_eq!(error.errno(), libc::EBADF);
        }
    }
}

#[test]
fn a_server_that_dies_in_the_procedure_may_have_executed_the_call() {
    let _watchdog = Watchdog::new("a_server_that_dies_in_the_procedure");
    let directory = Directory::new("dying");
    for word in ["gate", "die", "reply-exit"] {
        for session in [true, false] {
            let (mut peer, path) = start(PEER, &directory, &format!("{word}-{session}"), "");
            let door = if session {
                warm(&path)
            } else {
                Door::open(&path).unwrap()
            };
            let call = std::thread::spawn(move || door.call(word.as_bytes(), vec![]).unwrap_err());
            if word == "gate" {
                peer.expect("begun");
                peer.kill();
            }
            let error = call.join().unwrap();
            assert_eq!(
                error.condition,
                CallCondition::ServerDied { taken: true },
                "{word}"
            );
            assert_eq!(error.call_state(), CallState::MayHaveExecuted);
            assert_eq!(error.errno(), libc::EINTR);
        }
    }
}

#[test]
fn a_panic_is_told_apart_from_a_death() {
    let _watchdog = Watchdog::new("a_panic_is_told_apart_from_a_death");
    let directory = Directory::new("panic");
    let (peer, path) = start(PEER, &directory, "door", "");
    let books = books(&peer, &path).and_threads(1);
    for door in [warm(&path), Door::open(&path).unwrap()] {
        let error = door.call(b"panic", vec![]).unwrap_err();
        assert_eq!(error.condition, CallCondition::Panicked);
        assert_eq!(error.call_state(), CallState::MayHaveExecuted);
        assert_eq!(door.call(b"e", vec![]).unwrap().data, b"e");
    }
    books.balance();
}
