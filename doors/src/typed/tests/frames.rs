//! What stands at the end of a message.

use std::time::{Duration, Instant};

use proptest::prelude::{any, prop_assert, prop_assert_eq};

use super::{METHODS, opened};
use crate::typed::error::{Malformed, Unreadable};
use crate::typed::frame::{self, Results, Unfit};

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
fn reasons_travel_as_their_number() {
    for code in 0..=u8::MAX {
        assert_eq!(Malformed::of_code(code).code(), code);
    }
}

proptest::proptest! {
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
