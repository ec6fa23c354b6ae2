//! A description has an end, whatever contains what.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::text;

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

#[test]
fn types_that_all_contain_each_other_have_an_end_too() {
    let shape = text::<A>();
    // Each once, and whole: eleven names, eleven times.
    assert_eq!(shape.matches("option<").count(), 121, "{shape}");
    assert!(!shape.contains('?'), "{shape}");
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
