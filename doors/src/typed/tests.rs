//! The bytes of typed calls without a call.

use std::collections::HashMap;
use std::fmt::Debug;

use proptest::prelude::{any, prop_assert, prop_assert_eq};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};

use super::encode::Encoder;
use super::error::{Malformed, Refused, Unreadable};
use super::frame::{self, Results, Unfit};
use super::interface::{Interface, Method, Version};
use super::reader::Reader;
use super::writer::Writer;
use super::{Answer, DEPTH};

static METHODS: [Method; 1] = [method("fn add(a: u32, b: u32) -> u32")];
static ADD: Interface = Interface::new("Sums", Version::new(1, 2), &METHODS);

const fn method(signature: &'static str) -> Method {
    Method::new("Sums", Version::new(1, 2), 1, "add", signature, |_| {})
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Everything {
    Unit,
    Newtype(u128),
    Tuple(i8, f64, char),
    Struct {
        text: String,
        list: Vec<Option<(bool, ())>>,
        map: HashMap<String, i64>,
        next: Option<Box<Everything>>,
    },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct List(Option<Box<List>>);

fn bytes<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    value.serialize(&mut Encoder(&mut out)).unwrap();
    out
}

fn read<T: DeserializeOwned>(data: &[u8]) -> Result<T, Malformed> {
    Reader::all(data, vec![], |reader| reader.take("value")).map_err(|unreadable| unreadable.reason)
}

fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    assert_eq!(&read::<T>(&bytes(value)).unwrap(), value);
}

#[test]
fn values_of_every_kind_come_back() {
    let map = HashMap::from([("one".to_owned(), 1), ("minus".to_owned(), i64::MIN)]);
    comes_back(&Everything::Struct {
        text: "ü".repeat(300),
        list: vec![None, Some((true, ()))],
        map,
        next: Some(Box::new(Everything::Tuple(-1, 0.5, 'x'))),
    });
    comes_back(&Everything::Newtype(u128::MAX));
    comes_back(&Everything::Unit);
    comes_back(&vec![(); 1000]);
    comes_back(&[[1_u8, 2], [3, 4]]);
}

#[test]
fn what_is_borrowed_points_into_the_data() {
    let (mut data, mut descriptors) = (Vec::new(), Vec::new());
    let mut writer = Writer::new(&mut data, &mut descriptors);
    writer.put("name", "Ada");
    writer.put_bytes("key", b"\xff\x00");
    assert_eq!(writer.failed(), None);
    let (name, key) = Reader::all(&data, vec![], |reader| {
        Ok((reader.take::<&str>("name")?, reader.take::<&[u8]>("key")?))
    })
    .unwrap();
    assert_eq!((name, key), ("Ada", &b"\xff\x00"[..]));
    let within = data.as_ptr_range();
    assert!(within.contains(&name.as_ptr()) && within.contains(&key.as_ptr()));
}

#[test]
fn bytes_at_once_are_the_bytes_of_a_sequence() {
    let value = vec![0_u8, 127, 128, 255];
    let (mut data, mut descriptors) = (Vec::new(), Vec::new());
    Writer::new(&mut data, &mut descriptors).put_bytes("value", &value);
    assert_eq!(data, bytes(&value));
    let taken = Reader::all(&data, vec![], |reader| reader.take_bytes("value"));
    assert_eq!(taken, Ok(value));
}

#[test]
fn bytes_that_are_no_value_are_refused() {
    assert_eq!(read::<bool>(&[2]), Err(Malformed::BadValue));
    assert_eq!(
        read::<String>(&[1, 0, 0, 0, 0xff]),
        Err(Malformed::BadValue)
    );
    assert_eq!(read::<char>(&[0, 0xd8, 0, 0]), Err(Malformed::BadValue));
    assert_eq!(read::<Option<u8>>(&[2]), Err(Malformed::BadValue));
    assert_eq!(read::<Everything>(&[9, 0, 0, 0]), Err(Malformed::BadValue));
    assert_eq!(read::<std::num::NonZeroU8>(&[0]), Err(Malformed::BadValue));
    assert_eq!(read::<u32>(&[1, 2, 3]), Err(Malformed::Short));
    assert_eq!(read::<String>(&[5, 0, 0, 0, b'a']), Err(Malformed::Short));
    assert_eq!(read::<u8>(&[1, 1]), Err(Malformed::LeftOver));
    assert_eq!(read::<()>(&[0]), Err(Malformed::LeftOver));
}

