//! What the processes of a measurement are told: one job, the same for both sides.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::sample;

/// The data of a call that never returns.
pub(crate) const HANG: &[u8] = b"hang now";

/// Never returns from a call that says so: its server is killed meanwhile.
///
/// # Errors
/// Nobody hears that it hangs.
pub fn hang(data: &[u8]) -> Result<()> {
    if data == HANG {
        crate::role::say("hanging")?;
        loop {
            std::thread::park();
        }
    }
    Ok(())
}

/// The sum of all bytes, eight at a time as fast as they can be read, as it travels.
pub(crate) fn sum(bytes: &[u8]) -> [u8; 8] {
    let (words, rest) = bytes.as_chunks();
    let words = words.iter().map(|word| u64::from_le_bytes(*word));
    let rest = rest.iter().map(|byte| u64::from(*byte));
    words.chain(rest).fold(0, u64::wrapping_add).to_le_bytes()
}

/// What both sides of a measurement have to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// The directory of the names of this server.
    pub place: PathBuf,
    /// The name of the [`Peer`](crate::Peer).
    pub peer: String,
    /// Bytes of each call and of each answer.
    pub size: usize,
    /// What travels.
    pub kind: Kind,
    /// When a call follows the one before.
    pub pace: Pace,
    /// The number of the first line: a line is what one calling thread uses.
    pub first: usize,
    /// How many lines.
    pub lines: usize,
    /// Lines of all processes of the measurement together.
    pub crowd: usize,
    /// The server's process, if each round begins with a processor for each side.
    pub apart_from: Option<i32>,
    /// How long one round lasts.
    pub slice: Duration,
}

/// What travels with a call, and what the server does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Bytes, which come back.
    Echo,
    /// A structure, which is read and written by both sides.
    Struct,
    /// Bytes, and so many descriptors, which the server closes.
    Descriptors(usize),
    /// Bytes, until a call says that it never returns.
    Hang,
    /// Bytes, all of which the server adds up; the answer is their sum.
    Sum,
    /// Bytes, by so many doors in turn.
    Doors(usize),
}

/// When a call follows the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pace {
    /// At once.
    Closed,
    /// After a pause.
    Gap {
        /// The length of the pause.
        pause: Duration,
        /// Whether the client sleeps meanwhile, or is busy.
        asleep: bool,
    },
    /// At once, and each on a connection of its own.
    Connect,
}

impl Job {
    /// A path of this server's.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.place.join(name)
    }

    /// What every server does with a call that has no special form: the answer is as long as the call, or the sum of its bytes.
    ///
    /// # Errors
    /// A structure that cannot be read.
    pub fn answer<'a>(&self, data: &'a [u8], scratch: &'a mut Vec<u8>) -> Result<&'a [u8]> {
        match self.kind {
            Kind::Struct => {
                sample::again(data, scratch)?;
                Ok(scratch)
            }
            Kind::Hang => {
                hang(data)?;
                Ok(data)
            }
            Kind::Sum => {
                scratch.clear();
                scratch.extend_from_slice(&sum(data));
                Ok(scratch)
            }
            _ => Ok(data),
        }
    }

    pub(crate) fn place(&self) -> &Path {
        &self.place
    }
}
