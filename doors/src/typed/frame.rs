//! The bytes around the values, as the page of the module lays them out.

use super::error::{Malformed, Refused, Theirs, Unreadable};
use super::interface::{Interface, Method, TAG_BYTES, Version};

/// The version of the layout.
pub(super) const VERSION: u8 = 1;

/// The bytes before the arguments of a call.
const HEAD_BYTES: usize = 3 + TAG_BYTES;

/// Set in the first byte of results.
const RESULTS: u8 = 0x80;

/// Longer texts of a peer are cut off.
const TEXT_BYTES: usize = 1024;

/// The procedure returned a value.
pub(super) const RETURNED: u8 = 1;
/// The procedure returned its own error.
pub(super) const FAILED: u8 = 2;
/// The layout of the call is of another version.
const OTHER_VERSION: u8 = 3;
/// The door has no method with this number and tag.
const OTHER_METHOD: u8 = 4;
/// An argument cannot be read.
const BAD_ARGUMENT: u8 = 5;
/// The value cannot be put into bytes.
const VALUE_LOST: u8 = 6;

/// Why a method is not run.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    Version,
    Method { number: u16 },
    Argument(Unreadable),
}

/// What results say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Results<'data> {
    Value(&'data [u8]),
    Error(&'data [u8]),
    Refused(Refused),
    ValueLost,
}

/// Which method a call is for, and the bytes of its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call<'data> {
    pub(super) number: u16,
    pub(super) tag: [u8; TAG_BYTES],
    pub(super) arguments: &'data [u8],
}

/// Begins a call of the method with this number and tag.
#[inline]
pub(super) fn begin_call(number: u16, tag: [u8; TAG_BYTES], out: &mut Vec<u8>) {
    out.clear();
    out.push(VERSION);
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(&tag);
}

/// Takes a call apart.
#[inline]
pub(super) fn open_call(data: &[u8]) -> Result<Call<'_>, Unfit> {
    let malformed = |reason| Unfit::Argument(Unreadable::new("", reason));
    match data.split_first_chunk::<HEAD_BYTES>() {
        Some((&[VERSION, low, high, ref tag @ ..], arguments)) => Ok(Call {
            number: u16::from_le_bytes([low, high]),
            tag: *tag,
            arguments,
        }),
        _ => Err(match data.first() {
            Some(&VERSION) => malformed(Malformed::Short),
            Some(1..RESULTS) => Unfit::Version,
            None | Some(_) => malformed(Malformed::NotTyped),
        }),
    }
}

/// Begins results of a procedure that ran: [`RETURNED`] or [`FAILED`].
pub(super) fn begin_results(status: u8, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&[RESULTS | VERSION, status]);
}

/// Says that there was a value, but no bytes for it.
pub(super) fn put_value_lost(out: &mut Vec<u8>) {
    begin_results(VALUE_LOST, out);
}

/// Says why no method was run.
#[cold]
pub(super) fn put_unfit(unfit: &Unfit, interface: &Interface, out: &mut Vec<u8>) {
    match unfit {
        Unfit::Version => begin_results(OTHER_VERSION, out),
        Unfit::Method { number } => {
            begin_results(OTHER_METHOD, out);
            let version = interface.version();
            out.extend_from_slice(&version.major.to_le_bytes());
            out.extend_from_slice(&version.minor.to_le_bytes());
            put_text(interface.name(), out);
            let own = interface.method(*number).map(Method::signature);
            put_text(own.unwrap_or_default(), out);
        }
        Unfit::Argument(unreadable) => {
            begin_results(BAD_ARGUMENT, out);
            out.push(unreadable.reason.code());
            out.extend_from_slice(unreadable.name.as_bytes());
        }
    }
}

/// What results say; `differ` makes a refusal of what the server says that it has instead.
#[inline]
pub(super) fn open_results(
    data: &[u8],
    differ: impl FnOnce(Theirs) -> Refused,
) -> Result<Results<'_>, Malformed> {
    match data {
        [first, RETURNED, value @ ..] if *first == RESULTS | VERSION => Ok(Results::Value(value)),
        [first, FAILED, error @ ..] if *first == RESULTS | VERSION => Ok(Results::Error(error)),
        _ => no_value(data, differ),
    }
}

#[cold]
fn no_value(data: &[u8], differ: impl FnOnce(Theirs) -> Refused) -> Result<Results<'_>, Malformed> {
    let [first, status, rest @ ..] = data else {
        return Err(Malformed::NotTyped);
    };
    let theirs = first & !RESULTS;
    if first & RESULTS == 0 || theirs == 0 {
        return Err(Malformed::NotTyped);
    }
    match (theirs == VERSION, *status) {
        (false, OTHER_VERSION) => Ok(Results::Refused(Refused::OtherLayout {
            theirs,
            ours: VERSION,
        })),
        (true, OTHER_METHOD) => theirs_of(rest)
            .map(|theirs| Results::Refused(differ(theirs)))
            .ok_or(Malformed::Short),
        (true, BAD_ARGUMENT) => {
            let (code, name) = rest.split_first().ok_or(Malformed::Short)?;
            Ok(Results::Refused(Refused::BadArgument {
                name: text(name),
                reason: Malformed::of_code(*code),
            }))
        }
        (true, VALUE_LOST) => Ok(Results::ValueLost),
        _ => Err(Malformed::NotTyped),
    }
}

/// What a server says it has instead.
fn theirs_of(data: &[u8]) -> Option<Theirs> {
    let (&[a, b, c, d], rest) = data.split_first_chunk()?;
    let (name, rest) = take_text(rest)?;
    let (signature, _) = take_text(rest)?;
    Some(Theirs {
        name,
        version: Version::new(u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d])),
        signature,
    })
}

/// A text with its length before it.
fn put_text(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let bytes = bytes.get(..TEXT_BYTES).unwrap_or(bytes);
    let len = u16::try_from(bytes.len()).unwrap_or(0);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(bytes);
}

fn take_text(data: &[u8]) -> Option<(String, &[u8])> {
    let (len, rest) = data.split_first_chunk()?;
    let len = usize::from(u16::from_le_bytes(*len));
    Some((text(rest.get(..len)?), rest.get(len..)?))
}

/// A peer's text, bounded, with nothing in it that moves a terminal's cursor.
fn text(bytes: &[u8]) -> String {
    let bytes = bytes.get(..TEXT_BYTES).unwrap_or(bytes);
    String::from_utf8_lossy(bytes)
        .chars()
        .flat_map(char::escape_debug)
        .collect()
}
