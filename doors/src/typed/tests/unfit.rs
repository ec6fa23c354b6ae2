//! Bytes that are no value, and what it costs to find that out.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::read;
use super::values::Everything;
use crate::typed::DEPTH;
use crate::typed::error::Malformed;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct List(Option<Box<List>>);

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
