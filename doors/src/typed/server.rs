//! The procedure of a typed door.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::allowed::Guards;
use super::answer::Answer;
use super::buffer::Buffer;
use super::call::{Call, Stage};
use super::carried::{Carried, Parcel};
use super::description::{ASK, Description};
use super::encode::{IN_FRONT, Unwritable, fit_in_front};
use super::error::{Malformed, Unreadable};
use super::frame::{self, FAILED, RETURNED, Unfit};
use super::front::Front;
use super::interface::{Interface, Method};
use super::look::lacked;
use super::reader::Reader;
use super::unclaimed::Unclaimed;
use super::writer::Bytes;
use crate::attributes::DoorAttributes;
use crate::create::Options;
use crate::cred::Caller;
use crate::desc::DoorDesc;
use crate::door::Door;
use crate::error::DoorError;
use crate::invocation::{Invocation, Returned};
use crate::pieces::Pieces;

/// Makes the door of an interface. It refuses descriptors where no argument has one.
///
/// # Errors
/// As [`Door::create_with`]; [`DoorCondition::UnknownName`](crate::DoorCondition::UnknownName) for a user or group that an
/// `#[allow_callers]` names and that does not exist.
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
    let service = Service {
        interface,
        guards: Guards::of(interface)?,
        all_leaf: options.leaf,
        dispatch,
    };
    options.leaf |= interface.methods().iter().any(Method::is_leaf);
    let procedure = move |mut invocation: Invocation<'_>| {
        let Some(message) = invocation.take_message() else {
            return refuse(invocation, interface, &unfit(Malformed::NotTyped));
        };
        match frame::front_of_call(message) {
            #[cfg(feature = "rkyv")]
            None if interface.archives => {
                let mut copy = rkyv::util::AlignedVec::new();
                let data = super::archive::aligned(message, &mut copy);
                service.open(invocation, Front::None, data)
            }
            None => service.open(invocation, Front::None, message),
            Some(count) => service.open_behind(invocation, count, message),
        }
    };
    Door::create_taking(procedure, options)
}

/// What a typed door serves.
struct Service<D> {
    interface: &'static Interface,
    guards: Option<Guards>,
    /// The door was declared leaf by whoever made it, and not for some of its methods.
    all_leaf: bool,
    dispatch: D,
}

impl<D: for<'call> Fn(Incoming<'call>) -> Returned> Service<D> {
    #[inline]
    fn open<'call>(
        &self,
        mut invocation: Invocation<'call>,
        front: Front<'call>,
        data: &'call [u8],
    ) -> Returned {
        let &Self {
            interface,
            all_leaf,
            ..
        } = self;
        let head = match frame::open_call(data) {
            Ok(head) => head,
            Err(unfit) => return refuse(invocation, interface, &unfit),
        };
        // Before anything that the caller sent is looked at further.
        if let Some(guards) = &self.guards
            && let Err(unfit) = admit(guards, head.number, &invocation)
        {
            return refuse(invocation, interface, &unfit);
        }
        if head.number == ASK.number() {
            if !all_leaf {
                invocation.widen();
            }
            return describe(invocation, interface);
        }
        (self.dispatch)(Incoming {
            interface,
            head,
            front,
            invocation,
            all_leaf,
        })
    }

    /// As [`open`](Self::open), of a call with bytes before its arguments.
    #[inline(never)]
    fn open_behind(
        &self,
        invocation: Invocation<'_>,
        count: Result<usize, Malformed>,
        message: &mut Vec<u8>,
    ) -> Returned {
        let count = match count {
            Ok(count) => count,
            Err(reason) => return refuse(invocation, self.interface, &unfit(reason)),
        };
        let mut behind = Buffer::take();
        let (front, data) = Front::part(message, count, &mut behind.0);
        self.open(invocation, front, data)
    }
}

fn unfit(reason: Malformed) -> Unfit {
    Unfit::Argument(Unreadable::new("", reason))
}

