//! The procedures that both sides know.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use doors::door;
use serde::{Deserialize, Serialize};

/// The function's own error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum GreetError {
    NoName,
    TooLong { limit: u32, name: String },
}

impl fmt::Display for GreetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoName => f.write_str("nobody to greet"),
            Self::TooLong { limit, .. } => write!(f, "a name of more than {limit} letters"),
        }
    }
}

impl std::error::Error for GreetError {}

/// Something with parts of every kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: u64,
    pub(crate) names: BTreeMap<String, Option<i32>>,
    pub(crate) shape: Shape,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Shape {
    Point,
    Circle(f64),
    Box { width: f32, height: f32 },
}

/// A type that contains itself.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Nest(pub(crate) Option<Box<Nest>>);

/// One whose every level has 16 KiB, of which the way down needs none.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pages {
    pub(crate) next: Option<Box<Pages>>,
    pub(crate) page: [[[u64; 32]; 8]; 8],
}

/// How often `add` ran.
static ADDED: std::sync::Mutex<u64> = std::sync::Mutex::new(0);

/// Adds two numbers.
#[door]
pub(crate) fn add(a: u32, b: u32) -> u32 {
    let mut added = ADDED.lock().unwrap();
    *added = added.wrapping_add(1);
    a.wrapping_add(b)
}

#[door]
pub(crate) fn executed() -> u64 {
    *ADDED.lock().unwrap()
}

#[door]
pub(crate) fn greet(name: &str) -> Result<String, GreetError> {
    let limit = 20;
    match name.chars().count() {
        0 => Err(GreetError::NoName),
        1..=20 => Ok(format!("Hello, {name}")),
        _ => Err(GreetError::TooLong {
            limit,
            name: name.to_owned(),
        }),
    }
}

/// Sends bytes back, reversed.
#[door]
pub(crate) fn mirror(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.reverse();
    bytes
}

#[door]
pub(crate) fn halve(record: &Record, times: Option<u8>) -> Record {
    let mut record = record.clone();
    for _ in 0..times.unwrap_or(1) {
        record.id /= 2;
    }
    record
}

#[door]
pub(crate) fn sum(numbers: &[i64], labels: Vec<&str>) -> (i64, usize) {
    (numbers.iter().sum(), labels.into_iter().map(str::len).sum())
}

/// Only borrows.
#[door]
pub(crate) fn count(text: &str, bytes: &[u8], letter: char) -> (u64, Option<u8>) {
    let letters = text.chars().filter(|other| *other == letter).count();
    (u64::try_from(letters).unwrap(), bytes.last().copied())
}

#[door]
pub(crate) fn nest(value: &Nest) -> usize {
    std::iter::successors(value.0.as_deref(), |nest| nest.0.as_deref()).count()
}

#[door]
pub(crate) fn pages(first: Box<Pages>) -> Box<Pages> {
    first
}

#[door]
pub(crate) fn sleep(millis: u64) {
    std::thread::sleep(Duration::from_millis(millis));
}

/// Misbehaves as told.
#[door]
pub(crate) fn obey(word: &str) -> Result<(), String> {
    match word {
        "panic" => panic!("as told"),
        "exit" => std::process::exit(3),
        _ => Err(format!("unknown word {word}")),
    }
}

/// Everything in a row; without a first byte the error is the second argument.
#[door]
pub(crate) fn splice(
    first: u8,
    borrowed: &[u8],
    text: &str,
    owned: Vec<u8>,
    last: Vec<u8>,
) -> Result<Vec<u8>, Vec<u8>> {
    if first == 0 {
        return Err(borrowed.to_vec());
    }
    let mut all = [&[first], borrowed, text.as_bytes()].concat();
    all.extend(owned);
    all.extend(last);
    Ok(all)
}
