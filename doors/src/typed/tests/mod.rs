//! The bytes of typed calls without a call.

mod frames;
mod fronts;
mod refusals;
mod unfit;
mod unput;
mod values;

use serde::{Deserialize, Serialize};

use super::encode::Encoder;
use super::error::{Malformed, Refused};
use super::frame::{self, Results};
use super::front::Front;
use super::interface::{Interface, Method, Version};
use super::reader::Reader;
use super::unclaimed::Unclaimed;

static METHODS: [Method; 1] = [method("fn add(a: u32, b: u32) -> u32")];
static ADD: Interface = Interface::new("Sums", Version::new(1, 2), &METHODS);

const fn method(signature: &'static str) -> Method {
    Method::new("Sums", Version::new(1, 2), 1, "add", signature, |_| {})
}

fn bytes<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    value.serialize(&mut Encoder::new(&mut out)).unwrap();
    out
}

fn read<'data, T: Deserialize<'data>>(data: &'data [u8]) -> Result<T, Malformed> {
    Reader::all(Front::None, data, Unclaimed::default(), |reader| {
        reader.take("value")
    })
    .map_err(|unreadable| unreadable.reason)
}

/// What results say to a caller of `add`.
fn opened(data: &[u8]) -> Result<Results<'_>, Malformed> {
    frame::open_results(data, |theirs| Refused::of(&ADD, &METHODS[0], theirs))
}
