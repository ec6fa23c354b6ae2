//! Finding the names that doors have on this host.

use std::path::PathBuf;

use crate::client::petition::system;
use crate::error::DoorError;
use crate::name;
use crate::sys::diag;

/// The names of doors on this host, as far as they can be told from other sockets: the paths that they were bound by.
///
/// A door's listener is known by its backlog (1,009); nothing is connected to. Those of this network namespace are
/// found, whoever they belong to; in another mount namespace a path may mean another file.
///
/// # Blocking
/// Never.
///
/// # Errors
/// [`DoorCondition::System`](crate::DoorCondition::System) if the kernel does not list sockets.
pub fn live_names() -> Result<Vec<PathBuf>, DoorError> {
    let listeners = diag::listeners().map_err(|e| system("list sockets", e))?;
    let mark = name::visible_backlog();
    let ours = listeners
        .into_iter()
        .filter(|(_, _, backlog)| *backlog == mark);
    Ok(ours.map(|(path, _, _)| path).collect())
}
