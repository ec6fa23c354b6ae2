//! A call with values, and what all clients have.

use std::convert::Infallible;
use std::path::Path;
use std::time::Instant;

use super::buffer::Buffer;
use super::error::{Malformed, ProcedureError, Refused, Unreadable};
use super::frame::{self, Results};
use super::interface::{Interface, Method};
use super::reader::Reader;
use super::writer::Writer;
use crate::door::Door;
use crate::error::DoorError;

/// What every client has that `#[door]` generates, beside the methods of its interface.
///
/// The client has functions of the same names itself, unless its interface has a method that is called so; then this trait
/// is the way to them: `Client::until(&client, deadline)`.
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
        read: impl FnOnce(&mut Reader<'_>) -> Result<T, Unreadable>,
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
        read: impl FnOnce(&mut Reader<'_>) -> Result<T, Unreadable>,
        read_error: impl FnOnce(&mut Reader<'_>) -> Result<E, Unreadable>,
    ) -> Result<T, ProcedureError<E>> {
        let door = &self.door;
        let mut arguments = Buffer::take();
        frame::begin_call(method.number(), method.tag(), &mut arguments.0);
        let mut descriptors = Vec::new();
        let mut writer = Writer::new(&mut arguments.0, &mut descriptors);
        write(&mut writer);
        if let Some(name) = writer.failed() {
            return Err(ProcedureError::BadArgument {
                door: door.label(),
                name,
            });
        }

        let mut results = Buffer::take();
        let arrived = door
            .call_into(&arguments.0, descriptors, self.deadline, &mut results.0)
            .map_err(ProcedureError::Call)?;
        drop(arguments);

        let bad = |reason| ProcedureError::BadResults {
            door: door.label(),
            reason,
        };
        let differ = |theirs| Refused::of(interface, method, theirs);
        match frame::open_results(&results.0, differ).map_err(bad)? {
            Results::Value(data) => {
                Reader::all(data, arrived, read).map_err(|unreadable| bad(unreadable.reason))
            }
            Results::Error(data) => match Reader::all(data, arrived, read_error) {
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
}