/// A call of a method.
#[derive(Debug)]
pub struct Incoming<'call> {
    interface: &'static Interface,
    head: frame::Call<'call>,
    front: Front<'call>,
    invocation: Invocation<'call>,
    /// The door was declared leaf by whoever made it, and not for some of its methods.
    all_leaf: bool,
}

impl<'call> Incoming<'call> {
    /// The number of the method that is called.
    #[inline]
    #[must_use]
    pub fn number(&self) -> u16 {
        self.head.number
    }

    /// Serves the call: reads the arguments, runs the method, answers.
    ///
    /// A call that is for another signature, or whose arguments `read` cannot read to the last byte, is answered with the
    /// reason; `run` is then not called.
    #[inline]
    pub fn serve<A>(
        mut self,
        method: &Method,
        read: impl Fn(&mut Reader<'call>) -> Result<A, Unreadable>,
        run: impl FnOnce(A, &mut Outgoing<'_>),
    ) -> Returned {
        let arguments = match self.take(method, read) {
            Ok(arguments) => arguments,
            Err(unfit) => return refuse(self.invocation, self.interface, &unfit),
        };
        let mut results = Buffer::take();
        let mut descriptors = Vec::new();
        let mut outgoing = Outgoing::new(&mut results.0, &mut descriptors);
        run(arguments, &mut outgoing);
        let front = outgoing.front;
        self.invocation
            .return_pieces(whole(front.as_deref(), &results.0), descriptors)
    }

    /// As [`serve`](Self::serve), for a method that is given its call.
    #[inline]
    pub fn serve_call<A>(
        mut self,
        method: &Method,
        read: impl Fn(&mut Reader<'call>) -> Result<A, Unreadable>,
        run: impl FnOnce(A, &Call<'call>, &mut Outgoing<'_>),
    ) -> Returned {
        // Before the arguments are read, which may take long.
        let deadline = self.deadline();
        let arguments = match self.take(method, read) {
            Ok(arguments) => arguments,
            Err(unfit) => return refuse(self.invocation, self.interface, &unfit),
        };
        let call = Call::new(self.invocation, deadline);
        let mut results = Buffer::take();
        let mut descriptors = Vec::new();
        let mut outgoing = Outgoing::new(&mut results.0, &mut descriptors);
        run(arguments, &call, &mut outgoing);
        let front = outgoing.front;
        match call.end() {
            Stage::Open(invocation) | Stage::Replied(invocation) => {
                invocation.return_pieces(whole(front.as_deref(), &results.0), descriptors)
            }
            Stage::Gone { .. } => Returned::before(),
        }
    }

    /// As [`serve`](Self::serve), for a method that may answer otherwise than by its end.
    pub fn serve_answer<A, T: 'static>(
        mut self,
        method: &Method,
        read: impl Fn(&mut Reader<'call>) -> Result<A, Unreadable>,
        put: &'static fn(T, &mut Outgoing<'_>),
        run: impl FnOnce(A, &Call<'call>) -> Answer<T>,
    ) -> Returned {
        // Before the arguments are read, which may take long.
        let deadline = self.deadline();
        let arguments = match self.take(method, read) {
            Ok(arguments) => arguments,
            Err(unfit) => return refuse(self.invocation, self.interface, &unfit),
        };
        let call = Call::answering(self.invocation, deadline, put);
        let answer = run(arguments, &call);
        match call.end() {
            Stage::Open(invocation) => answer.give(invocation, *put),
            Stage::Replied(_) | Stage::Gone { .. } => Returned::before(),
        }
    }

    /// Until when the caller waits.
    fn deadline(&self) -> Option<Instant> {
        let left = Duration::from_nanos(self.head.left?);
        Instant::now().checked_add(left)
    }

    /// The arguments, or why there are none.
    #[inline]
    fn take<A>(
        &mut self,
        method: &Method,
        read: impl Fn(&mut Reader<'call>) -> Result<A, Unreadable>,
    ) -> Result<A, Unfit> {
        let head = &self.head;
        if head.tag != method.tag() {
            let number = head.number;
            return Err(Unfit::Method { number });
        }
        // Before the types of its arguments read themselves: their code is the user's, too.
        if !(self.all_leaf || method.is_leaf()) {
            self.invocation.widen();
        }
        let unclaimed = Unclaimed::new(self.invocation.take_claimable());
        let front = self.front.take();
        let has_inside = unclaimed.count() > 0 && method.inside().arguments;
        Reader::all_of(front, head.arguments, unclaimed, has_inside, read).map_err(Unfit::Argument)
    }

    /// Says that there is no such method here, and what is here instead.
    #[cold]
    pub fn unsupported(self) -> Returned {
        let number = self.head.number;
        refuse(self.invocation, self.interface, &Unfit::Method { number })
    }
}

fn admit(guards: &Guards, number: u16, invocation: &Invocation<'_>) -> Result<(), Unfit> {
    let caller = invocation.caller();
    guards.check(number, &caller).map_err(|refusal| {
        invocation.note_refused(&refusal);
        Unfit::Caller(match &*caller {
            Caller::Known(caller) => Some(caller.uid()),
            Caller::Unknown => None,
        })
    })
}

/// The description is made once: whoever asks again does not have the types looked at again. One that lacked a descriptor to try may
/// say less than there is, and is not kept.
#[cold]
fn describe(mut invocation: Invocation<'_>, interface: &Interface) -> Returned {
    invocation.discard_descriptors();
    if let Some(made) = interface.description.get() {
        return invocation.door_return(made, Vec::new());
    }
    let _before = lacked();
    let (mut made, mut none) = (Vec::new(), Vec::new());
    Outgoing::new(&mut made, &mut none).value(&Description::of(interface));
    if lacked() {
        return invocation.door_return(&made, none);
    }
    invocation.door_return(interface.description.get_or_init(|| made), none)
}

#[cold]
fn refuse(mut invocation: Invocation<'_>, interface: &Interface, unfit: &Unfit) -> Returned {
    let mut results = Buffer::take();
    frame::put_unfit(unfit, interface, &mut results.0);
    invocation.discard_descriptors();
    invocation.door_return(&results.0, Vec::new())
}

/// Results with the bytes that go before their values.
#[inline]
pub(super) fn whole<'a>(front: Option<&'a [u8]>, results: &'a [u8]) -> Pieces<'a> {
    match front {
        None => Pieces::one(results),
        Some(front) => Pieces::two(front, results),
    }
}

/// What a typed procedure answers; the last word counts.
#[derive(Debug)]
pub struct Outgoing<'p> {
    parcel: Parcel<'p, 'static>,
    /// Bytes that go before the values.
    pub(super) front: Option<Vec<u8>>,
}

impl<'p> Outgoing<'p> {
    pub(super) fn new(bytes: &'p mut Vec<u8>, descriptors: &'p mut Vec<DoorDesc<'static>>) -> Self {
        // Until there is a value there is none.
        frame::put_value_lost(bytes);
        Self {
            parcel: Parcel { bytes, descriptors },
            front: None,
        }
    }

    /// Answers with the procedure's value.
    #[inline]
    pub fn value<T: Serialize + ?Sized>(&mut self, value: &T) {
        self.answer(RETURNED, |parcel| parcel.put(value));
    }

    /// Answers with bytes, all at once. Many are not copied.
    #[inline]
    pub fn value_bytes(&mut self, value: Vec<u8>) {
        let Some(count) = fit_in_front(&value) else {
            return self.value(&Bytes(&value));
        };
        self.parcel.bytes.clear();
        self.parcel.bytes.extend_from_slice(&IN_FRONT.to_le_bytes());
        frame::end_results(RETURNED, count, self.parcel.bytes);
        self.front = Some(value);
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
    pub(super) fn answer(
        &mut self,
        status: u8,
        put: impl FnOnce(&mut Parcel<'p, 'static>) -> Result<(), Unwritable>,
    ) {
        self.front = None;
        self.parcel.bytes.clear();
        if put(&mut self.parcel).is_ok() {
            frame::end_results(status, 0, self.parcel.bytes);
        } else {
            frame::put_value_lost(self.parcel.bytes);
            self.parcel.descriptors.clear();
        }
    }
}
