//! Types that take none of the samples, and what comes after them.

use serde::{Deserialize, Serialize};

use super::plain::Area;
use super::text;

/// Takes even numbers only, and says so afterwards.
#[derive(Serialize, Deserialize)]
#[serde(try_from = "u32")]
struct Even(u32);

impl TryFrom<u32> for Even {
    type Error = &'static str;

    fn try_from(value: u32) -> Result<Self, Self::Error> {
        if value.is_multiple_of(2) {
            Ok(Self(value))
        } else {
            Err("odd")
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(try_from = "u32")]
struct Never(u32);

impl TryFrom<u32> for Never {
    type Error = &'static str;

    fn try_from(_: u32) -> Result<Self, Self::Error> {
        Err("never")
    }
}

#[test]
fn what_refuses_every_sample_stays_hidden() {
    assert_eq!(text::<(Even, u8)>(), "(u32, u8)");
    assert_eq!(text::<(u8, Never, u8)>(), "(u8, u32, ?)");
}

#[derive(Serialize, Deserialize)]
struct Between {
    before: u8,
    never: Never,
    after: Option<Area>,
    inner: Nested,
    last: u16,
}

#[derive(Serialize, Deserialize)]
struct Nested {
    never: Vec<Never>,
    after: char,
}

#[derive(Serialize, Deserialize)]
enum Either {
    Fields { never: Never, after: u8 },
    Parts(u8, Never, u8),
    One(Never),
    Unit,
}

#[test]
fn what_comes_after_something_that_refuses_is_seen() {
    let between = text::<Between>();
    assert!(
        between.starts_with(
            "Between; struct Between { before: u8, never: u32, after: option<Area>, \
             inner: Nested, last: u16 }; enum Area { Point, Circle(Meters), "
        ),
        "{between}"
    );
    assert!(between.ends_with("; struct Nested { never: [u32], after: char }"));
    assert_eq!(
        text::<Either>(),
        "Either; enum Either { Fields { never: u32, after: u8 }, Parts(u8, u32, ?), One(u32), Unit }"
    );
}
