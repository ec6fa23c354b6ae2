//! The bytes around the values, as the page of the module lays them out.

use super::error::{Malformed, Refused, Unreadable};
use super::interface::Interface;

/// The version of the layout.
pub(super) const VERSION: u8 = 1;

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
/// The call is for another signature.
const OTHER_INTERFACE: u8 = 4;
/// An argument cannot be read.
const BAD_ARGUMENT: u8 = 5;
/// The value cannot be put into bytes.
const VALUE_LOST: u8 = 6;

/// Why the procedure is not run.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    Version,
    Interface,
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

/// Begins a call.
pub(super) fn begin_call(interface: &Interface, out: &mut Vec<u8>) {
    out.clear();
    out.push(VERSION);
    out.extend_from_slice(&interface.hash().to_le_bytes());
}

/// The arguments' bytes of a call, if it is for this procedure.
pub(super) fn open_call<'data>(
    interface: &Interface,
    data: &'data [u8],
) -> Result<&'data [u8], Unfit> {
    match data.split_first() {
        Some((&VERSION, rest)) => match rest.split_first_chunk() {
            None => Err(Unfit::Argument(Unreadable::new("", Malformed::Short))),
            Some((hash, arguments)) if u64::from_le_bytes(*hash) == interface.hash() => {
                Ok(arguments)
            }
            Some(_) => Err(Unfit::Interface),
        },
        Some((1..RESULTS, _)) => Err(Unfit::Version),
        None | Some(_) => Err(Unfit::Argument(Unreadable::new("", Malformed::NotTyped))),
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

/// Says why the procedure was not run.
pub(super) fn put_unfit(unfit: &Unfit, interface: &Interface, out: &mut Vec<u8>) {
    match unfit {
        Unfit::Version => begin_results(OTHER_VERSION, out),
        Unfit::Interface => {
            begin_results(OTHER_INTERFACE, out);
            out.extend_from_slice(&interface.hash().to_le_bytes());
            out.extend(interface.signature().bytes().take(TEXT_BYTES));
        }
        Unfit::Argument(unreadable) => {
            begin_results(BAD_ARGUMENT, out);
            out.push(unreadable.reason.code());
            out.extend_from_slice(unreadable.name.as_bytes());
        }
    }
}

/// What results say to a caller with this interface.
pub(super) fn open_results<'data>(
    interface: &Interface,
    data: &'data [u8],
) -> Result<Results<'data>, Malformed> {
    let [first, status, rest @ ..] = data else {
        return Err(Malformed::NotTyped);
    };
    let theirs = first & !RESULTS;
    if first & RESULTS == 0 || theirs == 0 {
        return Err(Malformed::NotTyped);
    }
    match (theirs == VERSION, *status) {
        (false, OTHER_VERSION) => Ok(Results::Refused(Refused::OtherVersion {
            theirs,
            ours: VERSION,
        })),
        (true, RETURNED) => Ok(Results::Value(rest)),
        (true, FAILED) => Ok(Results::Error(rest)),
        (true, OTHER_INTERFACE) => {
            let (hash, signature) = rest.split_first_chunk().ok_or(Malformed::Short)?;
            Ok(Results::Refused(Refused::OtherInterface {
                theirs: text(signature),
                their_hash: u64::from_le_bytes(*hash),
                ours: interface.signature(),
                our_hash: interface.hash(),
            }))
        }
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

/// A peer's text, bounded, with nothing in it that moves a terminal's cursor.
fn text(bytes: &[u8]) -> String {
    let bytes = bytes.get(..TEXT_BYTES).unwrap_or(bytes);
    String::from_utf8_lossy(bytes)
        .chars()
        .flat_map(char::escape_debug)
        .collect()
}
