//! Calls with values that are awaited.

use std::convert::Infallible;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use nix::errno::Errno;

use super::aside::{Aside, Lost, Refused};
use super::client::{Target, unclaimed};
use super::error::{Malformed, ProcedureError, Unreadable};
use super::interface::{Interface, Method};
use super::question;
use super::reader::Reader;
use super::travel;
use super::unclaimed::Unclaimed;
use super::writer::Writer;
use crate::client::cancel::Cancel;
use crate::desc::DoorDesc;
use crate::door::{Door, Origin};
use crate::error::{CallCondition, CallError, DoorCondition, DoorError, ReturnError};
use crate::local::copies;
use crate::sys::unclaimed::Unclaimed as Kept;

/// What could not be done for want of a thread.
const START: &str = "start a thread for the call";
/// What a thread did not do to its end.
const FINISH: &str = "finish the call on its thread";

/// Where a call goes that is awaited.
#[derive(Clone, Debug)]
pub struct Awaited(Target);

impl From<Target> for Awaited {
    fn from(target: Target) -> Self {
        Self(target)
    }
}

impl From<Door> for Awaited {
    fn from(door: Door) -> Self {
        Self(door.into())
    }
}

impl Awaited {
    /// Opens a door by its name.
    ///
    /// # Errors
    /// As [`Door::open`], and [`DoorCondition::NoRoom`] if too many wait for the same name.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, DoorError> {
        let path: Arc<Path> = path.as_ref().into();
        let origin = Origin::Name(Arc::clone(&path));
        let system = |op, source| DoorCondition::System { op, source };
        let opening = Aside::begin(&origin, None, move || Door::open(path));
        let opening = opening.map_err(|refused| match refused {
            Refused::Full => DoorCondition::NoRoom,
            Refused::NoThread => system(START, Errno::EAGAIN),
        })?;
        match opening.await {
            Ok(opened) => opened.map(Self::from),
            Err(Lost::Late | Lost::Unfinished) => Err(system(FINISH, Errno::ECANCELED).into()),
        }
    }

    /// The door.
    #[must_use]
    pub fn door(&self) -> &Door {
        self.0.door()
    }

    /// The same door, with a deadline.
    #[must_use]
    pub fn until(&self, deadline: Instant) -> Self {
        Self(self.0.until(deadline))
    }

    /// Calls a method that has no error of its own.
    ///
    /// # Errors
    /// Any of [`ProcedureError`] but [`ProcedureError::Returned`].
    pub async fn call<'fd, T>(
        &self,
        interface: &'static Interface,
        method: &'static Method,
        write: impl FnOnce(&mut Writer<'_, 'fd>),
        read: impl Fn(&mut Reader<'_>) -> Result<T, Unreadable>,
    ) -> Result<T, ProcedureError> {
        let read_error = |_: &mut Reader<'_>| Err(Unreadable::new("", Malformed::NotTyped));
        self.call_fallible::<T, Infallible>(interface, method, write, read, read_error)
            .await
    }

    /// Calls a method that returns a `Result`.
    ///
    /// The values are put and taken here, the call is made by a thread of the runtime that may block.
    ///
    /// # Errors
    /// [`ProcedureError`].
    pub async fn call_fallible<'fd, T, E>(
        &self,
        interface: &'static Interface,
        method: &'static Method,
        write: impl FnOnce(&mut Writer<'_, 'fd>),
        read: impl Fn(&mut Reader<'_>) -> Result<T, Unreadable>,
        read_error: impl Fn(&mut Reader<'_>) -> Result<E, Unreadable>,
    ) -> Result<T, ProcedureError<E>> {
        let going = self.begin((interface, method), write)?;
        let brought = match going {
            Ok(going) => going.await.unwrap_or_else(|lost| Err(self.without(lost))),
            Err(error) => Err(error),
        };
        let (mut results, arrived) = brought.map_err(ProcedureError::Call)?;
        let places = (&mut results, &mut Vec::new());
        self.0
            .take((interface, method), places, arrived, read, read_error)
    }

    /// Puts the values, and has a thread make the call. What was lent is copied: the call may outlive what it was lent by.
    fn begin<'fd, E>(
        &self,
        called: Called,
        write: impl FnOnce(&mut Writer<'_, 'fd>),
    ) -> Result<Result<Going, CallError>, ProcedureError<E>> {
        let mut data = Vec::new();
        let (before, lent) = travel::at_once(|| self.0.put(called.1, &mut data, write))?;
        data.splice(..0, before.iter().copied());
        let copies = copies(lent).map_err(|error| match error {
            ReturnError::System { op, source } => self.lost(op, source),
            _ => self.lost("copy a descriptor", Errno::EMFILE),
        });
        Ok(copies.and_then(|copies| {
            let begun = Going::begin(&self.0, called, data, copies);
            begun.map_err(|refused| match refused {
                Refused::Full => self.failed(CallCondition::NoRoom),
                Refused::NoThread => self.lost(START, Errno::EAGAIN),
            })
        }))
    }

    /// The error of a call of which nothing came.
    #[cold]
    fn without(&self, lost: Lost) -> CallError {
        match lost {
            Lost::Late => self.failed(CallCondition::TimedOut { taken: false }),
            Lost::Unfinished => self.lost(FINISH, Errno::ECANCELED),
        }
    }

    /// A call that this process could not make.
    #[cold]
    fn lost(&self, op: &'static str, source: Errno) -> CallError {
        self.failed(CallCondition::System {
            op,
            source,
            taken: op == FINISH,
        })
    }

    fn failed(&self, condition: CallCondition) -> CallError {
        CallError {
            door: self.door().label(),
            condition,
        }
    }
}

/// The method that is called, and its interface.
type Called = (&'static Interface, &'static Method);

/// What a call has brought. Whoever drops it, unwanted, may be a thread of the runtime.
type Brought = Result<(Vec<u8>, Unclaimed), CallError>;

/// A call on its way. Who drops it gives it up.
struct Going {
    cancel: Arc<Cancel>,
    thread: Aside<Brought>,
    over: bool,
}

impl Going {
    fn begin(
        target: &Target,
        called: Called,
        data: Vec<u8>,
        descriptors: Vec<OwnedFd>,
    ) -> Result<Self, Refused> {
        let origin = target.door().origin();
        let (door, deadline) = (target.door().clone(), target.deadline());
        let cancel = Arc::new(Cancel::new());
        let call = {
            let cancel = Arc::clone(&cancel);
            // If it never begins they are closed where that holds up nobody.
            let mut kept = Kept::default();
            kept.extend(descriptors);
            move || {
                let descriptors = kept.take().into_iter().map(DoorDesc::Released).collect();
                let mut results = Vec::new();
                let make = |data: &[u8], descriptors, out: &mut Vec<u8>| {
                    door.call_cancellable(data, descriptors, deadline, &cancel, out)
                };
                let arrived = make(&data, descriptors, &mut results).or_else(|failed| {
                    question::instead(
                        &door,
                        called,
                        (failed, deadline),
                        &mut results,
                        |data, out| make(data, Vec::new(), out),
                    )
                })?;
                Ok((results, unclaimed(&door, arrived)))
            }
        };
        Ok(Self {
            cancel,
            thread: Aside::begin(&origin, deadline, call)?,
            over: false,
        })
    }
}

impl Future for Going {
    type Output = Result<Brought, Lost>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = Pin::new(&mut self.thread).poll(context);
        self.over = polled.is_ready();
        polled
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        if !self.over {
            self.cancel.cancel();
        }
    }
}
