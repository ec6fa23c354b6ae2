//! Functions that can be doors, under the strictest lints, with every name in their way that they could trip over.
#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub)]
#![deny(nonstandard_style, elided_lifetimes_in_paths, unused_qualifications)]

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use doors::door;
use serde::{Deserialize, Serialize};

/// Borrows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line<'a> {
    text: &'a str,
}

#[door]
pub(crate) fn nothing() {}

#[door]
fn names(self_: u32, arguments: u32, deadline: u32, door: u32, path: u32, results: u32, names: u32) -> u32 {
    self_ + arguments + deadline + door + path + results + names
}

#[door]
fn keyword(r#type: u8) -> u8 {
    r#type
}

#[door]
fn borrowed(line: Line<'_>, text: &str, bytes: &[u8], path: &Path, maybe: Option<&str>) -> PathBuf {
    let _ = (line.text, text, bytes, maybe);
    path.to_owned()
}

#[door]
fn referenced(line: &Line<'_>, numbers: &[u64], lines: &[Line<'_>], array: &[u8; 4]) -> u64 {
    let _ = (line, lines, array);
    numbers.iter().sum()
}

#[door]
fn owned(bytes: Vec<u8>, _unused: String) -> Vec<u8> {
    bytes
}

#[door]
fn cow(text: Cow<'static, str>) -> Cow<'static, str> {
    text
}

#[door]
#[must_use]
#[cfg(not(all()))]
fn absent(nobody: Knows) {}

mod shadows {
    #![expect(dead_code)]

    struct Ok;
    struct Err;
    struct Some;
    struct None;
    struct Option;
    struct String;
    struct Vec;
    struct Door;
    struct Returned;

    type Result<T> = std::result::Result<T, u8>;

    #[doors::door]
    pub(super) fn halve(number: u32) -> Result<u32> {
        if number % 2 == 0 {
            std::result::Result::Ok(number / 2)
        } else {
            std::result::Result::Err(1)
        }
    }
}

fn main() {
    #[derive(Debug, Serialize, Deserialize, PartialEq)]
    struct Inner(u32);

    #[door]
    fn inner(value: Inner) -> Inner {
        Inner(value.0 + 1)
    }

    let client = InnerClient::from(inner::door().unwrap());
    assert_eq!(client.call(Inner(1)).unwrap(), Inner(2));

    let client = NamesClient::from(names::door().unwrap());
    let soon = std::time::Instant::now() + std::time::Duration::from_secs(60);
    assert_eq!(client.until(soon).call(1, 2, 3, 4, 5, 6, 7).unwrap(), 28);

    let client = ReferencedClient::from(referenced::door().unwrap());
    let line = Line { text: "text" };
    assert_eq!(client.call(&line, &[1, 2], std::slice::from_ref(&line), &[0; 4]).unwrap(), 3);

    let client = BorrowedClient::from(borrowed::door().unwrap());
    let path = client.call(line, "text", &[255], Path::new("/tmp"), None).unwrap();
    assert_eq!(path, Path::new("/tmp"));

    let client = shadows::HalveClient::from(shadows::halve::door().unwrap());
    assert_eq!(client.call(4).unwrap(), 2);
    assert!(matches!(client.call(3), Err(doors::ProcedureError::Returned(1))));

    NothingClient::from(nothing::door().unwrap()).call().unwrap();
    assert_eq!(KeywordClient::from(keyword::door().unwrap()).call(3).unwrap(), 3);
    assert_eq!(CowClient::from(cow::door().unwrap()).call("cow".into()).unwrap(), "cow");
    let client = OwnedClient::from(owned::door().unwrap());
    assert_eq!(client.call(vec![0, 255], String::new()).unwrap(), [0, 255]);
}
