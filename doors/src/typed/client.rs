//! A call with values, and what all clients have.

use std::convert::Infallible;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Instant;

use super::buffer::Buffer;
use super::error::{Malformed, ProcedureError, Refused, Unreadable};
use super::frame::{self, Results};
use super::front::Front;
use super::interface::{Interface, Method};
use super::question;
use super::reader::Reader;
use super::unclaimed::Unclaimed;
use super::writer::Writer;
use crate::desc::DoorDesc;
use crate::door::Door;
use crate::error::{CallError, DoorError};
use crate::pieces::Pieces;

/// What every client has that `#[door]` generates, beside the methods of its interface.
///
/// The client has functions of the same names itself, unless its interface has a method that is called so; then this trait
/// is the way to them: `Client::until(&client, deadline)`.
///
/// Its calls block. With the feature `tokio` there is one whose calls are awaited beside it:
/// [Clients that await](macro@crate::door#clients-that-await).
///
/// # Examples
/// ```
/// use doors::{Client, Door, door};
///
/// #[door]
/// trait Register {
///     /// Named as what every client has.
///     fn open(&self, drawer: u32) -> bool;
/// }
///
/// /// For any service.
/// fn path_of<C: Client>(client: &C) -> String {
///     client.door().label().to_string()
/// }
///
/// struct Locked;
///
/// impl Register for Locked {
///     fn open(&self, _: u32) -> bool {
///         false
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = std::env::temp_dir().join(format!("doors-register-{}", std::process::id()));
/// # std::fs::create_dir_all(&directory)?;
/// # let path = directory.join("door");
/// let _name = RegisterDoor::serve(Locked)?.attach(&path, 0o600)?;
/// let register: RegisterClient = Client::open(&path)?;
/// assert!(!register.open(1)?);
/// assert!(path_of(&register).ends_with("door"));
/// # std::fs::remove_dir_all(&directory)?;
/// # Ok(())
/// # }
/// ```
pub trait Client: From<Door> + Clone {
    /// What the client calls.
    const INTERFACE: &'static Interface;

    /// Opens the door by its name.
    ///
    /// # Errors
    /// As [`Door::open`].
    fn open(path: impl AsRef<Path>) -> Result<Self, DoorError> {
        Door::open(path).map(Self::from)
    }

    /// The door that is called.
    fn door(&self) -> &Door;

    /// A client of the same door whose calls all end at `deadline` (monotonic clock), as those of [`Door::call_until`] do.
    #[must_use]
    fn until(&self, deadline: Instant) -> Self;
}

/// Where a call goes.
#[derive(Clone, Debug)]
pub struct Target {
    door: Door,
    deadline: Option<Instant>,
}

impl From<Door> for Target {
    fn from(door: Door) -> Self {
        Self {
            door,
            deadline: None,
        }
    }
}

impl Target {
    /// The door.
    #[must_use]
    pub fn door(&self) -> &Door {
        &self.door
    }

    /// The same door, with a deadline.
    #[must_use]
    pub fn until(&self, deadline: Instant) -> Self {
        Self {
            door: self.door.clone(),
            deadline: Some(deadline),
        }
    }

    /// Calls a method that has no error of its own.
    ///
    /// # Errors
    /// Any of [`ProcedureError`] but [`ProcedureError::Returned`].
    pub fn call<'fd, T>(
        &self,
        interface: &Interface,
        method: &Method,
        write: impl FnOnce(&mut Writer<'_, 'fd>),
        read: impl Fn(&mut Reader<'_>) -> Result<T, Unreadable>,
    ) -> Result<T, ProcedureError> {
        let read_error = |_: &mut Reader<'_>| Err(Unreadable::new("", Malformed::NotTyped));
        self.call_fallible::<T, Infallible>(interface, method, write, read, read_error)
    }

