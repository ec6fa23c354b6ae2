//! Writing to standard output.

use std::io::{self, Write};

use crate::failure::{Failure, Outcome};

/// All of it, at once; a reader that has gone ends the command quietly.
pub(crate) fn print(bytes: impl AsRef<[u8]>) -> Outcome {
    let mut output = io::stdout().lock();
    let written = output
        .write_all(bytes.as_ref())
        .and_then(|()| output.flush());
    written.map_err(|error| Failure::output(&error))
}
