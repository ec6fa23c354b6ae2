//! The bytes around the values, as the page of the module lays them out.

use std::time::Instant;

use super::encode::IN_FRONT;
use super::error::{Malformed, Refused, Theirs, Unreadable};
use super::interface::{Interface, Method, TAG_BYTES, Version};
use super::line::Line;

/// The version of the layout.
pub(super) const VERSION: u8 = 1;

/// The same layout, with bytes before the values.
const WITH_FRONT: u8 = 2;

/// Set in the last byte of a call that says how much time is left.
const TIMED: u8 = 0x40;

/// How much time is left.
const LEFT: usize = 8;

/// The bytes after the arguments of a call.
const CALL_FOOT: usize = 3 + TAG_BYTES;

/// The bytes after the values of results.
const RESULTS_FOOT: usize = 2;

/// How many bytes lie before the values: the number stands before the foot.
const COUNT: usize = 4;

/// Set in the last byte of results.
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

/// The method is not for this caller.
const NOT_ALLOWED: u8 = 7;

/// Why a method is not run.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    Version,
    Method {
        number: u16,
    },
    Argument(Unreadable),
    /// With the caller's user id, if it is known.
    Caller(Option<u32>),
}

/// What results say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Results<'data> {
    Value(&'data [u8]),
    Error(&'data [u8]),
    Refused(Refused),
    NotAllowed(Option<u32>),
    ValueLost,
}

/// Which method a call is for, and the bytes of its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call<'data> {
    pub(super) number: u16,
    pub(super) tag: [u8; TAG_BYTES],
    pub(super) arguments: &'data [u8],
    /// How many nanoseconds the caller waits, as it says.
    pub(super) left: Option<u64>,
}

/// Says after the arguments which method they are for, until when the caller waits, and how many bytes lie before them.
#[inline]
pub(super) fn end_call(
    number: u16,
    tag: [u8; TAG_BYTES],
    deadline: Option<Instant>,
    front: u32,
    out: &mut Vec<u8>,
) {
    let timed = deadline.map_or(0, |deadline| put_left(deadline, out));
    let version = put_count(front, out) | timed;
    let mut foot = [version; CALL_FOOT];
    let [low, high, rest @ .., _] = &mut foot;
    [*low, *high] = number.to_le_bytes();
    *rest = tag;
    out.extend_from_slice(&foot);
}

/// Says how much time is left until the deadline.
#[cold]
fn put_left(deadline: Instant, out: &mut Vec<u8>) -> u8 {
    let left = deadline.saturating_duration_since(Instant::now());
    let left = u64::try_from(left.as_nanos()).unwrap_or(u64::MAX);
    out.extend_from_slice(&left.to_le_bytes());
    TIMED
}

/// Says how many bytes lie before the values, if there are any; the version of the layout.
#[inline]
fn put_count(front: u32, out: &mut Vec<u8>) -> u8 {
    if front == 0 {
        return VERSION;
    }
    out.extend_from_slice(&front.to_le_bytes());
    WITH_FRONT
}

fn malformed(reason: Malformed) -> Unfit {
    Unfit::Argument(Unreadable::new("", reason))
}

/// Takes a call apart, without the bytes before its arguments.
#[inline]
pub(super) fn open_call(data: &[u8]) -> Result<Call<'_>, Unfit> {
    match data.split_last_chunk::<CALL_FOOT>() {
        Some((arguments, &[low, high, ref tag @ .., VERSION])) => Ok(Call {
            number: u16::from_le_bytes([low, high]),
            tag: *tag,
            arguments,
            left: None,
        }),
        _ => open_other(data),
    }
}

/// The same of one that has more than arguments, or is none.
#[cold]
fn open_other(data: &[u8]) -> Result<Call<'_>, Unfit> {
    let last = data.last().copied().unwrap_or(0);
    match last {
        0 | RESULTS.. => return Err(malformed(Malformed::NotTyped)),
        _ if !matches!(last & !TIMED, VERSION | WITH_FRONT) => return Err(Unfit::Version),
        _ => {}
    }
    let short = || malformed(Malformed::Short);
    let (mut arguments, foot) = data.split_last_chunk::<CALL_FOOT>().ok_or_else(short)?;
    let &[low, high, ref tag @ .., _] = foot;
    if last & !TIMED == WITH_FRONT {
        arguments = without_count(arguments).map_err(malformed)?;
    }
    let mut left = None;
    if last & TIMED != 0 {
        let (before, nanos) = arguments.split_last_chunk::<LEFT>().ok_or_else(short)?;
        arguments = before;
        left = Some(u64::from_le_bytes(*nanos));
    }
    Ok(Call {
        number: u16::from_le_bytes([low, high]),
        tag: *tag,
        arguments,
        left,
    })
}

#[cold]
fn without_count(values: &[u8]) -> Result<&[u8], Malformed> {
    let (values, _) = values.split_last_chunk::<COUNT>().ok_or(Malformed::Short)?;
    Ok(values)
}

/// How many bytes lie before the arguments of a call.
#[inline]
pub(super) fn front_of_call(data: &[u8]) -> Option<Result<usize, Malformed>> {
    let last = data.last()?;
    (last & !TIMED == WITH_FRONT).then(|| front(data, CALL_FOOT))
}