    /// Calls a method that returns a `Result`.
    ///
    /// # Errors
    /// [`ProcedureError`].
    pub fn call_fallible<'fd, T, E>(
        &self,
        interface: &Interface,
        method: &Method,
        write: impl FnOnce(&mut Writer<'_, 'fd>),
        read: impl Fn(&mut Reader<'_>) -> Result<T, Unreadable>,
        read_error: impl Fn(&mut Reader<'_>) -> Result<E, Unreadable>,
    ) -> Result<T, ProcedureError<E>> {
        let mut arguments = Buffer::take();
        let (before, descriptors) = self.put(method, &mut arguments.0, write)?;
        let data = if before.is_empty() {
            Pieces::one(&arguments.0)
        } else {
            Pieces::two(before, &arguments.0)
        };
        let mut results = Buffer::take();
        let arrived = self
            .door
            .call_with(data, descriptors, self.deadline, &mut results.0)
            .or_else(|failed| self.instead((interface, method), failed, &mut results.0))
            .map_err(ProcedureError::Call)?;
        let places = (&mut results.0, &mut arguments.0);
        let brought = unclaimed(&self.door, arrived);
        self.take((interface, method), places, brought, read, read_error)
    }

    /// What the door has instead of the method, if that is why the call failed.
    #[cold]
    fn instead(
        &self,
        called: (&Interface, &Method),
        failed: CallError,
        results: &mut Vec<u8>,
    ) -> Result<Vec<OwnedFd>, CallError> {
        let (door, deadline) = (&self.door, self.deadline);
        question::instead(door, called, (failed, deadline), results, |data, out| {
            door.call_into(data, Vec::new(), deadline, out)
        })
    }

    /// Puts the data of a call; returns the bytes that go before them, and its descriptors.
    #[inline]
    pub(super) fn put<'fd, E>(
        &self,
        method: &Method,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Writer<'_, 'fd>),
    ) -> Result<(&'fd [u8], Vec<DoorDesc<'fd>>), ProcedureError<E>> {
        let mut descriptors = Vec::new();
        let mut writer = Writer::new(out, &mut descriptors);
        write(&mut writer);
        if let Some((name, reason)) = writer.failed() {
            return Err(ProcedureError::BadArgument {
                door: self.door.label(),
                name,
                reason,
            });
        }
        let (before, count) = writer.front();
        frame::end_call(method.number(), method.tag(), self.deadline, count, out);
        Ok((before, descriptors))
    }

    /// Takes what a call has brought; the arguments are no more.
    #[inline]
    pub(super) fn take<T, E>(
        &self,
        (interface, method): (&Interface, &Method),
        (results, behind): (&mut Vec<u8>, &mut Vec<u8>),
        arrived: Unclaimed,
        read: impl Fn(&mut Reader<'_>) -> Result<T, Unreadable>,
        read_error: impl Fn(&mut Reader<'_>) -> Result<E, Unreadable>,
    ) -> Result<T, ProcedureError<E>> {
        let bad = |reason| ProcedureError::BadResults {
            door: self.door.label(),
            reason,
        };
        let differ = |theirs| Refused::of(interface, method, theirs);
        // What stands behind bytes that the caller is given needs a place of its own.
        let (front, data) = match frame::front_of_results(results) {
            None => (Front::None, results.as_slice()),
            Some(count) => Front::part(results, count.map_err(bad)?, behind),
        };
        #[cfg(feature = "rkyv")]
        let mut copy = rkyv::util::AlignedVec::new();
        #[cfg(feature = "rkyv")]
        let data = if interface.archives {
            super::archive::aligned(data, &mut copy)
        } else {
            data
        };
        let has_inside = arrived.count() > 0 && method.inside().results;
        match frame::open_results(data, differ).map_err(bad)? {
            Results::Value(data) => Reader::all_of(front, data, arrived, has_inside, read)
                .map_err(|unreadable| bad(unreadable.reason)),
            Results::Error(data) => {
                match Reader::all_of(Front::None, data, arrived, has_inside, read_error) {
                    Ok(error) => Err(ProcedureError::Returned(error)),
                    Err(unreadable) => Err(bad(unreadable.reason)),
                }
            }
            Results::Refused(reason) => Err(ProcedureError::Refused {
                door: self.door.label(),
                reason,
            }),
            Results::NotAllowed(uid) => Err(ProcedureError::Refused {
                door: self.door.label(),
                reason: Refused::NotAllowed {
                    method: method.name().to_owned(),
                    uid,
                },
            }),
            Results::ValueLost => Err(ProcedureError::ValueLost {
                door: self.door.label(),
            }),
        }
    }

    #[cfg(feature = "tokio")]
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

/// What the answer of a door has brought.
#[inline]
pub(super) fn unclaimed(door: &Door, arrived: Vec<OwnedFd>) -> Unclaimed {
    let account = (!arrived.is_empty()).then(|| door.account());
    Unclaimed::new((arrived, account.flatten()))
}
