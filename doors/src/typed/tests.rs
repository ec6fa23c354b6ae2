//! The bytes of typed calls without a call.

use std::collections::HashMap;
use std::fmt::Debug;
use std::time::{Duration, Instant};

use proptest::prelude::{any, prop_assert, prop_assert_eq};
use serde::de::DeserializeOwned;
use serde::ser::SerializeSeq;
use serde::{Deserialize, Serialize, Serializer};

use super::encode::{Encoder, Unwritable};
use super::error::{Malformed, Refused, Unreadable};
use super::frame::{self, Results, Unfit};
use super::front::Front;
use super::interface::{Interface, Method, Version};
use super::reader::Reader;
use super::unclaimed::Unclaimed;
use super::writer::Writer;
use super::{DEPTH, Outgoing};

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
    value.serialize(&mut Encoder::new(&mut out)).unwrap();
    out
}

fn read<'data, T: Deserialize<'data>>(data: &'data [u8]) -> Result<T, Malformed> {
    Reader::all(Front::None, data, Unclaimed::default(), |reader| {
        reader.take("value")
    })
    .map_err(|unreadable| unreadable.reason)
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
    let (name, key) = Reader::all(Front::None, &data, Unclaimed::default(), |reader| {
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
    let taken = Reader::all(Front::None, &data, Unclaimed::default(), |reader| {
        reader.take_bytes("value")
    });
    assert_eq!(taken, Ok(value));
}

/// Reads bytes from a message with some of them before its values.
fn with_front(message: &mut Vec<u8>, count: usize) -> Result<(Vec<u8>, u8), Malformed> {
    let mut behind = Vec::new();
    let (front, data) = Front::part(message, count, &mut behind);
    Reader::all(front, data, Unclaimed::default(), |reader| {
        Ok((reader.take_bytes("bytes")?, reader.take("after")?))
    })
    .map_err(|unreadable| unreadable.reason)
}

#[test]
fn many_bytes_are_taken_with_their_memory() {
    let value = vec![7; 20_000];
    let (mut data, mut descriptors) = (Vec::new(), Vec::new());
    let mut writer = Writer::new(&mut data, &mut descriptors);
    writer.put_bytes("bytes", &value);
    writer.put("after", &9_u8);
    assert_eq!(writer.front(), (&value[..], 20_000));
    assert_eq!(data, [0xff, 0xff, 0xff, 0xff, 9]);

    let mut message = [&value[..], &data].concat();
    let at = message.as_ptr();
    let (taken, after) = with_front(&mut message, 20_000).unwrap();
    assert_eq!((taken.as_ptr(), after), (at, 9));
    assert!(taken == value && message.is_empty());
    // With much behind them they are copied.
    let long = "x".repeat(100_000);
    let mut message = [&value[..], &data[..4], &bytes(&long)].concat();
    let mut behind = Vec::new();
    let (front, rest) = Front::part(&mut message, 20_000, &mut behind);
    let taken = Reader::all(front, rest, Unclaimed::default(), |reader| {
        Ok((reader.take_bytes("bytes")?, reader.take::<&str>("after")?))
    });
    assert!(taken == Ok((value, &long)) && message.len() > 100_000);
}

#[test]
fn bytes_before_the_values_are_taken_once() {
    let message = |values: &[u8]| [&[1, 2, 3][..], values].concat();
    let marked = [0xff, 0xff, 0xff, 0xff, 9];
    assert_eq!(with_front(&mut message(&marked), 3), Ok((vec![1, 2, 3], 9)));
    // Nobody takes them, or there are none.
    let inside = [1, 0, 0, 0, 5, 9];
    assert_eq!(
        with_front(&mut message(&inside), 3),
        Err(Malformed::LeftOver)
    );
    assert_eq!(read::<&[u8]>(&marked[..4]), Err(Malformed::Short));
    // Twice.
    let mut twice = message(&[marked[..4].to_vec(), marked[..4].to_vec()].concat());
    let mut behind = Vec::new();
    let (front, data) = Front::part(&mut twice, 3, &mut behind);
    let taken = Reader::all(front, data, Unclaimed::default(), |reader| {
        Ok((reader.take_bytes("a")?, reader.take_bytes("b")?))
    });
    assert_eq!(taken, Err(Unreadable::new("b", Malformed::Short)));
    // Borrowed.
    let mut lent = message(&marked[..4]);
    let (front, data) = Front::part(&mut lent, 3, &mut behind);
    let taken = Reader::all(front, data, Unclaimed::default(), |reader| {
        reader.take::<&[u8]>("a")
    });
    assert_eq!(taken, Ok(&[1, 2, 3][..]));
}

#[test]
fn how_much_lies_before_the_values_is_checked() {
    let mut call = vec![0; 10];
    frame::end_call(1, METHODS[0].tag(), None, 10, &mut call);
    assert_eq!(frame::front_of_call(&call), Some(Ok(10)));
    assert_eq!(frame::open_call(&call[10..]).unwrap().arguments, []);
    assert_eq!(
        frame::front_of_call(&call[1..]),
        Some(Err(Malformed::Short))
    );
    assert_eq!(
        frame::front_of_call(&call[15..]),
        Some(Err(Malformed::Short))
    );
    let mut results = vec![0; 10];
    frame::end_results(frame::RETURNED, 10, &mut results);
    assert_eq!(frame::front_of_results(&results), Some(Ok(10)));
    assert_eq!(opened(&results[10..]), Ok(Results::Value(&[])));
    assert_eq!(
        frame::front_of_results(&results[1..]),
        Some(Err(Malformed::Short))
    );
    assert_eq!(
        frame::front_of_results(&[0x82]),
        Some(Err(Malformed::Short))
    );
    // In its place, for whoever does not know of the other.
    let mut results = [&[7; 3][..], &[0xff; 4]].concat();
    frame::end_results(frame::RETURNED, 3, &mut results);
    frame::in_place(&mut results, 3).unwrap();
    assert_eq!(opened(&results), Ok(Results::Value(&[3, 0, 0, 0, 7, 7, 7])));
}

#[test]
fn how_much_time_is_left_stands_behind_the_arguments() {
    let later = Instant::now() + Duration::from_secs(100);
    for (front, values) in [(0, 4), (2, 2)] {
        let mut call = b"rest".to_vec();
        frame::end_call(1, METHODS[0].tag(), Some(later), front, &mut call);
        let count = frame::front_of_call(&call).map(Result::unwrap);
        assert_eq!(count, (front > 0).then_some(2));
        let opened = frame::open_call(&call[count.unwrap_or(0)..]).unwrap();
        assert_eq!(opened.arguments.len(), values);
        let left = Duration::from_nanos(opened.left.unwrap());
        assert!((1..=100).contains(&left.as_secs()));
        // Cut off before what is left: nothing else is taken for it.
        let foot = call.len() - 8 - 4 * count.map_or(0, |_| 1);
        for missing in [foot - 7, foot - 1, foot] {
            let cut = frame::open_call(&call[missing..]);
            let short = Err(Unfit::Argument(Unreadable::new("", Malformed::Short)));
            assert_eq!(cut, short);
        }
    }
    // Over already.
    let mut call = Vec::new();
    frame::end_call(1, METHODS[0].tag(), Some(Instant::now()), 0, &mut call);
    assert_eq!(frame::open_call(&call).unwrap().left, Some(0));
    *call.last_mut().unwrap() = 0x43;
    assert_eq!(frame::open_call(&call), Err(Unfit::Version));
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
    let mut call = b"rest".to_vec();
    frame::end_call(1, METHODS[0].tag(), None, 0, &mut call);
    assert_eq!(frame::front_of_call(&call), None);
    let opened = frame::open_call(&call).unwrap();
    assert_eq!(opened.number, 1);
    assert_eq!(opened.tag, METHODS[0].tag());
    assert_eq!(opened.arguments, b"rest");

    let not_typed = Err(Unfit::Argument(Unreadable::new("", Malformed::NotTyped)));
    assert_eq!(frame::open_call(&[]), not_typed);
    assert_eq!(frame::open_call(&[0; 20]), not_typed);
    assert_eq!(frame::open_call(&[0x81; 20]), not_typed);
    let short = Err(Unfit::Argument(Unreadable::new("", Malformed::Short)));
    assert_eq!(frame::open_call(&call[5..]), short);
    *call.last_mut().unwrap() = 3;
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

    // A server of version 3.
    let refused = Refused::OtherLayout { theirs: 3, ours: 1 };
    assert_eq!(opened(&[9, 9, 3, 0x83]), Ok(Results::Refused(refused)));
}

#[test]
fn results_that_are_none_are_told_from_those_that_are() {
    let mut call = Vec::new();
    frame::end_call(1, METHODS[0].tag(), None, 0, &mut call);
    for nonsense in [
        &[][..],
        &[0x81],
        &[0, 0x81],
        &[77, 0x81],
        &[1, 1, 0x83],
        &[1, 0x80],
        &call,
    ] {
        assert_eq!(opened(nonsense), Err(Malformed::NotTyped));
    }
    assert_eq!(opened(&[1, 4, 0x81]), Err(Malformed::Short));
    assert_eq!(opened(&[5, 0x81]), Err(Malformed::Short));
    assert_eq!(opened(&[1, 1, 0x82]), Err(Malformed::Short));
}

#[test]
fn the_text_of_a_server_is_cut_and_escaped() {
    let mut results = vec![0, 0, 0, 0, 0x00, 0xf0];
    results.extend_from_slice(b"\x1b[2J\xff");
    results.resize(1 << 20, b'x');
    results.extend_from_slice(&[4, 0x81]);
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

#[derive(Serialize, Deserialize)]
struct Sparse {
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<u8>,
    second: [u8; 2],
}

/// Says that it has one element.
struct Liar(u8);

impl Serialize for Liar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut elements = serializer.serialize_seq(Some(1))?;
        (0..self.0).try_for_each(|element| elements.serialize_element(&element))?;
        elements.end()
    }
}

#[test]
fn a_value_that_would_be_read_as_another_is_not_put() {
    let put = |value: &dyn Fn(&mut Encoder<'_>) -> Result<(), Unwritable>| {
        value(&mut Encoder::new(&mut Vec::new()))
    };
    let sparse = |first| Sparse {
        first,
        second: [1, 2],
    };
    assert_eq!(put(&|out| sparse(Some(1)).serialize(out)), Ok(()));
    assert_eq!(
        put(&|out| sparse(None).serialize(out)),
        Err(Unwritable::Uneven)
    );
    assert_eq!(put(&|out| Liar(1).serialize(out)), Ok(()));
    for many in [0, 2] {
        assert_eq!(
            put(&|out| Liar(many).serialize(out)),
            Err(Unwritable::Uneven)
        );
    }
}

#[test]
fn a_value_that_cannot_be_put_is_reported() {
    let (mut out, mut descriptors) = (Vec::new(), Vec::new());
    let mut writer = Writer::new(&mut out, &mut descriptors);
    writer.put("good", &1_u8);
    writer.put("bad", &Obstinate);
    writer.put("after", &1_u8);
    assert_eq!(writer.failed(), Some(("bad", Unwritable::Itself)));

    Outgoing::new(&mut out, &mut Vec::new()).value(&Obstinate);
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
        let data = [&rest[..], &[status, 0x81]].concat();
        match opened(&data) {
            Ok(Results::Value(value) | Results::Error(value)) => prop_assert_eq!(value, &rest[..]),
            Ok(Results::Refused(_) | Results::ValueLost) => prop_assert!((3..=6).contains(&status)),
            Ok(Results::NotAllowed(_)) => prop_assert_eq!(status, 7),
            Err(_) => prop_assert!(!matches!(status, 1 | 2)),
        }
    }
}
