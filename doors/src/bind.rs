//! A thread's place in the pool of a private door.

use crate::door::{Door, Inner};
use crate::error::{DoorCondition, DoorError};
use crate::pool::ServerThread;

impl Door {
    /// A place among the threads of this private door, for the calling thread (`door_bind`).
    ///
    /// # Blocking
    /// Never; [`ServerThread::serve`] does.
    ///
    /// # Errors
    /// [`DoorCondition::NotCreator`], [`DoorCondition::NotPrivate`] (both EINVAL in C).
    ///
    /// # Examples
    /// ```no_run
    /// use doors::{Door, DoorAttributes};
    ///
    /// let door = Door::create(|call| call.door_return(&[], vec![]), DoorAttributes::PRIVATE)?;
    /// let place = door.bind()?;
    /// std::thread::spawn(move || place.serve());
    /// # Ok::<(), doors::DoorError>(())
    /// ```
    #[doc(alias = "door_bind")]
    pub fn bind(&self) -> Result<ServerThread, DoorError> {
        self.named(self.place())
    }

    fn place(&self) -> Result<ServerThread, DoorCondition> {
        let Inner::Own(own) = &*self.inner else {
            return Err(DoorCondition::NotCreator);
        };
        own.runtime()?;
        if own.core.pool.id == own.core.id {
            Ok(ServerThread::of(&own.core.pool))
        } else {
            Err(DoorCondition::NotPrivate)
        }
    }
}