#[test]
fn values_nested_too_deep_are_refused_without_going_down() {
    // A level of the list is a newtype and a `Some`.
    let deepest = usize::try_from(DEPTH / 2 - 1).unwrap();
    let nested = |levels| {
        let mut data = vec![1; levels];
        data.push(0);
        data
    };
    assert!(read::<List>(&nested(deepest)).is_ok());
    assert_eq!(read::<List>(&nested(deepest + 1)), Err(Malformed::TooDeep));
    assert_eq!(read::<List>(&vec![1; 1 << 20]), Err(Malformed::TooDeep));
}

#[test]
fn a_length_that_the_data_cannot_hold_costs_nothing() {
    let huge = [0xff; 4];
    assert_eq!(read::<Vec<u64>>(&huge), Err(Malformed::TooMany));
    assert_eq!(read::<HashMap<u64, u64>>(&huge), Err(Malformed::TooMany));
    assert_eq!(read::<String>(&huge), Err(Malformed::Short));
    // As many as there are bytes, of eight bytes each.
    assert_eq!(
        read::<Vec<u64>>(&[8, 0, 0, 0, 1, 2, 3, 4]),
        Err(Malformed::Short)
    );
    // Elements without a byte each, by the length alone and a million times over.
    assert_eq!(read::<Vec<()>>(&huge), Err(Malformed::TooMany));
    let mut bomb = 1024_u32.to_le_bytes().to_vec();
    bomb.extend_from_slice(&[0xff, 0xff, 0, 0].repeat(1 << 10));
    assert_eq!(read::<Vec<Vec<()>>>(&bomb), Err(Malformed::TooMany));
}

#[test]
fn values_are_put_as_the_page_says() {
    assert_eq!(bytes(&0x0102_u16), [2, 1]);
    assert_eq!(bytes(&(-2_isize)), [&[0xfe][..], &[0xff; 7]].concat());
    assert_eq!(bytes(&(true, 'x')), [1, b'x', 0, 0, 0]);
    assert_eq!(bytes(&1.0_f64), 1.0_f64.to_le_bytes());
    assert_eq!(bytes("ab"), [2, 0, 0, 0, b'a', b'b']);
    assert_eq!(bytes(&[Some(7_u8), None].as_slice()), [2, 0, 0, 0, 1, 7, 0]);
    assert_eq!(bytes(&[7_u8, 8]), [7, 8]);
    assert_eq!(bytes(&((), [(); 3])), []);
    assert_eq!(
        bytes(&HashMap::from([(5_u8, "v")])),
        [1, 0, 0, 0, 5, 1, 0, 0, 0, b'v']
    );
    assert_eq!(
        bytes(&Everything::Tuple(-1, 0.0, 'a')),
        [&[2, 0, 0, 0, 0xff][..], &[0; 8], &[b'a', 0, 0, 0]].concat()
    );
}

/// Does not know how many elements it has.
struct Counting(u8);

impl Serialize for Counting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((0..self.0).filter(|_| true))
    }
}

#[test]
fn a_sequence_of_unknown_length_is_counted() {
    assert_eq!(bytes(&(9_u8, Counting(3))), [9, 3, 0, 0, 0, 0, 1, 2]);
    let back: (u8, Vec<u8>) = read(&bytes(&(9_u8, Counting(3)))).unwrap();
    assert_eq!(back, (9, vec![0, 1, 2]));
}

#[test]
fn a_call_names_its_method() {
    let mut call = Vec::new();
    frame::begin_call(1, METHODS[0].tag(), &mut call);
    call.extend_from_slice(b"rest");
    let opened = frame::open_call(&call).unwrap();
    assert_eq!(opened.number, 1);
    assert_eq!(opened.tag, METHODS[0].tag());
    assert_eq!(opened.arguments, b"rest");

    let not_typed = Err(Unfit::Argument(Unreadable::new("", Malformed::NotTyped)));
    assert_eq!(frame::open_call(&[]), not_typed);
    assert_eq!(frame::open_call(&[0; 20]), not_typed);
    assert_eq!(frame::open_call(&[0x81; 20]), not_typed);
    let short = Err(Unfit::Argument(Unreadable::new("", Malformed::Short)));
    assert_eq!(frame::open_call(&call[..7]), short);
    call[0] = 2;
    assert_eq!(frame::open_call(&call), Err(Unfit::Version));
}

/// What results say to a caller of `add`.
fn opened(data: &[u8]) -> Result<Results<'_>, Malformed> {
    frame::open_results(data, |theirs| Refused::of(&ADD, &METHODS[0], theirs))
}

