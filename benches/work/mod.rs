//! What is measured: one module each.

mod burn;
mod connect;
pub(crate) mod death;
mod echo;
mod fd;
mod frozen;
mod idle;
mod mt;
mod null;
mod reply;
mod scale;
mod sparse;
pub(crate) mod structure;

use crate::Result;
use crate::peer::{DOORS, FUTEX, PIPE, Peer, SEQPACKET, SPIN, STREAM};
use crate::record::Record;
use crate::suite::Suite;

/// Doors and all floors.
pub(crate) const ALL: &[&dyn Peer] = &[&DOORS, &SPIN, &FUTEX, &STREAM, &SEQPACKET, &PIPE];

/// Doors and the floors that sleep: where processors are short, spinning measures the scheduler.
const ASLEEP: &[&dyn Peer] = &[&DOORS, &FUTEX, &STREAM, &SEQPACKET, &PIPE];

/// Something that can be measured.
#[derive(Debug)]
pub struct Work {
    /// What it is called.
    pub name: &'static str,
    /// What it measures.
    pub about: &'static str,
    pub(crate) run: fn(&Suite) -> Result<Vec<Record>>,
}

/// All works, in the order in which they are measured.
pub const WORKS: &[Work] = &[
    Work {
        name: "null",
        about: "8 bytes in a closed loop: unpinned, both on one CPU, one each",
        run: null::run,
    },
    Work {
        name: "sparse",
        about: "a pause before each call: 300 us and 1 ms, busy and asleep",
        run: sparse::run,
    },
    Work {
        name: "echo",
        about: "64 B to 64 MiB each way",
        run: echo::run,
    },
    Work {
        name: "frozen",
        about: "4 KiB to 16 MiB that are added up: carried, frozen for the call, before",
        run: frozen::run,
    },
    Work {
        name: "struct",
        about: "a structure of a number, a name and 100 numbers, beside its bytes; 1 MiB of bytes as a value",
        run: structure::run,
    },
    Work {
        name: "fd",
        about: "1, 8, 64 descriptors with each call",
        run: fd::run,
    },
    Work {
        name: "mt",
        about: "1 to 64 clients at once, as threads and as processes",
        run: mt::run,
    },
    Work {
        name: "burn",
        about: "null beside one busy process per CPU, and on one CPU with one",
        run: burn::run,
    },
    Work {
        name: "connect",
        about: "open, call, close",
        run: connect::run,
    },
    Work {
        name: "reply",
        about: "door_reply and door_reply_now against door_return",
        run: reply::run,
    },
    Work {
        name: "scale",
        about: "1 to 10,000 quiet client processes; 1 to 10,000 doors",
        run: scale::run,
    },
    Work {
        name: "idle",
        about: "what an idle server and an idle client cost",
        run: idle::run,
    },
    Work {
        name: "death",
        about: "from SIGKILL of the server to the caller's error",
        run: death::run,
    },
];

/// The work of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Work> {
    WORKS.iter().find(|work| work.name == name)
}
