//! Doors to whose procedures data come as frozen bytes, which they read in place.

use std::os::fd::AsFd;

use doors::{Door, DoorAttributes, Frozen, Invocation, Returned};

use super::{Caller, Peer, QUIET_CALLS, Service};
use crate::Result;
use crate::job::{Job, Kind, Pace, sum};

/// When the bytes are frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// In the call that sends them.
    Now,
    /// Once, before many calls.
    Before,
}

#[derive(Debug)]
pub(crate) struct FrozenDoors(When);

pub(crate) const FROZEN: FrozenDoors = FrozenDoors(When::Now);
pub(crate) const FROZEN_BEFORE: FrozenDoors = FrozenDoors(When::Before);

impl Peer for FrozenDoors {
    fn name(&self) -> &'static str {
        match self.0 {
            When::Now => "frozen for this call",
            When::Before => "frozen before",
        }
    }

    fn does(&self, job: &Job) -> bool {
        job.kind == Kind::Sum && job.pace != Pace::Connect
    }

    fn serve(&self, job: &Job) -> Result<Service> {
        let limit = job.size;
        let door = Door::create(move |call| answer(limit, call), DoorAttributes::empty())?;
        let attachment = door.attach(job.path("door"), 0o600)?;
        Ok(Box::new((door, attachment)))
    }

    fn connect(&self, job: &Job) -> Result<Vec<Box<dyn Caller>>> {
        let door = Door::open(job.path("door"))?;
        for _ in 0..QUIET_CALLS {
            door.call(&[], vec![])?;
        }
        let one = |_| -> Box<dyn Caller> {
            Box::new(One {
                door: door.clone(),
                when: self.0,
                kept: None,
            })
        };
        Ok((0..job.lines).map(one).collect())
    }
}

/// The server procedure: adds up all bytes of what was frozen. What was not is answered with nothing, which the client notices.
fn answer(limit: usize, mut call: Invocation<'_>) -> Returned {
    let given = call.take_descriptors().pop();
    match given.map(|given| Frozen::from_descriptor(given, limit)) {
        Some(Ok(bytes)) => call.door_return(&sum(&bytes), vec![]),
        _ => call.door_return(&[], vec![]),
    }
}

#[derive(Debug)]
struct One {
    door: Door,
    when: When,
    kept: Option<Frozen>,
}

impl Caller for One {
    fn call(&mut self, data: &[u8], results: &mut Vec<u8>) -> Result<()> {
        let frozen = match self.kept.take() {
            Some(kept) => kept,
            None => Frozen::new(data)?,
        };
        results.clear();
        let lent = vec![frozen.as_fd().into()];
        self.door.call_into(&[], lent, None, results)?;
        if self.when == When::Before {
            self.kept = Some(frozen);
        }
        Ok(())
    }
}
