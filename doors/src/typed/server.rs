//! The procedure of a typed door.

use serde::Serialize;

use super::buffer::Buffer;
use super::error::Unreadable;
use super::frame::{self, Call, FAILED, RETURNED, Unfit};
use super::interface::{Interface, Method};
use super::reader::Reader;
use super::writer::{self, Bytes};
use crate::attributes::DoorAttributes;
use crate::create::Options;
use crate::door::Door;
use crate::error::DoorError;
use crate::invocation::{Invocation, Returned};

/// Makes the door of an interface. It refuses descriptors where no argument has one.
///
/// # Errors
/// As [`Door::create_with`].
pub fn create(
    interface: &'static Interface,
    dispatch: impl for<'call> Fn(Incoming<'call>) -> Returned + Send + Sync + 'static,
    mut options: Options,
) -> Result<Door, DoorError> {
    if !interface.takes_descriptors() {
        options.attributes |= DoorAttributes::REFUSE_DESC;
    }
    let procedure = move |invocation: Invocation<'_>| match frame::open_call(invocation.data()) {
        Ok(call) => dispatch(Incoming {
            interface,
            call,
            invocation,
        }),
        Err(unfit) => refuse(invocation, interface, &unfit),
    };
    Door::create_with(procedure, options)
}

/// A call of a method.
#[derive(Debug)]
pub struct Incoming<'call> {
    interface: &'static Interface,
    call: Call<'call>,
    invocation: Invocation<'call>,
}

impl<'call> Incoming<'call> {
    /// The number of the method that is called.
    #[inline]
    #[must_use]
    pub fn number(&self) -> u16 {
        self.call.number
    }

    /// Serves the call: reads the arguments, runs the method, answers.
    ///
    /// A call that is for another signature, or whose arguments `read` cannot read to the last byte, is answered with the
    /// reason; `run` is then not called.
    #[inline]
    pub fn serve<A>(
        self,
        method: &Method,
        read: impl FnOnce(&mut Reader<'call>) -> Result<A, Unreadable>,
        run: impl FnOnce(A, &mut Answer<'_>),
    ) -> Returned {
        if self.call.tag != method.tag() {
            return self.unsupported();
        }
        let arguments = match Reader::all(self.call.arguments, read) {
            Ok(arguments) => arguments,
            Err(unreadable) => {
                let unfit = Unfit::Argument(unreadable);
                return refuse(self.invocation, self.interface, &unfit);
            }
        };
        let mut results = Buffer::take();
        run(arguments, &mut Answer::new(&mut results.0));
        self.invocation.door_return(&results.0, Vec::new())
    }

    /// Says that there is no such method here, and what is here instead.
    #[cold]
    pub fn unsupported(self) -> Returned {
        let number = self.call.number;
        refuse(self.invocation, self.interface, &Unfit::Method { number })
    }
}

#[cold]
fn refuse(invocation: Invocation<'_>, interface: &Interface, unfit: &Unfit) -> Returned {
    let mut results = Buffer::take();
    frame::put_unfit(unfit, interface, &mut results.0);
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
