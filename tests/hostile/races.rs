//! Words of a call window that change while they are looked at, or without a word to who sleeps on them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::raw::{Outcome, Packet, Session, kind};

use crate::served::Served;

/// Where the server says whether a thread is awake, sleeping or away.
const PRESENCE: usize = 64;
const QUIET: u32 = 0;
const AWAKE: u32 = 1;

#[test]
fn case_32_33_words_and_payload_that_change_all_the_time_harm_nobody() {
    let served = Served::with("case_32", "serve", "");
    let connection = served.connect();
    let until = Instant::now() + Duration::from_secs(3);
    let mut rounds = 0_u32;
    while Instant::now() < until {
        let session = Arc::new(Session::open(&connection));
        let scribbler = Arc::clone(&session);
        let registration = session.ledger.registration;
        let scribble = std::thread::spawn(move || {
            let call = &scribbler.call;
            let area = scribbler.area_at(0);
            for value in 0..20_000_u32 {
                let odd = value % 3 == 0;
                call.store(32, if odd { u32::MAX } else { 64 });
                call.store_long(24, if odd { 3 } else { 64 });
                call.store(36, if odd { value } else { 0 });
                call.store(40, u32::from(value % 97 == 0) * value);
                call.store_long(16, registration + u64::from(value % 31 == 0));
                call.write(area, &[b'e', b'n', b'1', value.to_le_bytes()[0]]);
                call.store_long(48, u64::from(value));
                call.store(44, value);
                call.store(64, value);
                call.store_long(72, u64::from(value));
            }
        });
        // Honest turns meanwhile, one after the other, until a lie is met.
        let mut turn = 0;
        loop {
            turn += 1;
            let mut head = session.head(64);
            head.generation = u64::from(turn);
            session.publish(0, &head, turn);
            if session.wait(0, turn) == Outcome::Over || turn > 3000 {
                break;
            }
        }
        scribble.join().unwrap();
        rounds += 1;
    }
    assert!(rounds > 0);
    drop(connection);
    served.is_sound();
}

#[test]
fn case_45_a_turn_word_that_flips_at_full_speed_ends_its_session_only() {
    let served = Served::new("case_45");
    let connection = served.connect();
    for (one, other) in [(0, 1), (1, 2), (7, 0), (u32::MAX, 0)] {
        let session = Session::open(&connection);
        let head = session.head(0);
        session.publish(0, &head, 1);
        let until = Instant::now() + Duration::from_millis(300);
        while Instant::now() < until {
            for _ in 0..10_000 {
                session.call.store(0, one);
                session.call.store(0, other);
            }
            session.call.wake(0);
        }
        served.still_serves();
        drop(session);
    }
    drop(connection);
    served.is_sound();
}

#[test]
fn case_46_threads_parked_on_the_servers_word_keep_no_thread_of_it() {
    let served = Served::new("case_46");
    let connection = served.connect();
    let mut session = Session::open(&connection);
    assert_eq!(session.call(b"e"), b"e");
    let window = Arc::new(session);
    let thieves: Vec<_> = (0..50)
        .map(|_| {
            let session = Arc::clone(&window);
            std::thread::spawn(move || {
                while session.call.load(0) < 5 {
                    session.call.sleep(0, session.call.load(0));
                }
            })
        })
        .collect();
    // Calls that come while the thieves sleep there as well.
    for turn in 2..5 {
        let mut head = window.head(1);
        head.generation = u64::from(turn);
        window.publish(0, &head, turn);
        assert!(matches!(window.wait(0, turn), Outcome::Answer(1, ..)));
    }
    // The server's thread leaves when the session ends, thieves or not.
    nix::sys::socket::shutdown(
        std::os::fd::AsRawFd::as_raw_fd(&window.socket),
        nix::sys::socket::Shutdown::Both,
    )
    .unwrap();
    drop(connection);
    served.is_sound();
    window.call.store(0, 99);
    window.call.wake(0);
    for thief in thieves {
        thief.join().unwrap();
    }
}

#[test]
fn case_47_a_call_is_served_though_nobody_wakes_the_server_and_wakes_for_nothing_are_harmless() {
    let served = Served::new("case_47");
    let connection = served.connect();
    let mut session = Session::open(&connection);
    assert_eq!(session.call(b"e"), b"e");
    for _ in 0..5 {
        for _ in 0..1000 {
            session.call.wake(0);
        }
        // Published while the thread sleeps (or the channel is quiet), without a wake: the time after which the
        // channel falls quiet brings a look.
        while session.reply.load(PRESENCE) == AWAKE {
            std::thread::yield_now();
        }
        session.turn += 1;
        let turn = u32::try_from(session.turn).unwrap();
        session.call.store_long(8, session.turn);
        session.call.store(0, turn);
        if session.reply.load(PRESENCE) == QUIET {
            session.say(&Packet::new(kind::RING));
        }
        assert!(matches!(session.wait(0, turn), Outcome::Answer(1, ..)));
    }
    drop((session, connection));
    served.is_sound();
}
