//! A way to call another process.

mod contact;
mod doors;
mod frozen;
mod memory;
mod packet;
mod pipe;
mod stream;
mod values;

use std::any::Any;
use std::os::fd::OwnedFd;

use crate::Result;
use crate::job::Job;
use crate::sample::Sample;

pub(crate) use self::contact::FIRST_CONTACT;
pub(crate) use self::doors::{
    DOORS, DOORS_BLOCK, DOORS_HANDOFF, DOORS_LEAF, DOORS_REPLY, DOORS_REPLY_NOW, DOORS_SPIN,
    QUIET_CALLS,
};
pub(crate) use self::frozen::{FROZEN, FROZEN_BEFORE};
pub(crate) use self::memory::{FUTEX, HANDOFF, HANDOFF_WIDE, SPIN};
pub(crate) use self::packet::SEQPACKET;
pub(crate) use self::pipe::PIPE;
pub(crate) use self::stream::STREAM;
pub(crate) use self::values::{DOORS_BY_HAND, DOORS_BYTES, DOORS_RKYV, DOORS_VEC};

/// What keeps a server serving while it is held.
pub type Service = Box<dyn Any>;

/// A way to call: how to serve, how to reach the server.
pub trait Peer: Sync {
    /// As tables show it, and as processes are told.
    fn name(&self) -> &'static str;

    /// Whether the job makes sense for this peer.
    fn does(&self, job: &Job) -> bool;

    /// Whether its server is busy while it waits for a call.
    fn spins(&self) -> bool {
        false
    }

    /// Serves in this process, on threads of its own; returns when clients can come.
    ///
    /// # Errors
    /// It cannot be served here.
    fn serve(&self, job: &Job) -> Result<Service>;

    /// Connects: one caller for each line of the job.
    ///
    /// # Errors
    /// The server cannot be reached.
    fn connect(&self, job: &Job) -> Result<Vec<Box<dyn Caller>>>;
}

/// What one thread calls with. Dropping it ends the connection.
pub trait Caller: Send {
    /// One call; `results` holds the answer afterwards, and nothing else.
    ///
    /// # Errors
    /// There was no answer.
    fn call(&mut self, data: &[u8], results: &mut Vec<u8>) -> Result<()>;

    /// One call that brings descriptors.
    ///
    /// # Errors
    /// There was no answer.
    fn call_with(&mut self, _: &[u8], _: &[OwnedFd], _: &mut Vec<u8>) -> Result<()> {
        Err("descriptors do not travel this way".into())
    }

    /// One call with a structure, which comes back.
    ///
    /// # Errors
    /// There was no answer, or one that cannot be read.
    fn call_struct(&mut self, sample: &Sample, scratch: &mut Scratch) -> Result<Sample> {
        sample.to_bytes(&mut scratch.data)?;
        self.call(&scratch.data, &mut scratch.results)?;
        Sample::of_bytes(&scratch.results)
    }

    /// Whether one call with a structure brings one like it back: a full comparison would be measured, too.
    ///
    /// # Errors
    /// As [`call_struct`](Self::call_struct).
    fn brings_back(&mut self, sample: &Sample, scratch: &mut Scratch) -> Result<bool> {
        let back = self.call_struct(sample, scratch)?;
        let same = back.id == sample.id && back.name == sample.name;
        Ok(same
            && back.values.len() == sample.values.len()
            && back.values.last() == sample.values.last())
    }

    /// Whether the two sides of the call before were on different processors, as far as its answer tells.
    fn was_across(&self, _results: &[u8]) -> Option<bool> {
        None
    }

    /// No call comes for a while: nobody should be busy waiting for one.
    ///
    /// # Errors
    /// The server is gone.
    fn rest(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Buffers that are used again.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    /// What is sent.
    pub data: Vec<u8>,
    /// What came back.
    pub results: Vec<u8>,
}

/// The peers of this suite.
pub(crate) const OURS: &[&dyn Peer] = &[
    &DOORS,
    &DOORS_LEAF,
    &DOORS_BYTES,
    &DOORS_BY_HAND,
    &DOORS_RKYV,
    &DOORS_VEC,
    &DOORS_REPLY,
    &DOORS_REPLY_NOW,
    &DOORS_SPIN,
    &DOORS_HANDOFF,
    &DOORS_BLOCK,
    &SPIN,
    &FUTEX,
    &HANDOFF,
    &HANDOFF_WIDE,
    &STREAM,
    &SEQPACKET,
    &PIPE,
    &FIRST_CONTACT,
    &FROZEN,
    &FROZEN_BEFORE,
];
