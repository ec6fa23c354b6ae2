//! Doors by rkyv, under the strictest lints, with names in their way.
#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub)]
#![deny(nonstandard_style, elided_lifetimes_in_paths, unused_qualifications)]

use doors::door;
use rkyv::{Archive, Archived, Deserialize, Serialize};

/// A value.
#[derive(Debug, Archive, Serialize, Deserialize)]
pub struct Line {
    text: String,
}

/// Says nothing about itself otherwise.
#[derive(Debug, Archive, Serialize, Deserialize)]
pub struct Wrong(u32);

/// All ways in which an argument can come.
#[door(version = "1.2", codec = "rkyv")]
pub trait Printer {
    /// An archive.
    fn archive(&self, line: &Archived<Line>, reader: &Archived<Vec<u64>>) -> usize;
    /// Beside archives.
    fn beside(&self, text: &str, bytes: &[u8]) -> Vec<u8>;
    /// Values.
    fn own(&self, line: Line, number: u32, answer: Option<Vec<Line>>) -> Result<Line, Wrong>;
    /// Nothing.
    fn nothing(&self);
    /// An error alone.
    fn error(&self) -> Result<(), Wrong>;
}

/// A function.
#[door(codec = "rkyv")]
pub fn length(line: &Archived<Line>) -> u32 {
    u32::try_from(line.text.len()).unwrap_or(u32::MAX)
}

struct Silent;

impl Printer for Silent {
    fn archive(&self, line: &Archived<Line>, reader: &Archived<Vec<u64>>) -> usize {
        line.text.len() + reader.len()
    }

    fn beside(&self, text: &str, bytes: &[u8]) -> Vec<u8> {
        [text.as_bytes(), bytes].concat()
    }

    fn own(&self, line: Line, number: u32, answer: Option<Vec<Line>>) -> Result<Line, Wrong> {
        match answer {
            None => Ok(line),
            Some(_) => Err(Wrong(number)),
        }
    }

    fn nothing(&self) {}

    fn error(&self) -> Result<(), Wrong> {
        Err(Wrong(1))
    }
}

fn main() {
    let printer = PrinterClient::from(PrinterDoor::serve(Silent).unwrap());
    let line = || Line {
        text: "seven..".into(),
    };
    assert_eq!(printer.archive(&line(), &vec![1, 2]).unwrap(), 9);
    assert_eq!(printer.beside("a", b"b").unwrap(), b"ab");
    assert_eq!(printer.own(line(), 5, None).unwrap().text, "seven..");
    assert!(printer.own(line(), 5, Some(vec![line()])).is_err());
    printer.nothing().unwrap();
    assert!(printer.error().is_err());
    let length = LengthClient::from(length::door().unwrap());
    assert_eq!(length.call(&line()).unwrap(), 7);
}
