//! Doors.

use std::os::fd::{AsFd, OwnedFd};

use doors::{
    Attachment, Door, DoorAttributes, DoorDesc, Invocation, Options, Returned, Waiting, door,
    set_waiting,
};

use super::{Caller, Peer, Scratch, Service};
use crate::Result;
use crate::job::{Job, Kind, Pace};
use crate::sample::Sample;

/// How the procedure answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Return,
    Reply,
    ReplyNow,
}

#[derive(Debug)]
pub(crate) struct Doors {
    name: &'static str,
    manner: Manner,
    leaf: bool,
    /// Of both processes.
    waiting: Waiting,
}

pub(crate) const DOORS: Doors = Doors {
    name: "doors",
    manner: Manner::Return,
    leaf: false,
    waiting: Waiting::Auto,
};

pub(crate) const DOORS_REPLY: Doors = Doors {
    name: "doors reply",
    manner: Manner::Reply,
    ..DOORS
};

pub(crate) const DOORS_REPLY_NOW: Doors = Doors {
    name: "doors reply_now",
    manner: Manner::ReplyNow,
    ..DOORS
};

/// The procedure declared leaf.
pub(crate) const DOORS_LEAF: Doors = Doors {
    name: "doors leaf",
    leaf: true,
    ..DOORS
};

pub(crate) const DOORS_SPIN: Doors = Doors {
    name: "doors spin",
    waiting: Waiting::Spin,
    ..DOORS
};

pub(crate) const DOORS_HANDOFF: Doors = Doors {
    name: "doors hand-off",
    waiting: Waiting::Handoff,
    ..DOORS
};

pub(crate) const DOORS_BLOCK: Doors = Doors {
    name: "doors block",
    waiting: Waiting::Block,
    ..DOORS
};

/// Calls after which a client has a session: the first one travels on the connection.
pub(crate) const QUIET_CALLS: usize = 2;

/// Tokens that travel in one reply while doors are handed out.
const BATCH: usize = 100;

/// Gives back what it got.
#[door]
fn mirror(sample: Sample) -> Sample {
    sample
}

impl Peer for Doors {
    fn name(&self) -> &'static str {
        self.name
    }

    fn does(&self, _: &Job) -> bool {
        true
    }

    fn serve(&self, job: &Job) -> Result<Service> {
        set_waiting(self.waiting);
        let door = if job.kind == Kind::Struct {
            mirror::door()?
        } else {
            let (manner, job) = (self.manner, job.clone());
            Door::create_with(
                move |call| answer(manner, &job, call),
                Options {
                    leaf: self.leaf,
                    ..Options::default()
                },
            )?
        };
        let attachment: Attachment = door.attach(job.path("door"), 0o600)?;
        Ok(Box::new((door, attachment)))
    }

    fn connect(&self, job: &Job) -> Result<Vec<Box<dyn Caller>>> {
        set_waiting(self.waiting);
        let door = Door::open(job.path("door"))?;
        if job.pace != Pace::Connect
            && job.kind != Kind::Struct
            && !matches!(job.kind, Kind::Doors(_))
        {
            // A session is opened now, and not in the first round.
            for _ in 0..QUIET_CALLS {
                door.call(&[0; 8], vec![])?;
            }
        }
        let caller = |door: Door| -> Result<Box<dyn Caller>> {
            Ok(match job.kind {
                Kind::Struct => Box::new(Typed(MirrorClient::from(door))),
                Kind::Doors(count) => Box::new(Turns::new(&door, count)?),
                _ => Box::new(One(door)),
            })
        };
        (0..job.lines).map(|_| caller(door.clone())).collect()
    }
}

/// The server procedure.
fn answer(manner: Manner, job: &Job, mut call: Invocation<'_>) -> Returned {
    if let Kind::Doors(_) = job.kind
        && call.data() == HAND_OUT
    {
        return call.door_return(&[], batch());
    }
    let mut scratch = Vec::new();
    // Bytes that cannot be read are answered with nothing, which the client notices.
    let results = job.answer(call.data(), &mut scratch).unwrap_or_default();
    match manner {
        Manner::Return => call.door_return(results, vec![]),
        Manner::Reply => {
            // Whether it was handed over shows in the caller's answer.
            let _lost = call.door_reply(results, vec![]);
            call.door_return(&[], vec![])
        }
        Manner::ReplyNow => call
            .door_reply_now(results, vec![])
            .unwrap_or_else(|(call, _)| call.door_return(&[], vec![])),
    }
}

/// The data of a call that asks for more doors.
const HAND_OUT: &[u8] = b"more";

/// Fresh doors, each kept by its descriptor.
fn batch() -> Vec<DoorDesc<'static>> {
    let one = |_| {
        let echo = |call: Invocation<'_>| {
            let data = call.data();
            call.door_return(data, vec![])
        };
        let door = Door::create(echo, DoorAttributes::empty()).ok()?;
        door.to_desc().ok()
    };
    // Fewer than wanted are noticed by the client.
    (0..BATCH).map_while(one).collect()
}

/// Calls of one door.
#[derive(Debug)]
struct One(Door);

impl Caller for One {
    fn call(&mut self, data: &[u8], results: &mut Vec<u8>) -> Result<()> {
        results.clear();
        self.0.call_into(data, Vec::new(), None, results)?;
        Ok(())
    }

    fn call_with(&mut self, data: &[u8], given: &[OwnedFd], results: &mut Vec<u8>) -> Result<()> {
        results.clear();
        let lent = given.iter().map(|one| DoorDesc::Lent(one.as_fd()));
        self.0.call_into(data, lent.collect(), None, results)?;
        Ok(())
    }
}

/// Calls of a procedure with values.
#[derive(Debug)]
struct Typed(MirrorClient);

impl Caller for Typed {
    fn call(&mut self, _: &[u8], _: &mut Vec<u8>) -> Result<()> {
        Err("this door takes values".into())
    }

    fn call_struct(&mut self, sample: &Sample, _: &mut Scratch) -> Result<Sample> {
        Ok(self.0.call(sample.clone())?)
    }
}

/// Calls of many doors in turn.
#[derive(Debug)]
struct Turns {
    doors: Vec<Door>,
    next: usize,
}

impl Turns {
    fn new(factory: &Door, count: usize) -> Result<Self> {
        let mut doors = Vec::with_capacity(count);
        while doors.len() < count {
            let reply = factory.call(HAND_OUT, vec![])?;
            if reply.descriptors.is_empty() {
                return Err(format!("the server made {} doors and no more", doors.len()).into());
            }
            for token in reply.descriptors {
                doors.push(Door::from_descriptor(token)?);
            }
        }
        doors.truncate(count);
        // Registered now, and not in the first round.
        for door in &doors {
            door.call(&[0; 8], vec![])?;
        }
        Ok(Self { doors, next: 0 })
    }
}

impl Caller for Turns {
    fn call(&mut self, data: &[u8], results: &mut Vec<u8>) -> Result<()> {
        results.clear();
        let door = self.doors.get(self.next).ok_or("no door")?;
        let next = self.next.saturating_add(1);
        self.next = if next < self.doors.len() { next } else { 0 };
        door.call_into(data, Vec::new(), None, results)?;
        Ok(())
    }
}
