use proptest::prelude::*;

use super::{Bytes, Field, HEADER_BYTES, Header, Message, ROOM, Violation};

messages! {
    /// Some packets as a later minor version may know them.
    Later = 2, with payload: Call;

    Hello = 1 { channels: u32, wish: u64 [since 2], }
    Info = 3 { depth: u32 [since 2], }
    Call = 5 { generation: u64, descriptors: u32, urgency: u32 [since 2], patience: u64 [since 2], }
    Mapped = 32 { pair: u32, }
}

const HELLO: Message = Message::Hello { channels: 7 };
const WINDOWS: Message = Message::Windows {
    wanted: 1,
    session: 2,
    pair: 3,
    first: 4,
    channels: 5,
    area_bytes: 6,
};

#[test]
fn every_shortened_packet_is_refused() {
    let bytes = WINDOWS.encode(0);
    for len in 0..bytes.len() {
        assert!(Message::decode(&bytes[..len]).is_err(), "cut to {len}");
    }
}

#[test]
fn a_missing_field_is_refused_however_the_length_is_stated() {
    for message in Message::one_of_each(&mut |_| [1; 16]) {
        let whole = message.encode(0);
        for len in HEADER_BYTES..whole.len() {
            let mut bytes = whole[..len].to_vec();
            bytes[8] = u8::try_from(len).unwrap();
            let short = Err(Violation::Short);
            assert_eq!(Message::decode(&bytes), short, "{message:?} cut to {len}");
        }
    }
}

#[test]
fn lengths_that_lie_are_refused() {
    for (at, value) in [(8, 0_u8), (8, 255), (11, 255), (12, 1), (15, 255)] {
        let mut bytes = HELLO.encode(0).to_vec();
        bytes[at] = value;
        assert_eq!(
            Message::decode(&bytes),
            Err(Violation::Length),
            "byte {at} = {value}"
        );
    }
}

#[test]
fn versions_and_types_are_told_apart() {
    let mut bytes = HELLO.encode(0).to_vec();
    bytes[4] = 9;
    assert_eq!(Message::decode(&bytes), Err(Violation::Version(9)));
    let mut bytes = HELLO.encode(0).to_vec();
    bytes[6] = 200;
    assert_eq!(Message::decode(&bytes), Err(Violation::Type(200)));
    let mut bytes = HELLO.encode(0).to_vec();
    bytes[0] = b'D';
    assert_eq!(Message::decode(&bytes), Err(Violation::Magic));
}

#[test]
fn a_later_major_version_is_told_by_the_header_alone() {
    // Whatever a later version changes behind it: here, a packet of another length and with junk.
    let mut bytes = b"door\x01\x00\x01\x00".to_vec();
    bytes.extend_from_slice(&[0xff; 9]);
    assert_eq!(Message::decode(&bytes), Err(Violation::Version(1)));
}

#[test]
fn a_field_too_many_needs_a_later_minor_version() {
    let mut bytes = HELLO.encode(0).to_vec();
    bytes.extend_from_slice(&[0; 4]);
    bytes[8] += 4;
    assert_eq!(Message::decode(&bytes), Err(Violation::Trailing));
    bytes[5] = 2;
    assert_eq!(Message::decode(&bytes), Ok((HELLO, &[][..])));
}

#[test]
fn an_older_side_ignores_what_a_newer_one_adds() {
    let hello = Later::Hello {
        channels: 7,
        wish: u64::MAX,
    };
    assert_eq!(Message::decode(&hello.encode(0)), Ok((HELLO, &[][..])));
    let info = Later::Info { depth: 3 };
    assert_eq!(
        Message::decode(&info.encode(0)),
        Ok((Message::Info {}, &[][..]))
    );
    let call = Later::Call {
        generation: 8,
        descriptors: 9,
        urgency: 10,
        patience: 11,
    };
    let mut bytes = call.encode(3).to_vec();
    bytes.extend_from_slice(b"abc");
    let known = Message::Call {
        generation: 8,
        descriptors: 9,
    };
    // The payload is found behind the fields that are not known.
    assert_eq!(Message::decode(&bytes), Ok((known, &b"abc"[..])));
}

#[test]
fn a_newer_side_reads_what_an_older_one_does_not_know_as_zero() {
    let hello = Later::Hello {
        channels: 7,
        wish: 0,
    };
    assert_eq!(Later::decode(&HELLO.encode(0)), Ok((hello, &[][..])));
    let info = Later::Info { depth: 0 };
    assert_eq!(
        Later::decode(&Message::Info {}.encode(0)),
        Ok((info, &[][..]))
    );
    let known = Message::Call {
        generation: 8,
        descriptors: 9,
    };
    let mut bytes = known.encode(3).to_vec();
    bytes.extend_from_slice(b"abc");
    let call = Later::Call {
        generation: 8,
        descriptors: 9,
        urgency: 0,
        patience: 0,
    };
    assert_eq!(Later::decode(&bytes), Ok((call, &b"abc"[..])));
}

