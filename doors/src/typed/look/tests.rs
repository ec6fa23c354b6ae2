//! What types show of themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::shape_of;

fn text<T: Deserialize<'static>>() -> String {
    shape_of::<T>().to_string()
}

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
struct Pair(bool, char);

#[derive(Serialize, Deserialize)]
struct Meters(f64);

#[derive(Serialize, Deserialize)]
struct Marker;

#[derive(Serialize, Deserialize)]
struct Wrapped<T>(T);

#[derive(Serialize, Deserialize)]
enum Area {
    Point,
    Circle(Meters),
    Box { width: u8, height: u8 },
    Corners([u16; 4], Pair),
}

#[derive(Serialize, Deserialize)]
struct List(Option<Box<List>>);

#[derive(Serialize, Deserialize)]
struct Meta {
    owner: Option<u32>,
    words: Vec<String>,
}

/// Something whole comes before it contains itself.
#[derive(Serialize, Deserialize)]
struct Branch {
    meta: Meta,
    children: Vec<Branch>,
}

macro_rules! all_of_all {
    ($($name:ident)*) => {$(
        all_of_all! { @one $name: A B C D E F G H I J K }
    )*};
    (@one $name:ident: $($other:ident)*) => {
        #[derive(Serialize, Deserialize)]
        #[expect(non_snake_case, reason = "fields are called as their types")]
        struct $name {
            $($other: Option<Box<$other>>,)*
        }
    };
}

all_of_all! { A B C D E F G H I J K }

#[derive(Serialize, Deserialize)]
struct Tree {
    children: Vec<Tree>,
    names: BTreeMap<String, Tree>,
    leaf: Leaf,
}

#[derive(Serialize, Deserialize)]
struct Leaf(u8);

#[derive(Serialize, Deserialize)]
enum Term {
    Not(Box<Term>),
    Both { left: Box<Term>, right: Box<Term> },
    Value(i64),
    All(Vec<Term>),
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
        "struct Record { id: u64, called: option<str>, values: [(i8, f32)] }"
    );
    assert_eq!(text::<Marker>(), "struct Marker {  }");
    assert_eq!(text::<Pair>(), "struct Pair { 0: bool, 1: char }");
}

#[test]
fn every_variant_is_looked_at() {
    assert_eq!(
        text::<Area>(),
        "enum Area { Point, Circle(struct Meters { 0: f64 }), Box { width: u8, height: u8 }, \
         Corners([u16; 4], struct Pair { 0: bool, 1: char }) }"
    );
    // Twice, and each whole.
    let area = text::<Area>();
    assert_eq!(
        text::<(Area, Vec<Area>, Result<Area, ()>)>(),
        format!("({area}, [{area}], enum Result {{ Ok({area}), Err(()) }})")
    );
}

#[test]
fn a_type_that_contains_itself_has_an_end() {
    assert_eq!(text::<List>(), "struct List { 0: option<List> }");
    assert_eq!(
        text::<Tree>(),
        "struct Tree { children: [Tree], names: map<str, Tree>, leaf: struct Leaf { 0: u8 } }"
    );
    assert_eq!(
        text::<Branch>(),
        "struct Branch { meta: struct Meta { owner: option<u32>, words: [str] }, \
         children: [Branch] }"
    );
    assert_eq!(
        text::<Term>(),
        "enum Term { Not(Term), Both { left: Term, right: Term }, Value(i64), All([Term]) }"
    );
    // The same name around something else is another type.
    assert_eq!(
        text::<Wrapped<Wrapped<u8>>>(),
        "struct Wrapped { 0: struct Wrapped { 0: u8 } }"
    );
}

#[test]
fn types_that_are_choosy_show_themselves_too() {
    assert_eq!(text::<(NonZeroU16, u8)>(), "(u16, u8)");
    assert_eq!(
        text::<Duration>(),
        "struct Duration { secs: u64, nanos: u32 }"
    );
    assert_eq!(
        text::<SystemTime>(),
        "struct SystemTime { secs_since_epoch: u64, nanos_since_epoch: u32 }"
    );
    assert_eq!(
        text::<IpAddr>(),
        "enum IpAddr { V4([u8; 4]), V6([u8; 16]) }"
    );
}

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

#[test]
fn types_that_all_contain_each_other_have_an_end_too() {
    let shape = text::<A>();
    assert!(shape.len() < 2_000_000, "{}", shape.len());
    assert_eq!(shape, text::<A>());
}
