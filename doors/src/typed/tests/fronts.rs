//! Many bytes go before the values of their message.

use super::{METHODS, bytes, opened, read};
use crate::typed::error::{Malformed, Unreadable};
use crate::typed::frame::{self, Results};
use crate::typed::front::Front;
use crate::typed::reader::Reader;
use crate::typed::unclaimed::Unclaimed;
use crate::typed::writer::Writer;

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
