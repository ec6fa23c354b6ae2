//! What types show of themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use serde::de::{EnumAccess, VariantAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::Types;
use crate::typed::encode::Encoder;
use crate::typed::reader::Reader;
use crate::typed::shape::Type;
use crate::typed::unclaimed::Unclaimed;
use crate::typed::values::Values;

/// What a type shows of itself, and then each type that it names.
fn text<T: Deserialize<'static>>() -> String {
    let mut types = Types::default();
    let shape = types.look::<T>();
    let types = types.all();
    let named = types.iter().map(|named| named.shown(types).to_string());
    let all: Vec<_> = [shape.shown(types).to_string()]
        .into_iter()
        .chain(named)
        .collect();
    all.join("; ")
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
fn a_type_that_contains_itself_has_an_end() {
    assert_eq!(text::<List>(), "List; struct List { 0: option<List> }");
    assert_eq!(
        text::<Tree>(),
        "Tree; struct Tree { children: [Tree], names: map<str, Tree>, leaf: Leaf }; \
         struct Leaf { 0: u8 }"
    );
    assert_eq!(
        text::<Branch>(),
        "Branch; struct Branch { meta: Meta, children: [Branch] }; \
         struct Meta { owner: option<u32>, words: [str] }"
    );
    assert_eq!(
        text::<Term>(),
        "Term; enum Term { Not(Term), Both { left: Term, right: Term }, Value(i64), All([Term]) }"
    );
    // The same name around something else is another type.
    assert_eq!(
        text::<Wrapped<Wrapped<u8>>>(),
        "Wrapped; struct Wrapped { 0: Wrapped#2 }; struct Wrapped#2 { 0: u8 }"
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
    // Each once, and whole: eleven names, eleven times.
    assert_eq!(shape.matches("option<").count(), 121, "{shape}");
    assert!(!shape.contains('?'), "{shape}");
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

/// A `Vec` of itself, of which no name is seen.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Bare(Vec<Bare>);

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Chain(Option<Box<(u8, Chain)>>);

#[test]
fn a_type_without_a_name_that_contains_itself_has_an_end_too() {
    assert_eq!(text::<Bare>(), "#1; type #1 [#1]");
    assert_eq!(
        text::<(Chain, Bare)>(),
        "(#1, #2); type #1 option<(u8, #1)>; type #2 [#2]"
    );
}

#[test]
fn types_of_one_name_are_told_apart() {
    #[derive(Serialize, Deserialize)]
    struct Both<A, B> {
        one: A,
        other: B,
    }

    let one = {
        #[derive(Serialize, Deserialize)]
        struct Same {
            part: u32,
        }
        (text::<Same>(), text::<Option<Same>>())
    };
    let one_more = {
        #[derive(Serialize, Deserialize)]
        struct Same {
            part: i32,
        }
        type Outer = Same;
        let inner = {
            #[derive(Serialize, Deserialize)]
            struct Same {
                part: f32,
            }
            text::<Both<Outer, Same>>()
        };
        (text::<Same>(), inner)
    };
    assert_eq!(one.0, "Same; struct Same { part: u32 }");
    assert_eq!(one_more.0, "Same; struct Same { part: i32 }");
    assert_eq!(
        one_more.1,
        "Both; struct Both { one: Same, other: Same#2 }; struct Same { part: i32 }; \
         struct Same#2 { part: f32 }"
    );
}

#[test]
fn an_enumeration_may_have_very_many_variants() {
    /// As derived for fifteen hundred variants, each of which carries a number.
    struct Many;

    impl<'de> Deserialize<'de> for Many {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            static NAMES: OnceLock<Vec<&'static str>> = OnceLock::new();
            let names = NAMES.get_or_init(|| {
                let name = |at| -> &'static str { format!("V{at}").leak() };
                (0..1500).map(name).collect()
            });
            deserializer.deserialize_enum("Many", names, Self)
        }
    }

    impl<'de> Visitor<'de> for Many {
        type Value = Self;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("one of many")
        }

        fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Self, A::Error> {
            let (_, variant) = data.variant::<u32>()?;
            variant.newtype_variant::<u8>().map(|_| self)
        }
    }

    let text = text::<Many>();
    assert!(text.ends_with(", V1498(u8), V1499(u8) }"));
    assert!(!text.contains('?'), "{text}");
}

macro_rules! deep {
    ($outer:ident $($inner:ident)+) => {
        deep! { @ $outer $($inner)+ }
        deep! { $($inner)+ }
    };
    ($last:ident) => {
        #[derive(Serialize, Deserialize)]
        struct $last {
            last: u8,
        }
    };
    (@ $outer:ident $next:ident $($inner:ident)*) => {
        #[derive(Serialize, Deserialize)]
        struct $outer {
            next: Option<$next>,
        }
    };
}

deep! {
    D00 D01 D02 D03 D04 D05 D06 D07 D08 D09 D10 D11 D12 D13 D14 D15 D16 D17 D18 D19
    D20 D21 D22 D23 D24 D25 D26 D27 D28 D29 D30 D31 D32 D33 D34 D35 D36 D37 D38 D39
    D40 D41 D42 D43 D44 D45 D46 D47 D48 D49 D50 D51 D52 D53 D54 D55 D56 D57 D58 D59
}

#[test]
fn types_nested_deep_are_described() {
    let text = text::<D00>();
    assert!(text.ends_with("; struct D59 { last: u8 }"), "{text}");
    let mut values = Values::default();
    values.argument::<D00>("deep");
    let mut bytes = Vec::new();
    let put = values.types().serialize(&mut Encoder::new(&mut bytes));
    put.unwrap();
    let taken = Reader::all(
        crate::typed::front::Front::None,
        &bytes,
        Unclaimed::default(),
        |reader| reader.take::<Vec<Type>>("types"),
    );
    assert_eq!(taken.unwrap(), values.types());
}
