//! Opening a door by the name that was given.

use std::path::Path;

use doors::Door;

use crate::failure::{Failure, Outcome};

pub(crate) fn open(path: &Path) -> Outcome<Door> {
    Door::open(path).map_err(|error| Failure::door("open", path, &error))
}