/// What a caller of `add` is told by a server of another interface.
fn refused(name: &'static str, version: Version, methods: &'static [Method]) -> Refused {
    let theirs = Interface::new(name, version, methods);
    let mut results = Vec::new();
    frame::put_unfit(&Unfit::Method { number: 1 }, &theirs, &mut results);
    match opened(&results) {
        Ok(Results::Refused(refused)) => refused,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_refusal_says_what_both_sides_have() {
    static OLDER: [Method; 1] = [method("fn add(a: u16, b: u16) -> u16")];
    static OTHER: [Method; 0] = [];
    assert_eq!(
        refused("Sums", Version::new(1, 2), &OLDER),
        Refused::OtherSignature {
            theirs: OLDER[0].signature().to_owned(),
            ours: METHODS[0].signature(),
        }
    );
    assert_eq!(
        refused("Sums", Version::new(1, 0), &OTHER),
        Refused::Unsupported {
            method: "add",
            theirs: Version::new(1, 0),
            ours: Version::new(1, 2),
        }
    );
    for (name, version) in [("Sums", Version::new(2, 0)), ("Sum", Version::new(1, 2))] {
        let theirs = format!("{name} {version}");
        assert_eq!(
            refused(name, version, &OLDER),
            Refused::OtherInterface {
                theirs,
                ours: "Sums 1.2".to_owned(),
            }
        );
    }

    let mut results = Vec::new();
    let unreadable = Unreadable::new("b", Malformed::TooDeep);
    frame::put_unfit(&Unfit::Argument(unreadable), &ADD, &mut results);
    let refused = Refused::BadArgument {
        name: "b".to_owned(),
        reason: Malformed::TooDeep,
    };
    assert_eq!(opened(&results), Ok(Results::Refused(refused)));

    // A server of version 2.
    let refused = Refused::OtherLayout { theirs: 2, ours: 1 };
    assert_eq!(opened(&[0x82, 3, 9, 9]), Ok(Results::Refused(refused)));
}

#[test]
fn results_that_are_none_are_told_from_those_that_are() {
    let mut call = Vec::new();
    frame::begin_call(1, METHODS[0].tag(), &mut call);
    for nonsense in [
        &[][..],
        &[0x81],
        &[0x81, 0],
        &[0x81, 77],
        &[0x82, 1, 1],
        &[0x80, 1],
        &call,
    ] {
        assert_eq!(opened(nonsense), Err(Malformed::NotTyped));
    }
    assert_eq!(opened(&[0x81, 4, 1]), Err(Malformed::Short));
    assert_eq!(opened(&[0x81, 5]), Err(Malformed::Short));
}

#[test]
fn the_text_of_a_server_is_cut_and_escaped() {
    let mut results = vec![0x81, 4];
    results.extend_from_slice(&[0, 0, 0, 0, 0x00, 0xf0]);
    results.extend_from_slice(b"\x1b[2J\xff");
    results.resize(1 << 20, b'x');
    let Ok(Results::Refused(Refused::OtherInterface { theirs, .. })) = opened(&results) else {
        panic!("not refused");
    };
    assert!(theirs.len() < 2048 && !theirs.contains('\x1b'), "{theirs}");
}

#[test]
fn reasons_travel_as_their_number() {
    for code in 0..=u8::MAX {
        assert_eq!(Malformed::of_code(code).code(), code);
    }
}

struct Obstinate;

impl Serialize for Obstinate {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("not today"))
    }
}

#[test]
fn a_value_that_cannot_be_put_is_reported() {
    let (mut out, mut descriptors) = (Vec::new(), Vec::new());
    let mut writer = Writer::new(&mut out, &mut descriptors);
    writer.put("good", &1_u8);
    writer.put("bad", &Obstinate);
    writer.put("after", &1_u8);
    assert_eq!(writer.failed(), Some("bad"));

    Answer::new(&mut out, &mut Vec::new()).value(&Obstinate);
    assert_eq!(opened(&out), Ok(Results::ValueLost));
}

proptest::proptest! {
    #[test]
    fn whatever_is_read_can_be_put_and_read_again(data: Vec<u8>) {
        if let Ok(value) = read::<Vec<Everything>>(&data) {
            // By its text: a float may be no number, which equals nothing. Without maps, whose order is their own.
            if !format!("{value:?}").contains("map: {\"") {
                let again = read::<Vec<Everything>>(&bytes(&value)).unwrap();
                prop_assert_eq!(format!("{again:?}"), format!("{value:?}"));
            }
        }
    }

    #[test]
    fn results_of_any_bytes_are_taken_or_refused(status in any::<u8>(), rest: Vec<u8>) {
        let data = [&[0x81, status], &rest[..]].concat();
        match opened(&data) {
            Ok(Results::Value(value) | Results::Error(value)) => prop_assert_eq!(value, &rest[..]),
            Ok(Results::Refused(_) | Results::ValueLost) => prop_assert!((3..=6).contains(&status)),
            Err(_) => prop_assert!(!matches!(status, 1 | 2)),
        }
    }
}
