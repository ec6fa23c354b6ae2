//! A service that tells where its methods may run.

use doors::door;
use nix::unistd::gettid;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A thread and its processors.
pub(crate) type Place = (i32, String);

/// The processors of the thread that read it.
#[derive(Debug)]
pub(crate) struct Seen(pub(crate) String);

impl Serialize for Seen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(0)
    }
}

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u8::deserialize(deserializer).map(|_| Self(processors()))
    }
}

/// Some of it is leaf.
#[door]
pub(crate) trait Ground {
    /// Where it runs.
    #[leaf]
    fn leaf(&self) -> Place;

    /// Where it runs, with what the reading of the argument saw, and what a thread sees that it starts.
    fn wide(&self, seen: Seen) -> (Place, String, String);
}

/// All of it is.
pub(crate) mod whole {
    use super::Place;

    #[doors::door]
    #[leaf]
    pub(crate) trait Ground {
        fn one(&self) -> Place;
        fn other(&self) -> Place;
    }
}

/// Tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Earth;

impl Ground for Earth {
    fn leaf(&self) -> Place {
        here()
    }

    fn wide(&self, seen: Seen) -> (Place, String, String) {
        let thread = std::thread::spawn(processors).join().unwrap();
        (here(), seen.0, thread)
    }
}

impl whole::Ground for Earth {
    fn one(&self) -> Place {
        here()
    }

    fn other(&self) -> Place {
        here()
    }
}

fn here() -> Place {
    (gettid().as_raw(), processors())
}

fn processors() -> String {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    line.unwrap().trim().to_owned()
}
