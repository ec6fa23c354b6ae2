//! Ending a door for new calls.

use crate::door::{Door, Inner};
use crate::error::{DoorCondition, DoorError};
use crate::sys::fork;

impl Door {
    /// Ends the door for new calls, for ever. Calls in progress finish; calls that were not taken fail with
    /// [`CallCondition::NoDoor`](crate::CallCondition::NoDoor), and no unreferenced notice comes any more. Revoking
    /// twice succeeds. Descriptors and names stay and show REVOKED.
    ///
    /// # Blocking
    /// Never: calls in progress are not waited for.
    ///
    /// # Errors
    /// [`DoorCondition::NotCreator`] (EPERM) for a door of another process, the parent's included.
    ///
    /// # Examples
    /// ```
    /// use doors::{CallCondition, Door, DoorAttributes};
    ///
    /// let door = Door::create(|call| call.door_return(&[], vec![]), DoorAttributes::empty())?;
    /// let copy = Door::from_descriptor(door.descriptor()?)?;
    /// door.revoke()?;
    /// assert_eq!(copy.call(&[], vec![]).unwrap_err().condition, CallCondition::NoDoor);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "door_revoke")]
    pub fn revoke(&self) -> Result<(), DoorError> {
        self.named(self.end())
    }

    fn end(&self) -> Result<(), DoorCondition> {
        let own = match &*self.inner {
            Inner::Own(own) => own,
            Inner::InProcess(core) if core.life == fork::life() => {
                core.revoke();
                return Ok(());
            }
            Inner::InProcess(_) | Inner::Remote(_) => return Err(DoorCondition::NotCreator),
        };
        let runtime = own.runtime()?;
        own.core.revoke();
        // Calls that wait for a thread are told at once. Not under the lock: a call that is found may be all that kept
        // another door, whose end runs foreign code.
        let sessions: Vec<_> = runtime.sessions().values().cloned().collect();
        for session in sessions {
            session.scan();
        }
        own.core.pool.turn_away(&own.core);
        own.core.retire_pool();
        Ok(())
    }
}
