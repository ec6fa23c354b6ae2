//! What waits for the verdict of predicates: a petition, or a first call.
//!
//! The leader never asks a predicate itself. It puts the petition aside, a thread of the door's jury asks, and the leader
//! goes on with the petition when the verdict is there. Meanwhile its user pays for what it holds, and one whose
//! petitioner has gone is forgotten.

use std::sync::{Arc, Mutex};

use super::core::lock;
use super::leader::Leader;
use super::packet::PacketCall;
use super::petitioner::{Petitioner, payer};
use super::quota::Charge;
use super::runtime::Runtime;
use super::token::Token;
use crate::access::Refusal;
use crate::cred::Caller;
use crate::event;
use crate::foreign;
use crate::sys::fork;
use crate::wire::code::Failure;
use crate::wire::message::Message;

/// What a petition costs while it waits: its private end and two pidfds of the petitioner.
const PETITION_DESCRIPTORS: usize = 3;

/// What is to be decided about.
pub(super) enum Matter {
    Petition(Message, Petitioner),
    Call(Box<PacketCall>),
}

/// One that waits.
struct Parked {
    token: Arc<Token>,
    matter: Matter,
    charge: Charge,
}

/// One about which the predicates have been asked.
pub(super) struct Decided {
    parked: Parked,
    verdict: Result<(), Refusal>,
}

impl Leader {
    /// Has the predicates asked about the caller.
    pub(super) fn park(&self, token: &Arc<Token>, matter: Matter) {
        let (uid, is_own) = matter.with_caller(|caller| (payer(caller), is_this_process(caller)));
        let charge = self.runtime.quotas.charge(uid, matter.descriptors());
        let Some(charge) = charge else {
            return matter.refuse(Failure::NoRoom);
        };
        let parked = Parked {
            token: Arc::clone(token),
            matter,
            charge,
        };
        let place = Arc::new(Mutex::new(Some(parked)));
        let errand = {
            let (runtime, place) = (Arc::clone(&self.runtime), Arc::clone(&place));
            Box::new(move || ask(&runtime, &place))
        };
        let jury = &token.core.jury;
        let asked = if is_own {
            // Perhaps a predicate calls a door of its own process, and waits for this one.
            jury.push_nested(errand)
        } else {
            jury.push(errand)
        };
        if !asked && let Some(parked) = lock(&place).take() {
            parked.matter.refuse(Failure::NoRoom);
        }
    }

    /// Goes on with one about which the predicates have been asked.
    pub(super) fn decided(&mut self, decided: Decided) {
        let Decided { parked, verdict } = decided;
        let Some(parked) = parked.unless_over(&self.runtime) else {
            return;
        };
        let Parked {
            token,
            matter,
            charge,
        } = parked;
        // What comes of it is charged by itself.
        drop(charge);
        match matter {
            Matter::Petition(message, petitioner) => {
                let done = self.judged(&token, message, petitioner, verdict);
                if let Err(found) = done {
                    event::packet_refused(token.core.id, &found);
                }
            }
            Matter::Call(call) => Self::called(call, verdict),
        }
    }
}

/// Runs on a thread of the jury.
fn ask(runtime: &Runtime, place: &Mutex<Option<Parked>>) {
    let parked = lock(place).take();
    if let Some(parked) = parked.and_then(|parked| parked.unless_over(runtime)) {
        let verdict = parked
            .matter
            .with_caller(|caller| parked.token.check(caller));
        if runtime.life != fork::life() {
            foreign::stay_out();
        }
        runtime.decide(Decided { parked, verdict });
    }
}

fn is_this_process(caller: &Caller) -> bool {
    matches!(caller, Caller::Known(known) if known.pid().unsigned_abs() == std::process::id())
}

impl Parked {
    /// It, unless nobody waits for it any more, or the reference by which it came is gone. Whoever waits hears if that
    /// lives on in a successor.
    fn unless_over(self, runtime: &Runtime) -> Option<Self> {
        let gone = match &self.matter {
            Matter::Petition(_, petitioner) => petitioner.is_gone(),
            Matter::Call(call) => call.is_given_up(),
        };
        if gone {
            return None;
        }
        if runtime.source(self.token.key).is_some() {
            return Some(self);
        }
        match self.matter {
            Matter::Petition(_, petitioner) if self.token.core.is_handed_over() => {
                petitioner.refuse(Failure::Draining);
            }
            // The end of the token tells the opener.
            Matter::Petition(..) | Matter::Call(_) => {}
        }
        None
    }
}

impl Matter {
    fn with_caller<R>(&self, look: impl FnOnce(&Caller) -> R) -> R {
        match self {
            Self::Petition(_, petitioner) => look(&petitioner.caller),
            Self::Call(call) => look(&call.caller()),
        }
    }

    /// What it costs while it waits.
    fn descriptors(&self) -> usize {
        match self {
            Self::Petition(..) => PETITION_DESCRIPTORS,
            // The caller's pidfd; what came with the call is paid for as long as that waits.
            Self::Call(_) => 1,
        }
    }

    fn refuse(self, code: Failure) {
        match self {
            Self::Petition(_, petitioner) => petitioner.refuse(code),
            Self::Call(mut call) => call.finish(code),
        }
    }
}