#[test]
fn an_older_side_cannot_smuggle_in_a_later_field() {
    let hello = Later::Hello {
        channels: 7,
        wish: 1,
    };
    let mut bytes = hello.encode(0).to_vec();
    bytes[5] = 1;
    assert_eq!(Later::decode(&bytes), Err(Violation::Trailing));
}

#[test]
fn the_same_minor_version_must_send_all_fields() {
    let mut bytes = HELLO.encode(0).to_vec();
    bytes[5] = 2;
    assert_eq!(Later::decode(&bytes), Err(Violation::Short));
}

#[test]
fn a_later_type_is_named_in_the_refusal() {
    let bytes = Message::Ring {}.encode(0);
    assert_eq!(Later::decode(&bytes), Err(Violation::Type(33)));
}

#[test]
fn a_later_version_appends_and_changes_nothing_else() {
    for (name, number, fields) in Later::TYPES {
        let earlier = Message::TYPES.iter().find(|(known, ..)| known == name);
        let (_, same_number, fewer) = earlier.unwrap();
        assert_eq!(number, same_number, "{name}");
        assert!(fields.starts_with(fewer), "{name}");
    }
    for message in Later::one_of_each(&mut |place| [place; 16]) {
        let (name, carries) = message.type_of();
        let bytes = message.encode(0);
        assert_eq!(Later::decode(&bytes), Ok((message, &[][..])), "{name}");
        let (known, _) = Message::decode(&bytes).unwrap();
        assert_eq!(known.type_of(), (name, carries));
    }
}

#[test]
fn no_two_types_share_a_number() {
    let mut numbers: Vec<u16> = Message::TYPES
        .iter()
        .map(|(_, number, _)| *number)
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), Message::TYPES.len());
}

/// A packet that gets past the header: any type near the known ones, any fields, any minor version.
fn plausible() -> impl Strategy<Value = Vec<u8>> {
    let fields = prop::collection::vec(any::<u8>(), 0..120);
    let payload = prop::collection::vec(any::<u8>(), 0..8);
    (0_u16..128, 0_u8..4, fields, payload).prop_map(|(number, minor, fields, payload)| {
        let mut bytes = Header::encode(minor, number, fields.len(), payload.len()).to_vec();
        bytes.extend(fields);
        bytes.extend(payload);
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_decoding_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _refused = Message::decode(&bytes);
    }

    #[test]
    fn what_is_accepted_is_what_would_be_sent(bytes in plausible()) {
        if let Ok((message, payload)) = Message::decode(&bytes) {
            let mut again = message.encode(payload.len()).to_vec();
            // A later minor version may have said more; what we know of it is the same.
            let fields = again.len();
            prop_assert_eq!(&again[HEADER_BYTES..], &bytes[HEADER_BYTES..fields]);
            prop_assert!(bytes.ends_with(payload));
            again.extend_from_slice(payload);
            prop_assert_eq!(Message::decode(&again), Ok((message, payload)));
        }
    }

    #[test]
    fn what_is_encoded_is_decoded(
        values in prop::collection::vec(any::<[u8; 16]>(), 16),
        data in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        for message in Message::one_of_each(&mut |place| values[usize::from(place)]) {
            let payload = if message.carries_payload() { data.as_slice() } else { &[] };
            let mut bytes = message.encode(payload.len()).to_vec();
            bytes.extend_from_slice(payload);
            prop_assert_eq!(Message::decode(&bytes), Ok((message, payload)));
        }
    }

    #[test]
    fn only_some_types_carry_a_payload(values in prop::collection::vec(any::<[u8; 16]>(), 16)) {
        for message in Message::one_of_each(&mut |place| values[usize::from(place)]) {
            let mut bytes = message.encode(1).to_vec();
            bytes.push(0);
            let carried = Message::decode(&bytes).is_ok();
            prop_assert_eq!(carried, message.carries_payload());
        }
    }

    #[test]
    fn a_packet_that_lost_its_end_is_refused(
        values in prop::collection::vec(any::<[u8; 16]>(), 16),
        lost in 1_usize..80,
    ) {
        for message in Message::one_of_each(&mut |place| values[usize::from(place)]) {
            let bytes = message.encode(0);
            let kept = bytes.len().saturating_sub(lost);
            prop_assert!(Message::decode(&bytes[..kept]).is_err());
        }
    }
}
