//! Doors that are revoked.

use std::sync::mpsc::{TryRecvError, channel};

use doors::{CallCondition, CallState, Door, DoorAttributes, DoorCondition, Options, Unreferenced};
use harness::calls::{books, opened_and_received, start, until_idle};
use harness::waiting::calling;
use harness::{Directory, Watchdog};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

#[test]
fn a_revoked_door_finishes_what_runs_and_takes_nothing_more() {
    let _watchdog = Watchdog::new("a_revoked_door_finishes_what_runs");
    for words in ["", "private"] {
        let directory = Directory::new("revoked");
        let (mut peer, path) = start(PEER, &directory, "door", words);
        // Two calls run at once, and a third is refused.
        let books = books(&peer, &path).and_threads(2);
        let [_, session] = opened_and_received(&path);
        let opened = Door::open(&path).unwrap();
        let active: Vec<_> = [session.clone(), Door::open(&path).unwrap()]
            .into_iter()
            .map(|door| std::thread::spawn(move || door.call(b"gate", vec![]).unwrap()))
            .collect();
        peer.expect("begun");
        peer.expect("begun");
        peer.say("revoke");
        peer.expect("Ok(())");
        peer.say("revoke");
        peer.expect("Ok(())");
        for door in [&session, &opened] {
            for _ in 0..2 {
                let error = door.call(b"e", vec![]).unwrap_err();
                assert_eq!(error.condition, CallCondition::NoDoor);
                assert_eq!(
                    (error.call_state(), error.errno()),
                    (CallState::NotExecuted, libc::EBADF)
                );
            }
            assert!(
                door.info()
                    .unwrap()
                    .attributes
                    .contains(DoorAttributes::REVOKED)
            );
            let error = door.revoke().unwrap_err();
            assert_eq!(*error.condition(), DoorCondition::NotCreator);
        }
        peer.say("open");
        for active in active {
            assert_eq!(active.join().unwrap().data, b"through");
        }
        let error = session.call(b"e", vec![]).unwrap_err();
        assert_eq!(error.condition, CallCondition::NoDoor);
        until_idle(&mut peer);
        drop((session, opened));
        books.balance();
    }
}

#[test]
fn a_revocation_wakes_the_callers_that_wait_for_a_thread() {
    let _watchdog = Watchdog::new("a_revocation_wakes_the_callers_that_wait");
    for words in ["single", "single,private"] {
        let directory = Directory::new("waiting");
        let (mut peer, path) = start(PEER, &directory, "door", words);
        let books = books(&peer, &path);
        let [_, session] = opened_and_received(&path);
        let busy = session.clone();
        let active = std::thread::spawn(move || busy.call(b"gate", vec![]).unwrap());
        peer.expect("begun");
        let waiting: Vec<_> = [session.clone(), Door::open(&path).unwrap()]
            .into_iter()
            .map(|door| calling(move || door.call(b"e", vec![]).unwrap_err()))
            .collect();
        peer.say("revoke");
        peer.expect("Ok(())");
        // While the only thread is in the procedure still.
        for waiting in waiting {
            assert_eq!(
                waiting.join().unwrap().condition,
                CallCondition::NoDoor,
                "{words}"
            );
        }
        peer.say("open");
        assert_eq!(active.join().unwrap().data, b"through");
        drop(session);
        books.balance();
    }
}

#[test]
fn large_results_of_a_door_that_is_revoked_meanwhile_arrive() {
    let _watchdog = Watchdog::new("large_results_of_a_revoked_door");
    for words in ["", "private"] {
        let directory = Directory::new("large");
        let (mut peer, path) = start(PEER, &directory, "door", words);
        // The session keeps the area that it got for this.
        let books = books(&peer, &path).and_threads(1).and_mappings(4);
        let [_, session] = opened_and_received(&path);
        let call = std::thread::spawn(move || {
            let mut data = b"hold ".to_vec();
            data.resize(30 << 20, b'x');
            session.call(&data, vec![]).unwrap()
        });
        peer.expect("held");
        peer.say("revoke");
        peer.expect("Ok(())");
        // The answer needs many turns, on a channel of a door that is revoked.
        peer.say("answer");
        peer.expect("answered 1");
        assert_eq!(call.join().unwrap().data.len(), (30 << 20) + 5);
        books.balance();
    }
}

#[test]
fn a_revoked_door_gives_no_notice() {
    let _watchdog = Watchdog::new("a_revoked_door_gives_no_notice");
    let directory = Directory::new("notice");
    let (mut peer, path) = start(PEER, &directory, "door", "");
    let books = books(&peer, &path);
    let holder = Door::open(&path).unwrap();
    let (tell, told) = channel();
    let make = |name: &'static str| {
        let tell = tell.clone();
        let notice = Unreferenced::multi(move || tell.send(name).unwrap());
        let options = Options {
            unreferenced: Some(notice),
            ..Options::default()
        };
        let door = Door::create_with(|call| call.door_return(b"", vec![]), options).unwrap();
        // Another process has it.
        holder.call(b"keep", vec![door.to_desc().unwrap()]).unwrap();
        door
    };
    let (revoked, sound) = (make("revoked"), make("sound"));
    revoked.revoke().unwrap();
    assert!(
        revoked
            .info()
            .unwrap()
            .attributes
            .contains(DoorAttributes::REVOKED)
    );
    peer.say("unkeep");
    peer.expect("unkept");
    // Notices of one process come one at a time, in order: when the later one is there the earlier will not come.
    assert_eq!(told.recv(), Ok("sound"));
    assert_eq!(told.try_recv(), Err(TryRecvError::Empty));
    drop((sound, holder));
    books.balance();
}
