//! Garbage in the words of a call window.

use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::raw::{Head, Outcome, Packet, Session, kind};

use crate::served::Served;

/// Bytes of the words of one channel.
const WORDS: usize = 256;

const NO_DOOR: Outcome = Outcome::Answer(4, 1, 0);

#[test]
fn case_44_a_turn_that_jumps_ends_the_session() {
    let served = Served::new("case_44");
    let connection = served.connect();
    for turn in [0, 3, 1000, 0x7fff_ffff, u32::MAX, u32::MAX - 1] {
        // On a quiet channel, and on one where a thread waits.
        for channel in [0, 1] {
            let mut session = Session::open(&connection);
            assert_eq!(session.call(b"e"), b"e");
            let head = session.head(0);
            session.publish(channel, &head, turn);
            if (channel, turn) == (1, 0) {
                continue;
            }
            harness::raw::is_over(&session.socket);
        }
    }
    drop(connection);
    served.is_sound();
}

#[test]
fn case_44_a_jump_on_a_quiet_channel_of_an_unknown_door_ends_the_session() {
    // With private doors only, nobody serves the pool of the process.
    let served = Served::with("case_44b", "secluded", "");
    let connection = served.connect();
    for (registration, turn) in [(77, 5), (0, u32::MAX), (u64::MAX, 2)] {
        let session = Session::open(&connection);
        let mut head = session.head(0);
        head.registration = registration;
        session.publish(0, &head, turn);
        harness::raw::is_over(&session.socket);
    }
    // An unknown door with an honest turn is answered, and the channel goes on.
    let mut session = Session::open(&connection);
    let mut head = session.head(0);
    head.registration = 77;
    assert_eq!(session.turn(&head), NO_DOOR);
    assert_eq!(session.call(b"ab"), b"2 0");
    drop((session, connection));
    served.is_sound();
}

/// An honest head with one word changed, and what must come of it.
fn lies(session: &Session) -> Vec<(&'static str, Head, Outcome)> {
    let good = session.head(3);
    let over = Outcome::Over;
    let with = |change: &dyn Fn(&mut Head)| {
        let mut head = good;
        change(&mut head);
        head
    };
    vec![
        ("no move", with(&|h| h.step = 0), over),
        ("a move too high", with(&|h| h.step = 4), over),
        ("garbage move", with(&|h| h.step = u32::MAX), over),
        ("arguments of no call", with(&|h| h.step = 2), over),
        ("results of no call", with(&|h| h.step = 3), over),
        ("generation 0", with(&|h| h.generation = 0), over),
        ("generation of before", with(&|h| h.generation -= 1), over),
        ("generation too far", with(&|h| h.generation += 1), over),
        ("high half", with(&|h| h.generation += 1 << 32), over),
        ("generation max", with(&|h| h.generation = u64::MAX), over),
        ("unknown door", with(&|h| h.registration += 1), NO_DOOR),
        ("no door", with(&|h| h.registration = 0), NO_DOOR),
        ("door max", with(&|h| h.registration = u64::MAX), NO_DOOR),
        ("part over total", with(&|h| h.total = 2), over),
        ("part over area", with(&|h| h.part = 16 * 1024 + 1), over),
        (
            "both over area",
            with(&|h| {
                h.part = 20_000;
                h.total = 20_000;
            }),
            over,
        ),
        ("part max", with(&|h| h.part = u32::MAX), over),
        (
            "all max",
            with(&|h| {
                h.part = u32::MAX;
                h.total = u64::MAX;
            }),
            over,
        ),
        (
            "total max",
            with(&|h| h.total = u64::MAX),
            Outcome::Answer(4, 2, 4 << 30),
        ),
        ("unknown pair", with(&|h| h.pair += 1), over),
        ("pair max", with(&|h| h.pair = u32::MAX), over),
        (
            "descriptors that never came",
            with(&|h| h.descriptors = 1),
            Outcome::Answer(4, 6, 0),
        ),
        (
            "descriptors max",
            with(&|h| h.descriptors = u32::MAX),
            Outcome::Answer(4, 4, 1024),
        ),
    ]
}

#[test]
fn case_44_garbage_in_any_word_is_a_failure_or_the_end_of_the_session() {
    let served = Served::new("case_44c");
    let connection = served.connect();
    let count = lies(&Session::open(&connection)).len();
    for number in 0..count {
        let mut session = Session::open(&connection);
        // The first call wakes the quiet channel, the lie meets a thread that waits there.
        assert_eq!(session.call(b"eab"), b"eab");
        let (what, head, wanted) = lies(&session).swap_remove(number);
        assert_eq!(session.turn(&head), wanted, "{what}");
        if wanted != Outcome::Over {
            assert_eq!(session.call(b"eab"), b"eab", "after {what}");
        }
        // The same lie on a quiet channel.
        let mut session = Session::open(&connection);
        let (what, head, wanted) = lies(&session).swap_remove(number);
        assert_eq!(session.turn(&head), wanted, "{what}, quiet");
    }
    drop(connection);
    served.is_sound();
}

