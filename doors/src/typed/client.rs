//! A call with values.

use std::convert::Infallible;
use std::time::Instant;

use super::buffer::Buffer;
use super::error::{Malformed, ProcedureError, Unreadable};
use super::frame::{self, Results};
use super::interface::Interface;
use super::reader::Reader;
use super::writer::Writer;
use crate::door::Door;

/// Calls a procedure that has no error of its own.
///
/// # Errors
/// Any of [`ProcedureError`] but [`ProcedureError::Returned`].
pub fn call<T>(
    door: &Door,
    interface: &Interface,
    deadline: Option<Instant>,
    write: impl FnOnce(&mut Writer<'_>),
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, Unreadable>,
) -> Result<T, ProcedureError> {
    let read_error = |_: &mut Reader<'_>| Err(Unreadable::new("", Malformed::NotTyped));
    call_fallible::<T, Infallible>(door, interface, deadline, write, read, read_error)
}

/// Calls a procedure that returns a `Result`.
///
/// # Errors
/// [`ProcedureError`].
pub fn call_fallible<T, E>(
    door: &Door,
    interface: &Interface,
    deadline: Option<Instant>,
    write: impl FnOnce(&mut Writer<'_>),
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, Unreadable>,
    read_error: impl FnOnce(&mut Reader<'_>) -> Result<E, Unreadable>,
) -> Result<T, ProcedureError<E>> {
    let mut arguments = Buffer::take();
    frame::begin_call(interface, &mut arguments.0);
    let mut writer = Writer::new(&mut arguments.0);
    write(&mut writer);
    if let Some(name) = writer.failed() {
        return Err(ProcedureError::BadArgument {
            door: door.label(),
            name,
        });
    }

    let mut results = Buffer::take();
    // Descriptors that a server sends although none was agreed on are closed here.
    let _unasked = door
        .call_into(&arguments.0, Vec::new(), deadline, &mut results.0)
        .map_err(ProcedureError::Call)?;
    drop(arguments);

    let bad = |reason| ProcedureError::BadResults {
        door: door.label(),
        reason,
    };
    match frame::open_results(interface, &results.0).map_err(bad)? {
        Results::Value(data) => {
            Reader::all(data, read).map_err(|unreadable| bad(unreadable.reason))
        }
        Results::Error(data) => match Reader::all(data, read_error) {
            Ok(error) => Err(ProcedureError::Returned(error)),
            Err(unreadable) => Err(bad(unreadable.reason)),
        },
        Results::Refused(reason) => Err(ProcedureError::Refused {
            door: door.label(),
            reason,
        }),
        Results::ValueLost => Err(ProcedureError::ValueLost { door: door.label() }),
    }
}
