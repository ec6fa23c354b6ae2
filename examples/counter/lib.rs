//! What the two programs of a service have in common: its trait, and the types in it.
//!
//! Both are built of this: `server.rs`, which stays, and `client.rs`. In a package of yours they are `src/lib.rs`,
//! `src/bin/server.rs` and `src/bin/client.rs`.

use std::fs::File;

use doors::door;
use serde::{Deserialize, Serialize};

/// The service's own error: the client finds it in [`doors::ProcedureError::Returned`].
#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
#[error("that is no text")]
pub struct NoText;

/// Made `pub`, the trait brings `CounterDoor` and `CounterClient` to both programs.
#[door]
pub trait Counter {
    /// Counts the lines of an open file.
    ///
    /// # Errors
    /// [`NoText`], for a file that is none.
    fn lines(&self, file: File) -> Result<usize, NoText>;
}