#[test]
fn case_44_the_area_of_another_channel_is_not_lent() {
    let served = Served::new("case_44d");
    let connection = served.connect();
    let mut session = Session::open(&connection);
    // An area for channel 1, named on channel 0.
    session.say(&Packet::new(kind::GROW).u64(5).u32(1).u64(1 << 20));
    let offer = session.hear();
    let mut fields = harness::raw::Fields::of(&offer.bytes, kind::WINDOWS);
    let (_, _, pair) = (fields.u64(), fields.u128(), fields.u32());
    session.say(&Packet::new(kind::MAPPED).u32(pair));
    let _ready = session.hear();
    let mut head = session.head(1);
    head.pair = pair;
    assert_eq!(session.turn(&head), Outcome::Over);
    drop((offer, session, connection));
    served.is_sound();
}

#[test]
fn case_44_a_pair_that_was_not_acknowledged_is_not_used() {
    let served = Served::new("case_44e");
    let connection = served.connect();
    let mut session = Session::open(&connection);
    session.say(&Packet::new(kind::GROW).u64(5).u32(0).u64(1 << 20));
    let offer = session.hear();
    let mut fields = harness::raw::Fields::of(&offer.bytes, kind::WINDOWS);
    let (_, _, pair) = (fields.u64(), fields.u128(), fields.u32());
    let mut head = session.head(1);
    head.pair = pair;
    assert_eq!(session.turn(&head), Outcome::Over);
    drop((offer, session, connection));
    served.is_sound();
}

#[test]
fn case_04_05_arguments_in_parts_that_lie_end_the_session() {
    let served = Served::new("case_05");
    let connection = served.connect();
    // (step, generation of the call or another, part, pair) of the second turn.
    let lies: &[(u32, u64, u32, u32)] = &[
        (2, 1, 0, 0),
        (2, 1, 16_385, 0),
        (2, 1, 101, 0),
        (2, 1, u32::MAX, 0),
        (2, 2, 10, 0),
        (2, 1, 10, 9),
        (3, 1, 10, 0),
    ];
    for (step, generation, part, pair) in lies {
        let mut session = Session::open(&connection);
        let mut head = session.head(100);
        head.total = 200;
        assert_eq!(session.turn(&head), Outcome::Answer(3, 0, 0));
        head.step = *step;
        head.generation = *generation;
        head.part = *part;
        head.pair = *pair;
        assert_eq!(session.turn(&head), Outcome::Over, "{head:?}");
    }
    // A call that begins while another is half there replaces it: the first never runs.
    let mut session = Session::open(&connection);
    let mut head = session.head(100);
    head.total = 200;
    assert_eq!(session.turn(&head), Outcome::Answer(3, 0, 0));
    assert_eq!(session.call(b"exy"), b"exy");
    // And one that is left half there holds nothing when the session ends.
    let mut head = session.head(100);
    head.total = 4 << 30;
    assert_eq!(session.turn(&head), Outcome::Answer(3, 0, 0));
    drop((session, connection));
    served.is_sound();
}

#[test]
fn case_40_results_in_parts_that_are_not_taken_hold_nothing() {
    let served = Served::new("case_40");
    let connection = served.connect();
    for _ in 0..10 {
        let mut session = Session::open(&connection);
        session.call.write(session.area_at(0), b"n1000000");
        let head = session.head(8);
        assert_eq!(session.turn(&head), Outcome::Answer(2, 0, 1_000_000));
        // The next part of another generation, or with another pair.
        let mut next = session.head(0);
        next.step = 3;
        assert_eq!(session.turn(&next), Outcome::Over);
    }
    drop(connection);
    served.is_sound();
}

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
        std::thread::sleep(Duration::from_millis(20));
        session.turn += 1;
        let turn = u32::try_from(session.turn).unwrap();
        session.call.store_long(8, session.turn);
        session.call.store(0, turn);
        if session.reply.load(64) == 0 {
            session.say(&Packet::new(kind::RING));
        }
        assert!(matches!(session.wait(0, turn), Outcome::Answer(1, ..)));
    }
    drop((session, connection));
    served.is_sound();
}

#[test]
fn case_109_a_call_given_up_before_it_is_taken_does_not_run() {
    let served = Served::new("case_109");
    let connection = served.connect();
    let mut session = Session::open(&connection);
    session.call.store_long(72, 1);
    let head = session.head(1);
    assert_eq!(session.turn(&head), Outcome::Answer(4, 9, 0));
    assert_eq!(session.call(b"e"), b"e");
    // Cancelled again and again, for calls that were and calls that will be.
    for generation in 0..200 {
        let cancel = Packet::new(kind::CANCEL).u32(0).u64(generation).bytes();
        harness::raw::queue(&session.socket, &cancel, &[]).unwrap();
    }
    assert_eq!(session.call(b"e"), b"e");
    drop((session, connection));
    served.is_sound();
}

#[test]
fn channels_of_a_session_do_not_disturb_each_other() {
    let served = Served::new("channels");
    let connection = served.connect();
    let session = Session::open(&connection);
    for channel in 0..4 {
        session.call.write(session.area_at(channel), b"s50");
        let mut head = session.head(3);
        head.generation = 1;
        session.publish(channel, &head, 1);
    }
    for channel in 0..4 {
        assert_eq!(session.wait(channel, 1), Outcome::Answer(1, 0, 5));
        assert_eq!(session.call.load(channel * WORDS), 1);
    }
    drop((session, connection));
    served.is_sound();
}
