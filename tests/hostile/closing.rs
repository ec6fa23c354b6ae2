//! A token that closes while a call of its holder waits.

use std::os::fd::OwnedFd;

use doors::Door;
use harness::raw::{self, Outcome, Session};
use harness::{Census, Directory, Peer, Watchdog};

use crate::served::Served;

const PEER: &str = env!("CARGO_BIN_EXE_peer");

/// The call was not executed: its door is not there.
const NO_DOOR: Outcome = Outcome::Answer(4, 1, 0);

#[test]
fn case_119_a_call_published_before_its_token_closes_runs() {
    let served = Served::new("case_119");
    let connection = served.connect();
    for round in 0..300 {
        let token = raw::remint(&connection);
        let mut session = Session::open(&token);
        if round % 2 == 1 {
            // A thread waits on the channel.
            let _own = session.call(b"i");
        }
        session.turn += 1;
        let turn = u32::try_from(session.turn).unwrap();
        session.put(0, b"i");
        session.publish(0, &published(&session), turn);
        drop(token);
        let outcome = session.wait(0, turn);
        assert!(
            matches!(outcome, Outcome::Answer(1, 0, _)),
            "round {round}: {outcome:?}"
        );
    }
    drop(connection);
    served.is_sound();
}

#[test]
fn case_119_a_call_published_after_its_token_has_closed_does_not_run() {
    let served = Served::new("case_119_after");
    let connection = served.connect();
    let token = raw::remint(&connection);
    // Two references in one session: the second shows that the end of the first was seen.
    let mut session = Session::open(&token);
    let _own = session.call(b"i");
    drop(token);
    loop {
        session.turn += 1;
        let head = published(&session);
        let turn = u32::try_from(session.turn).unwrap();
        session.put(0, b"i");
        session.publish(0, &head, turn);
        match session.wait(0, turn) {
            // Published before the server saw the end.
            Outcome::Answer(1, ..) => {}
            outcome => {
                assert_eq!(outcome, NO_DOOR);
                break;
            }
        }
    }
    drop((session, connection));
    served.is_sound();
}

/// An honest head for one byte in the turn that the session has come to.
fn published(session: &Session) -> raw::Head {
    raw::Head {
        generation: session.turn,
        ..session.head(1)
    }
}

/// A door with one thread, which a call keeps, and a second call behind it; its token has closed.
struct Closed {
    peer: Peer,
    session: Option<Session>,
    before: Census,
    _shop: Door,
    _directory: Directory,
    _watchdog: Watchdog,
}

impl Closed {
    fn new(name: &'static str) -> Self {
        let watchdog = Watchdog::new(name);
        let directory = Directory::new(name);
        let path = directory.join("shop");
        let mut peer = Peer::start(PEER, "closing", &[path.to_str().unwrap()]);
        peer.expect("ready");
        let shop = Door::open(&path).unwrap();
        let _others: Vec<_> = (0..2).map(|_| token(&shop)).collect();
        let before = Census::of(peer.pid());
        let token = token(&shop);
        let session = Session::open(&token);
        for (channel, data) in [(0, &b"wait"[..]), (1, b"second")] {
            session.put(channel, data);
            session.publish(channel, &session.head(data.len()), 1);
            if channel == 0 {
                peer.expect("wait");
            }
        }
        drop(token);
        Self {
            peer,
            session: Some(session),
            before,
            _shop: shop,
            _directory: directory,
            _watchdog: watchdog,
        }
    }

    /// How the call of a channel ended.
    fn outcome(&self, channel: usize) -> Outcome {
        self.session.as_ref().unwrap().wait(channel, 1)
    }

    /// Waits until the server knows so many references and active calls.
    fn settled(&mut self, wanted: &str) {
        loop {
            self.peer.say("figures");
            if self.peer.hear() == wanted {
                return;
            }
            std::thread::yield_now();
        }
    }
}

/// A reference to the door that the shop hands out.
fn token(shop: &Door) -> OwnedFd {
    let reply = shop.call(&[], vec![]).unwrap();
    reply.descriptors.into_iter().next().unwrap()
}

#[test]
fn case_119_unreferenced_waits_for_a_call_that_outlived_its_token_in_the_queue() {
    let mut closed = Closed::new("case_119_queue");
    // One runs, one is owed.
    closed.settled("0 2");
    closed.peer.say("go");
    closed.peer.expect("second");
    closed.peer.expect("unreferenced");
    for channel in 0..2 {
        assert_eq!(closed.outcome(channel), Outcome::Answer(1, 0, 0));
    }
    closed.settled("0 0");
}

#[test]
fn case_119_a_call_that_is_owed_ends_with_the_session_of_its_caller() {
    let mut closed = Closed::new("case_119_dead");
    closed.settled("0 2");
    drop(closed.session.take());
    closed.settled("0 1");
    closed.peer.say("go");
    closed.peer.expect("unreferenced");
    Census::settle(closed.peer.pid(), "the server holds more", |now| {
        now.holds_no_more_than(&closed.before, closed.before.mappings)
    });
}

#[test]
fn case_119_a_call_that_is_owed_is_turned_away_when_its_door_is_revoked() {
    let mut closed = Closed::new("case_119_revoked");
    closed.settled("0 2");
    closed.peer.say("revoke");
    closed.peer.expect("revoked true");
    assert_eq!(closed.outcome(1), NO_DOOR);
    closed.settled("0 1");
    closed.peer.say("go");
    assert_eq!(closed.outcome(0), Outcome::Answer(1, 0, 0));
    closed.settled("0 0");
}