/// How many bytes lie before the values of results.
#[inline]
pub(super) fn front_of_results(data: &[u8]) -> Option<Result<usize, Malformed>> {
    (data.last() == Some(&(RESULTS | WITH_FRONT))).then(|| front(data, RESULTS_FOOT))
}

#[cold]
fn front(data: &[u8], foot: usize) -> Result<usize, Malformed> {
    let before_foot = data.len().checked_sub(foot).and_then(|end| data.get(..end));
    let (values, count) = before_foot
        .and_then(<[u8]>::split_last_chunk::<COUNT>)
        .ok_or(Malformed::Short)?;
    usize::try_from(u32::from_le_bytes(*count))
        .ok()
        .filter(|count| *count <= values.len())
        .ok_or(Malformed::Short)
}

/// Puts the bytes before the only value of results where that value stands, for whoever knows but one way to read bytes.
pub(super) fn in_place(results: &mut Vec<u8>, count: usize) -> Result<(), Malformed> {
    let only = [&IN_FRONT.to_le_bytes()[..], &results_foot(count)?].concat();
    if results.get(count..) != Some(&only) {
        return Err(Malformed::NotTyped);
    }
    results.truncate(count);
    let count = u32::try_from(count).map_err(|_| Malformed::TooMany)?;
    results.splice(..0, count.to_le_bytes());
    end_results(RETURNED, 0, results);
    Ok(())
}

/// What stands behind the values of results with so many bytes before them.
fn results_foot(count: usize) -> Result<Vec<u8>, Malformed> {
    let mut foot = Vec::new();
    let count = u32::try_from(count).map_err(|_| Malformed::TooMany)?;
    end_results(RETURNED, count, &mut foot);
    Ok(foot)
}

/// Ends results of a procedure that ran ([`RETURNED`] or [`FAILED`]), with so many bytes before them.
#[inline]
pub(super) fn end_results(status: u8, front: u32, out: &mut Vec<u8>) {
    let version = put_count(front, out);
    out.extend_from_slice(&[status, RESULTS | version]);
}

/// Says nothing but this.
fn say(status: u8, out: &mut Vec<u8>) {
    out.clear();
    end_results(status, 0, out);
}

/// Says that there was a value, but no bytes for it.
pub(super) fn put_value_lost(out: &mut Vec<u8>) {
    say(VALUE_LOST, out);
}

/// Says why no method was run.
#[cold]
pub(super) fn put_unfit(unfit: &Unfit, interface: &Interface, out: &mut Vec<u8>) {
    out.clear();
    match unfit {
        Unfit::Version => say(OTHER_VERSION, out),
        Unfit::Method { number } => {
            let version = interface.version();
            out.extend_from_slice(&version.major.to_le_bytes());
            out.extend_from_slice(&version.minor.to_le_bytes());
            put_text(interface.name(), out);
            let own = interface.method(*number).map(Method::signature);
            put_text(own.unwrap_or_default(), out);
            put_text(interface.codec(), out);
            end_results(OTHER_METHOD, 0, out);
        }
        Unfit::Argument(unreadable) => {
            out.push(unreadable.reason.code());
            out.extend_from_slice(unreadable.name.as_bytes());
            end_results(BAD_ARGUMENT, 0, out);
        }
        Unfit::Caller(uid) => {
            out.push(u8::from(uid.is_some()));
            out.extend(uid.iter().flat_map(|uid| uid.to_le_bytes()));
            end_results(NOT_ALLOWED, 0, out);
        }
    }
}

/// What results say, without the bytes before them; `differ` makes a refusal of what the server says that it has instead.
#[inline]
pub(super) fn open_results(
    data: &[u8],
    differ: impl FnOnce(Theirs) -> Refused,
) -> Result<Results<'_>, Malformed> {
    match data {
        [value @ .., RETURNED, last] if *last == RESULTS | VERSION => Ok(Results::Value(value)),
        [error @ .., FAILED, last] if *last == RESULTS | VERSION => Ok(Results::Error(error)),
        [value @ .., RETURNED, last] if *last == RESULTS | WITH_FRONT => {
            without_count(value).map(Results::Value)
        }
        _ => no_value(data, differ),
    }
}

#[cold]
fn no_value(data: &[u8], differ: impl FnOnce(Theirs) -> Refused) -> Result<Results<'_>, Malformed> {
    let [rest @ .., status, last] = data else {
        return Err(Malformed::NotTyped);
    };
    let theirs = last & !RESULTS;
    if last & RESULTS == 0 || theirs == 0 {
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
        (true, NOT_ALLOWED) => match *rest {
            [0] => Ok(Results::NotAllowed(None)),
            [1, a, b, c, d] => Ok(Results::NotAllowed(Some(u32::from_le_bytes([a, b, c, d])))),
            _ => Err(Malformed::NotTyped),
        },
        _ => Err(Malformed::NotTyped),
    }
}

/// What a server says it has instead.
fn theirs_of(data: &[u8]) -> Option<Theirs> {
    let (&[a, b, c, d], rest) = data.split_first_chunk()?;
    let (name, rest) = take_text(rest)?;
    let (signature, rest) = take_text(rest)?;
    let (codec, _) = take_text(rest)?;
    Some(Theirs {
        name,
        version: Version::new(u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d])),
        signature,
        codec,
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
    Line(&String::from_utf8_lossy(bytes)).to_string()
}
