//! The procedure of a typed door.

use serde::Serialize;

use super::buffer::Buffer;
use super::carried::{Carried, Parcel};
use super::description::{ASK, Description};
use super::encode::Unwritable;
use super::error::Unreadable;
use super::frame::{self, Call, FAILED, RETURNED, Unfit};
use super::interface::{Interface, Method};
use super::look::lacked;
use super::reader::Reader;
use super::writer::Bytes;
use crate::attributes::DoorAttributes;
use crate::create::Options;
use crate::desc::DoorDesc;
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
    // Now, and not when a caller has filled the table of descriptors.
    for method in interface.methods() {
        let _kept = method.tag();
    }
    options.attributes |= DoorAttributes::TYPED;
    if !interface.takes_descriptors() {
        options.attributes |= DoorAttributes::REFUSE_DESC;
    }
    let procedure = move |invocation: Invocation<'_>| match frame::open_call(invocation.data()) {
        Ok(call) if call.number == ASK.number() => describe(invocation, interface),
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
        mut self,
        method: &Method,
        read: impl FnOnce(&mut Reader<'call>) -> Result<A, Unreadable>,
        run: impl FnOnce(A, &mut Answer<'_>),
    ) -> Returned {
        if self.call.tag != method.tag() {
            return self.unsupported();
        }
        let descriptors = self.invocation.take_descriptors();
        let arguments = match Reader::all(self.call.arguments, descriptors, read) {
            Ok(arguments) => arguments,
            Err(unreadable) => {
                let unfit = Unfit::Argument(unreadable);
                return refuse(self.invocation, self.interface, &unfit);
            }
        };
        let mut results = Buffer::take();
        let mut descriptors = Vec::new();
        run(
            arguments,
            &mut Answer::new(&mut results.0, &mut descriptors),
        );
        self.invocation.door_return(&results.0, descriptors)
    }

    /// Says that there is no such method here, and what is here instead.
    #[cold]
    pub fn unsupported(self) -> Returned {
        let number = self.call.number;
        refuse(self.invocation, self.interface, &Unfit::Method { number })
    }
}

/// The description is made once: whoever asks again does not have the types looked at again. One that lacked a descriptor to try may
/// say less than there is, and is not kept.
#[cold]
fn describe(invocation: Invocation<'_>, interface: &Interface) -> Returned {
    if let Some(made) = interface.description.get() {
        return invocation.door_return(made, Vec::new());
    }
    let _before = lacked();
    let (mut made, mut none) = (Vec::new(), Vec::new());
    Answer::new(&mut made, &mut none).value(&Description::of(interface));
    if lacked() {
        return invocation.door_return(&made, none);
    }
    invocation.door_return(interface.description.get_or_init(|| made), none)
}

#[cold]
fn refuse(invocation: Invocation<'_>, interface: &Interface, unfit: &Unfit) -> Returned {
    let mut results = Buffer::take();
    frame::put_unfit(unfit, interface, &mut results.0);
    invocation.door_return(&results.0, Vec::new())
}

/// What a typed procedure answers; the last word counts.
#[derive(Debug)]
pub struct Answer<'p>(Parcel<'p, 'static>);

impl<'p> Answer<'p> {
    pub(super) fn new(bytes: &'p mut Vec<u8>, descriptors: &'p mut Vec<DoorDesc<'static>>) -> Self {
        // Until there is a value there is none.
        frame::put_value_lost(bytes);
        Self(Parcel { bytes, descriptors })
    }

    /// Answers with the procedure's value.
    #[inline]
    pub fn value<T: Serialize + ?Sized>(&mut self, value: &T) {
        self.answer(RETURNED, |parcel| parcel.put(value));
    }

    /// Answers with bytes, all at once.
    #[inline]
    pub fn value_bytes(&mut self, value: &[u8]) {
        self.value(&Bytes(value));
    }

    /// Answers with descriptors.
    pub fn carried<C: Carried>(&mut self, value: C) {
        self.answer(RETURNED, |parcel| value.release(parcel));
    }

    /// Answers with the procedure's own error.
    pub fn error<E: Serialize + ?Sized>(&mut self, error: &E) {
        self.answer(FAILED, |parcel| parcel.put(error));
    }

    #[inline]
    fn answer(
        &mut self,
        status: u8,
        put: impl FnOnce(&mut Parcel<'p, 'static>) -> Result<(), Unwritable>,
    ) {
        frame::begin_results(status, self.0.bytes);
        if put(&mut self.0).is_err() {
            frame::put_value_lost(self.0.bytes);
            self.0.descriptors.clear();
        }
    }
}
