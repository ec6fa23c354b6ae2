//! Values that would take more stack than there is. Where the bound is missing the whole process ends.

use std::thread;

use serde::{Deserialize, Serialize};

use crate::typed::encode::{Encoder, Unwritable};
use crate::typed::error::Malformed;
use crate::typed::reader::Reader;
use crate::typed::unclaimed::Unclaimed;
use crate::typed::values::Values;

/// 32 KiB of each.
type Page = [[[u64; 32]; 16]; 8];

/// Its own next one comes first: a byte for each is enough to go down.
#[derive(Serialize, Deserialize)]
struct Pages(Option<Box<Pages>>, Page);

/// As that, with something small to go down by before.
#[derive(Serialize, Deserialize)]
enum Stairs {
    Small(Box<Stairs>),
    Large(Box<Pages>),
    End,
}

#[derive(Serialize, Deserialize)]
struct Small(Option<Box<Small>>);

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Transparent(Vec<Transparent>);

fn read<T: for<'de> Deserialize<'de>>(data: &[u8]) -> Result<(), Malformed> {
    let read = Reader::all(
        crate::typed::front::Front::None,
        data,
        Unclaimed::default(),
        |reader| reader.take::<T>("value").map(drop),
    );
    read.map_err(|unreadable| unreadable.reason)
}

/// On a thread with a stack of so many bytes.
fn on_a_stack<T: Send + 'static>(size: usize, run: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = thread::Builder::new().stack_size(size);
    thread.spawn(run).unwrap().join().unwrap()
}

#[test]
fn large_values_nested_end_before_the_stack_does() {
    for size in [1 << 20, 2 << 20, 8 << 20] {
        let read = on_a_stack(size, || read::<Pages>(&[1; 1000]));
        assert_eq!(read, Err(Malformed::TooDeep));
    }
}

#[test]
fn a_large_value_at_the_end_of_a_way_down_does_too() {
    // Each way down is a level of its own, as a variant is.
    for stairs in 0..128 {
        let mut data = [0; 4].repeat(stairs);
        data.extend_from_slice(&[1, 0, 0, 0]);
        data.extend_from_slice(&[1; 1000]);
        let read = on_a_stack(2 << 20, move || read::<Stairs>(&data));
        assert_eq!(read, Err(Malformed::TooDeep));
    }
}

#[test]
fn small_values_have_all_their_levels() {
    for size in [1 << 20, 2 << 20] {
        let mut data = vec![1; 63];
        data.push(0);
        assert_eq!(on_a_stack(size, move || read::<Small>(&data)), Ok(()));
    }
}

#[test]
fn a_level_without_a_name_counts() {
    let nested = |levels: usize| {
        let mut data = [1, 0, 0, 0].repeat(levels);
        data.extend_from_slice(&[0; 4]);
        data
    };
    assert_eq!(read::<Transparent>(&nested(127)), Ok(()));
    assert_eq!(read::<Transparent>(&nested(128)), Err(Malformed::TooDeep));
}

#[test]
fn a_value_of_ones_own_that_is_too_deep_is_an_error() {
    let put = on_a_stack(1 << 20, || {
        // Taken apart by hand: to drop it would go as deep.
        let mut value = Small(None);
        for _ in 0..100_000 {
            value = Small(Some(Box::new(value)));
        }
        let put = value.serialize(&mut Encoder::new(&mut Vec::new()));
        while let Some(next) = value.0.take() {
            value = *next;
        }
        put
    });
    assert_eq!(put, Err(Unwritable::TooDeep));
}

#[test]
fn looks_at_types_that_contain_themselves_end() {
    on_a_stack(2 << 20, || {
        let mut values = Values::default();
        values.argument::<Pages>("pages");
        values.argument::<Stairs>("stairs");
        values.argument::<Transparent>("transparent");
        let text = values.to_string();
        assert!(
            text.contains("struct Pages { 0: option<Pages>, 1: [[["),
            "{text}"
        );
        assert!(text.contains("Large(Pages)"), "{text}");
    });
}
