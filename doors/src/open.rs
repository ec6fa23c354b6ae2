//! Opening a door by its name.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::client::petition::deadline;
use crate::door::{Door, Inner, Remote};
use crate::error::{DoorCondition, DoorError};
use crate::name;

/// How long `open` waits for a place in a full backlog.
const OPEN_WITHIN: Duration = Duration::from_secs(5);

impl Door {
    /// Opens a door by its name.
    ///
    /// Only a connection is made. The first call of a short-lived client travels on it; everything else opens a session
    /// with the server at its first use.
    ///
    /// # Blocking
    /// Not at all, or up to 5 s while the server's backlog is full.
    ///
    /// # Errors
    /// [`DoorCondition::Name`] with the path: not found (ENOENT), no permission (EACCES: the mode's write bit decides), no
    /// server behind the name any more (ECONNREFUSED), not a door, a backlog that stays full (EAGAIN).
    ///
    /// # Death
    /// A server that dies later is told by the next call. The `Door` then stays one of that server; see
    /// [`reopen`](Self::reopen).
    ///
    /// # Examples
    /// ```
    /// use doors::{Door, DoorCondition, NameError};
    ///
    /// if let Err(error) = Door::open("/no/such/door") {
    ///     match error.condition() {
    ///         DoorCondition::Name(NameError::NotFound { path }) => println!("start it: {}", path.display()),
    ///         _ => return Err(error.into()),
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<Self, DoorError> {
        Self::open_until(path, deadline(OPEN_WITHIN))
    }

    /// As [`open`](Self::open), with a deadline.
    ///
    /// # Blocking
    /// Not at all, or until the deadline while the server's backlog is full; with one that has passed it tries once. The
    /// first use of the door has its own bound: [`call_until`](Self::call_until) ends at its deadline, and any other use
    /// gives a server that stands still 5 s for each of at most three steps.
    ///
    /// # Errors
    /// As [`open`](Self::open); a backlog that is full until the deadline is
    /// [`NameError::TimedOut`](crate::NameError::TimedOut) (EAGAIN).
    ///
    /// # Examples
    /// ```no_run
    /// use std::time::{Duration, Instant};
    ///
    /// let soon = Instant::now() + Duration::from_millis(100);
    /// let door = doors::Door::open_until("/run/service", soon)?;
    /// let reply = door.call_until(b"work", vec![], soon)?;
    /// # drop(reply);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open_until(path: impl AsRef<Path>, until: Instant) -> Result<Self, DoorError> {
        let path = path.as_ref();
        let token = name::connect(path, until)?;
        Ok(Self::remote(Remote::new(
            token,
            Some(Arc::from(path)),
            true,
        )))
    }

    /// Opens the name again by which this door was opened: after a restart of its server, say.
    ///
    /// # Blocking
    /// As [`open`](Self::open).
    ///
    /// # Errors
    /// As [`open`](Self::open); [`DoorCondition::NotADoor`] if it was not opened by a name.
    ///
    /// # Examples
    /// A call that survives a restart, but is never made twice:
    /// ```no_run
    /// use doors::{CallState, Door};
    ///
    /// let mut door = Door::open("/run/service")?;
    /// let reply = loop {
    ///     match door.call(b"work", vec![]) {
    ///         Ok(reply) => break reply,
    ///         Err(error) if error.call_state() == CallState::NotExecuted => {
    ///             std::thread::sleep(std::time::Duration::from_millis(100));
    ///             door = door.reopen()?;
    ///         }
    ///         Err(error) => return Err(error.into()),
    ///     }
    /// };
    /// # drop(reply);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reopen(&self) -> Result<Self, DoorError> {
        match &*self.inner {
            Inner::Remote(Remote {
                path: Some(path), ..
            }) => Self::open(path),
            _ => self.named(Err(DoorCondition::NotADoor)),
        }
    }
}
