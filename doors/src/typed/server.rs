//! A server procedure with values.

use serde::Serialize;

use super::buffer::Buffer;
use super::error::Unreadable;
use super::frame::{self, FAILED, RETURNED, Unfit};
use super::interface::Interface;
use super::reader::Reader;
use super::writer::{self, Bytes};
use crate::attributes::DoorAttributes;
use crate::create::Options;
use crate::door::Door;
use crate::error::DoorError;
use crate::invocation::{Invocation, Returned};

/// Makes the door of a typed procedure. It refuses descriptors: no argument is one.
///
/// # Errors
/// As [`Door::create_with`].
pub fn create(
    procedure: fn(Invocation<'_>) -> Returned,
    mut options: Options,
) -> Result<Door, DoorError> {
    options.attributes |= DoorAttributes::REFUSE_DESC;
    Door::create_with(procedure, options)
}

/// Serves one call: reads the arguments, runs the procedure, answers.
///
/// A call that is for another procedure, or whose arguments `read` cannot read to the last byte, is answered with the
/// reason; `run` is then not called.
pub fn serve<'call, A>(
    invocation: Invocation<'call>,
    interface: &Interface,
    read: impl FnOnce(&mut Reader<'call>) -> Result<A, Unreadable>,
    run: impl FnOnce(A, &mut Answer<'_>),
) -> Returned {
    let mut results = Buffer::take();
    let arguments = frame::open_call(interface, invocation.data())
        .and_then(|data| Reader::all(data, read).map_err(Unfit::Argument));
    match arguments {
        Ok(arguments) => run(arguments, &mut Answer::new(&mut results.0)),
        Err(unfit) => frame::put_unfit(&unfit, interface, &mut results.0),
    }
    invocation.door_return(&results.0, Vec::new())
}

/// What a typed procedure answers; the last word counts.
#[derive(Debug)]
pub struct Answer<'out>(&'out mut Vec<u8>);

impl<'out> Answer<'out> {
    pub(super) fn new(out: &'out mut Vec<u8>) -> Self {
        // Until there is a value there is none.
        frame::put_value_lost(out);
        Self(out)
    }

    /// Answers with the procedure's value.
    pub fn value<T: Serialize + ?Sized>(&mut self, value: &T) {
        self.put(RETURNED, value);
    }

    /// Answers with bytes, all at once.
    pub fn value_bytes(&mut self, value: &[u8]) {
        self.put(RETURNED, &Bytes(value));
    }

    /// Answers with the procedure's own error.
    pub fn error<E: Serialize + ?Sized>(&mut self, error: &E) {
        self.put(FAILED, error);
    }

    fn put<T: Serialize + ?Sized>(&mut self, status: u8, value: &T) {
        frame::begin_results(status, self.0);
        if writer::put(self.0, value).is_err() {
            frame::put_value_lost(self.0);
        }
    }
}
