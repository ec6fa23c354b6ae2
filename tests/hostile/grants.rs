//! Windows without end.

use harness::raw::{self, Fields, Packet, Session, kind};

use crate::served::Served;

#[test]
fn case_37_windows_beyond_the_users_share_are_refused() {
    let served = Served::new("case_37");
    let connection = served.connect();
    let session = Session::open(&connection);
    let mut granted = 0;
    loop {
        session.say(&Packet::new(kind::GROW).u64(granted).u32(0).u64(4 << 20));
        let heard = session.hear();
        if heard.bytes[6] == 21 {
            let mut fields = Fields::of(&heard.bytes, kind::REFUSED);
            assert_eq!((fields.u64(), fields.u32()), (granted, 8));
            break;
        }
        let mut fields = Fields::of(&heard.bytes, kind::WINDOWS);
        let (_, _, pair) = (fields.u64(), fields.u128(), fields.u32());
        session.say(&Packet::new(kind::MAPPED).u32(pair));
        let _ready = Fields::of(&session.hear().bytes, kind::READY);
        granted += 1;
        assert!(granted < 300, "no end of windows");
    }
    assert!(granted > 10, "only {granted}");
    let mut session = session;
    assert_eq!(session.call(b"e"), b"e");
    drop((session, connection));
    served.is_sound();
}

#[test]
fn case_37_windows_that_are_not_acknowledged_are_few() {
    let served = Served::new("case_37b");
    let connection = served.connect();
    let session = Session::open(&connection);
    let mut granted = 0;
    for wanted in 0..60 {
        session.say(&Packet::new(kind::GROW).u64(wanted).u32(0).u64(4096));
        granted += u32::from(session.hear().bytes[6] == 16);
    }
    assert!((1..=32).contains(&granted), "{granted} granted");
    let mut session = session;
    assert_eq!(session.call(b"e"), b"e");
    drop((session, connection));
    served.is_sound();
}

#[test]
fn case_37_more_channels_than_a_session_may_have_are_refused() {
    let served = Served::new("case_37c");
    let connection = served.connect();
    let session = Session::open(&connection);
    let mut channels = session.ledger.channels;
    for wanted in 0..20 {
        session.say(&Packet::new(kind::GROW).u64(wanted).u32(0).u64(0));
        let heard = session.hear();
        if heard.bytes[6] == 21 {
            continue;
        }
        let mut fields = Fields::of(&heard.bytes, kind::WINDOWS);
        let (_, _, pair) = (fields.u64(), fields.u128(), fields.u32());
        assert_eq!(fields.u32(), channels);
        channels += fields.u32();
        session.say(&Packet::new(kind::MAPPED).u32(pair));
        let _ready = Fields::of(&session.hear().bytes, kind::READY);
    }
    assert_eq!(channels, 256);
    let mut session = session;
    assert_eq!(session.call(b"e"), b"e");
    drop((session, connection));
    served.is_sound();
}

#[test]
fn windows_that_a_client_cannot_map_are_offered_again_and_paid_for_once() {
    let served = Served::new("unmapped");
    let connection = served.connect();
    let session = Session::open(&connection);
    let offered = |wanted: u64| {
        let heard = session.hear();
        assert_eq!(heard.fds.len(), 2);
        let mut fields = Fields::of(&heard.bytes, kind::WINDOWS);
        assert_eq!(fields.u64(), wanted);
        let _session = fields.u128();
        (fields.u32(), fields.u32(), fields.u32())
    };
    let grow = |wanted: u64, area: u64| {
        session.say(&Packet::new(kind::GROW).u64(wanted).u32(0).u64(area));
    };
    // More than a user may hold, and more offers than may be under way.
    for wanted in 1..200 {
        grow(wanted, 4 << 20);
        let (pair, _, channels) = offered(wanted);
        assert_eq!(channels, 0);
        session.say(&Packet::new(kind::UNMAPPED).u32(pair));
    }
    // The numbers of channels that were lost come again; of two offers the second is lost with the first.
    let channels = session.ledger.channels;
    for wanted in [300, 302] {
        grow(wanted, 0);
        grow(wanted + 1, 0);
        let (pair, first, _) = offered(wanted);
        let (next, after, _) = offered(wanted + 1);
        assert_eq!((first, after), (channels, 2 * channels));
        session.say(&Packet::new(kind::UNMAPPED).u32(pair));
        session.say(&Packet::new(kind::UNMAPPED).u32(next));
    }
    grow(400, 0);
    let (pair, first, more) = offered(400);
    assert_eq!(first, channels);
    session.say(&Packet::new(kind::MAPPED).u32(pair));
    let _ready = Fields::of(&session.hear().bytes, kind::READY);
    grow(401, 0);
    assert_eq!(offered(401).1, channels + more);
    // One that is in use was mapped.
    session.say(&Packet::new(kind::UNMAPPED).u32(pair));
    raw::is_over(&session.socket);
    drop((session, connection));
    served.is_sound();
}
