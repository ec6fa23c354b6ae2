//! Garbage in the words of a call window.

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
        (
            "part at the end of the area",
            with(&|h| {
                h.part = 100;
                h.total = 100;
                h.part_at = 16 * 1024 - 99;
            }),
            over,
        ),
        (
            "part at the end of all",
            with(&|h| {
                h.part = 17;
                h.total = 17;
                h.part_at = u32::MAX;
            }),
            over,
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
        session.put(0, b"n1000000");
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
fn results_that_are_given_up_between_two_parts_make_room_for_the_next_call() {
    let served = Served::new("given_up_parts");
    let connection = served.connect();
    let mut session = Session::open(&connection);
    for _ in 0..20 {
        session.put(0, b"n1000000");
        let head = session.head(8);
        assert_eq!(session.turn(&head), Outcome::Answer(2, 0, 1_000_000));
        // The server may be about to publish the next part.
        assert_eq!(session.call(b"eab"), b"eab");
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
    // Long enough for all four to run at once.
    for channel in 0..4 {
        session.put(channel, b"s50");
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
