//! Doors with values, and with the bytes of the same values.

use std::cell::Cell;

use doors::{Attachment, Door, DoorAttributes, Invocation, Returned, door};
use rkyv::api::high::to_bytes_in;
use rkyv::rancor::{Error, Failure};
use rkyv::util::AlignedVec;
use rkyv::{Archived, access, deserialize};

use super::{Caller, Peer, Scratch, Service};
use crate::Result;
use crate::job::{Job, Kind};
use crate::sample::Sample;

/// What travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// As many bytes as those of the structure, which nobody reads.
    Bytes,
    /// The structure, by rkyv.
    Rkyv,
    /// The structure by rkyv, put, checked and taken by hand on both sides of a call with bytes.
    Hand,
    /// Bytes, as a value of both sides.
    Own,
}

#[derive(Debug)]
pub(crate) struct Values {
    name: &'static str,
    way: Way,
}

pub(crate) const DOORS_BYTES: Values = Values {
    name: "doors bytes",
    way: Way::Bytes,
};

pub(crate) const DOORS_RKYV: Values = Values {
    name: "doors rkyv",
    way: Way::Rkyv,
};

/// What the same archives take without the macro.
pub(crate) const DOORS_BY_HAND: Values = Values {
    name: "doors by hand",
    way: Way::Hand,
};

pub(crate) const DOORS_VEC: Values = Values {
    name: "doors Vec<u8>",
    way: Way::Own,
};

/// The bytes of the structure in the default encoding of `#[door]`, with what says which method is called.
const SAMPLE_BYTES: usize = 844;

/// Gives back what it got.
#[door(codec = "rkyv")]
fn read_and_write(sample: &Archived<Sample>) -> Option<Sample> {
    deserialize::<Sample, Error>(sample).ok()
}

thread_local! {
    /// Where an answer is put together by hand.
    static ANSWER: Cell<AlignedVec> = Cell::default();
}

/// The structure of an archive, which is checked.
fn taken(archive: &[u8]) -> Result<Sample> {
    let mut copy = AlignedVec::<16>::new();
    let aligned = archive.as_ptr().addr().is_multiple_of(16);
    let archive = if aligned {
        archive
    } else {
        copy.extend_from_slice(archive);
        &copy
    };
    let archived = access::<Archived<Sample>, Failure>(archive)?;
    Ok(deserialize::<_, Failure>(archived)?)
}

/// The archive of the structure, in memory that was used before.
fn put(sample: &Sample, mut used: AlignedVec) -> Result<AlignedVec> {
    used.clear();
    Ok(to_bytes_in::<_, Failure>(sample, used)?)
}

fn serve_by_hand(call: Invocation<'_>) -> Returned {
    let answer = taken(call.data()).and_then(|sample| put(&sample, ANSWER.take()));
    let answer = answer.unwrap_or_default();
    let returned = call.door_return(&answer, vec![]);
    ANSWER.set(answer);
    returned
}

/// Gives back what it got.
#[door]
fn give_back(bytes: Vec<u8>) -> Vec<u8> {
    bytes
}

impl Peer for Values {
    fn name(&self) -> &'static str {
        self.name
    }

    fn does(&self, job: &Job) -> bool {
        let kind = match self.way {
            Way::Bytes | Way::Rkyv | Way::Hand => Kind::Struct,
            Way::Own => Kind::Echo,
        };
        job.kind == kind
    }

    fn serve(&self, job: &Job) -> Result<Service> {
        let door = match self.way {
            Way::Bytes => Door::create(
                |call| {
                    let data = call.data();
                    call.door_return(data, vec![])
                },
                DoorAttributes::empty(),
            ),
            Way::Rkyv => read_and_write::door(),
            Way::Hand => Door::create(serve_by_hand, DoorAttributes::empty()),
            Way::Own => give_back::door(),
        }?;
        let attachment: Attachment = door.attach(job.path("door"), 0o600)?;
        Ok(Box::new((door, attachment)))
    }

    fn connect(&self, job: &Job) -> Result<Vec<Box<dyn Caller>>> {
        let door = Door::open(job.path("door"))?;
        let caller = |door: Door| -> Box<dyn Caller> {
            match self.way {
                Way::Bytes => Box::new(Bytes(door)),
                Way::Rkyv => Box::new(Archives(ReadAndWriteClient::from(door))),
                Way::Hand => Box::new(ByHand {
                    door,
                    arguments: AlignedVec::new(),
                }),
                Way::Own => Box::new(Owner {
                    client: GiveBackClient::from(door),
                    own: Vec::new(),
                }),
            }
        };
        Ok((0..job.lines).map(|_| caller(door.clone())).collect())
    }
}

/// Calls with bytes.
#[derive(Debug)]
struct Bytes(Door);

impl Caller for Bytes {
    fn call(&mut self, data: &[u8], results: &mut Vec<u8>) -> Result<()> {
        results.clear();
        self.0.call_into(data, Vec::new(), None, results)?;
        Ok(())
    }

    fn brings_back(&mut self, _: &Sample, scratch: &mut Scratch) -> Result<bool> {
        scratch.data.resize(SAMPLE_BYTES, 7);
        self.call(&scratch.data, &mut scratch.results)?;
        Ok(scratch.results.len() == SAMPLE_BYTES && scratch.results.last() == Some(&7))
    }
}

/// Calls with archives.
#[derive(Debug)]
struct Archives(ReadAndWriteClient);

impl Caller for Archives {
    fn call(&mut self, _: &[u8], _: &mut Vec<u8>) -> Result<()> {
        Err("this door takes values".into())
    }

    fn call_struct(&mut self, sample: &Sample, _: &mut Scratch) -> Result<Sample> {
        self.0
            .call(sample)?
            .ok_or_else(|| "the server could not read it".into())
    }
}

/// Calls with archives that are put and taken by hand.
#[derive(Debug)]
struct ByHand {
    door: Door,
    arguments: AlignedVec,
}

impl Caller for ByHand {
    fn call(&mut self, _: &[u8], _: &mut Vec<u8>) -> Result<()> {
        Err("this door takes values".into())
    }

    fn call_struct(&mut self, sample: &Sample, scratch: &mut Scratch) -> Result<Sample> {
        self.arguments = put(sample, std::mem::take(&mut self.arguments))?;
        let results = &mut scratch.results;
        results.clear();
        self.door
            .call_into(&self.arguments, Vec::new(), None, results)?;
        taken(results)
    }
}

/// Calls with bytes that are given away.
#[derive(Debug)]
struct Owner {
    client: GiveBackClient,
    /// What is given next: what has come back before.
    own: Vec<u8>,
}

impl Caller for Owner {
    fn call(&mut self, data: &[u8], results: &mut Vec<u8>) -> Result<()> {
        let mut own = std::mem::take(&mut self.own);
        if own.len() != data.len() {
            own = data.to_vec();
        }
        let back = self.client.call(own)?;
        self.own = std::mem::replace(results, back);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn the_bytes_are_as_many_as_those_of_the_structure() {
        #[door]
        fn mirror(sample: Sample) -> Sample {
            sample
        }

        let server = mirror::door().unwrap();
        let (passed, passing) = channel();
        let relay = Door::in_process(move |call| {
            passed.send(call.data().len()).unwrap();
            let answer = server.call(call.data(), vec![]).unwrap().data;
            call.door_return(&answer, vec![])
        });
        let client = MirrorClient::from(relay.unwrap());
        assert_eq!(client.call(Sample::new()).unwrap(), Sample::new());
        assert_eq!(passing.recv().unwrap(), SAMPLE_BYTES);
    }
}
