//! Areas that a client says it does not use any more.

use harness::raw::{Fields, Outcome, Packet, Session, is_over, kind};

use crate::served::Served;

const AREA: u64 = 4 << 20;

/// Asks for an area for the first channel; its number, or the code of the refusal. Nothing of it is mapped here.
fn grown(session: &Session) -> Result<u32, u32> {
    session.say(&Packet::new(kind::GROW).u64(7).u32(0).u64(AREA));
    let heard = session.hear();
    if heard.bytes[6..8] == kind::REFUSED.to_le_bytes() {
        let mut fields = Fields::of(&heard.bytes, kind::REFUSED);
        let _wanted = fields.u64();
        return Err(fields.u32());
    }
    let mut fields = Fields::of(&heard.bytes, kind::WINDOWS);
    let (_wanted, _id, pair) = (fields.u64(), fields.u128(), fields.u32());
    session.say(&Packet::new(kind::MAPPED).u32(pair));
    let _ready = Fields::of(&session.hear().bytes, kind::READY);
    Ok(pair)
}

fn unused(pair: u32) -> Packet {
    Packet::new(kind::UNUSED).u32(pair)
}

#[test]
fn case_37_areas_that_are_given_back_go_on_counting() {
    let served = Served::new("case_37_areas");
    let connection = served.connect();
    let session = Session::open(&connection);
    // 1 GiB in pairs of twice 4 MiB, and what the sessions of this user have besides.
    let mut given_back = 0;
    let refused = loop {
        match grown(&session) {
            Ok(pair) => session.say(&unused(pair)),
            Err(code) => break code,
        }
        given_back += 1;
        assert!(given_back < 128);
    };
    assert_eq!(refused, 8);
    assert!(given_back > 120, "{given_back}");
    // None is mapped any more, though the session goes on.
    harness::Census::settle(served.peer.pid(), "areas that are given back", |now| {
        now.mappings <= served.before.mappings + 2
    });
    let mut session = session;
    assert_eq!(session.call(b"eab"), b"eab");
    drop(session);
    // The quota comes back with the session's end, as soon as the server has heard of that.
    while grown(&Session::open(&connection)).is_err() {}
    drop(connection);
    served.is_sound();
}

#[test]
fn case_44_what_is_no_area_cannot_be_given_back() {
    let served = Served::new("case_44_areas");
    let connection = served.connect();
    for pair in [0, 1, 77, u32::MAX] {
        let session = Session::open(&connection);
        session.say(&unused(pair));
        is_over(&session.socket);
    }
    // One that is offered only.
    let session = Session::open(&connection);
    session.say(&Packet::new(kind::GROW).u64(7).u32(0).u64(AREA));
    let heard = session.hear();
    let mut fields = Fields::of(&heard.bytes, kind::WINDOWS);
    let (_wanted, _id, pair) = (fields.u64(), fields.u128(), fields.u32());
    session.say(&unused(pair));
    is_over(&session.socket);
    // Twice.
    let session = Session::open(&connection);
    let pair = grown(&session).unwrap();
    session.say(&unused(pair));
    session.say(&unused(pair));
    is_over(&session.socket);
    drop((session, connection));
    served.is_sound();
}

#[test]
fn case_44_an_area_that_was_given_back_is_not_named_any_more() {
    let served = Served::new("case_44_named_areas");
    let connection = served.connect();
    let mut session = Session::open(&connection);
    let pair = grown(&session).unwrap();
    session.say(&unused(pair));
    // Whoever is asked for this is past what was said before.
    assert!(grown(&session).is_ok());
    let mut head = session.head(3);
    head.pair = pair;
    assert_eq!(session.turn(&head), Outcome::Over);
    drop((session, connection));
    served.is_sound();
}
