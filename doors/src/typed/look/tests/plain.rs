//! Each kind of type is what it is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::text;

#[derive(Serialize, Deserialize)]
struct Record {
    id: u64,
    #[serde(rename = "called")]
    name: Option<String>,
    #[serde(skip)]
    _cache: Vec<u8>,
    values: Vec<(i8, f32)>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Pair(bool, char);

#[derive(Serialize, Deserialize)]
pub(super) struct Meters(f64);

#[derive(Serialize, Deserialize)]
struct Marker;

#[derive(Serialize, Deserialize)]
pub(super) enum Area {
    Point,
    Circle(Meters),
    Box { width: u8, height: u8 },
    Corners([u16; 4], Pair),
}

#[test]
fn plain_values_are_what_they_are() {
    assert_eq!(
        text::<(bool, u8, i128, f64, char, &str, ())>(),
        "(bool, u8, i128, f64, char, str, ())"
    );
    assert_eq!(text::<usize>(), "u64");
    assert_eq!(text::<String>(), text::<&str>());
    assert_eq!(text::<&[u8]>(), "bytes");
    assert_eq!(text::<Vec<u8>>(), "[u8]");
    assert_eq!(text::<[u8; 16]>(), "[u8; 16]");
    assert_eq!(text::<Option<Option<u8>>>(), "option<option<u8>>");
    assert_eq!(text::<BTreeSet<PathBuf>>(), "[str]");
    assert_eq!(text::<BTreeMap<u8, Vec<i8>>>(), "map<u8, [i8]>");
}

#[test]
fn attributes_count() {
    assert_eq!(
        text::<Record>(),
        "Record; struct Record { id: u64, called: option<str>, values: [(i8, f32)] }"
    );
    assert_eq!(text::<Marker>(), "Marker; struct Marker {  }");
    assert_eq!(text::<Pair>(), "Pair; struct Pair { 0: bool, 1: char }");
}

#[test]
fn every_variant_is_looked_at() {
    assert_eq!(
        text::<Area>(),
        "Area; enum Area { Point, Circle(Meters), Box { width: u8, height: u8 }, \
         Corners([u16; 4], Pair) }; struct Meters { 0: f64 }; struct Pair { 0: bool, 1: char }"
    );
    // Several times, and written down once.
    assert_eq!(
        text::<(Area, Vec<Area>, Result<Area, ()>)>(),
        format!(
            "(Area, [Area], Result); {}; enum Result {{ Ok(Area), Err(()) }}",
            text::<Area>().strip_prefix("Area; ").unwrap()
        )
    );
}

#[test]
fn types_that_are_choosy_show_themselves_too() {
    assert_eq!(text::<(NonZeroU16, u8)>(), "(u16, u8)");
    assert_eq!(
        text::<Duration>(),
        "Duration; struct Duration { secs: u64, nanos: u32 }"
    );
    assert_eq!(
        text::<SystemTime>(),
        "SystemTime; struct SystemTime { secs_since_epoch: u64, nanos_since_epoch: u32 }"
    );
    assert_eq!(
        text::<IpAddr>(),
        "IpAddr; enum IpAddr { V4([u8; 4]), V6([u8; 16]) }"
    );
}
