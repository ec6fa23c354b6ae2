//! Removes a name.

use super::Name;
use super::error::NameError;

impl Name {
    /// Removes the name if the entry still is this door's socket; true if this call removed it.
    ///
    /// What was put in its stead stays, and so do other links to the socket and connections through
    /// it.
    pub(crate) fn remove(&self) -> Result<bool, NameError> {
        let lock = match self.place.lock() {
            Ok(lock) => lock,
            // The directory itself was removed.
            Err(NameError::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        let removed = self.place.unlink(self.id);
        drop(lock);
        removed
    }
}
