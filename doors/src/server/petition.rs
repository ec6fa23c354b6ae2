//! What a holder asks for on a token, or an opener on its connection.
//!
//! A token can be held by many processes, so an answer there could reach the wrong one: every petition brings one end
//! of a fresh private pair, and the answer goes there. Who asks is whoever made that pair; the packet must come from
//! the same process, or it was relayed and is refused.

use std::os::fd::AsFd;
use std::sync::Arc;

use nix::errno::Errno;

use super::core::{Core, lock};
use super::leader::Leader;
use super::opening::give_up;
use super::parked::Matter;
use super::petitioner::Petitioner;
use super::runtime::Source;
use super::session::{Registration, Session};
use super::token::Token;
use crate::access::Refusal;
use crate::event;
use crate::primitive::Ordering;
use crate::sys::dense::Dense;
use crate::sys::socket::Received;
use crate::sys::{random, socket};
use crate::wire::code::Failure;
use crate::wire::limits::{AREA_BYTES, FIRST_CHANNELS};
use crate::wire::message::{Message, Violation};

/// What a session costs: its socket and the client's pidfd.
const SESSION_DESCRIPTORS: usize = 2;

impl Leader {
    /// A packet arrived on a token or connection. An error closes nothing that others share: only this packet is
    /// refused.
    pub(crate) fn petition(
        &mut self,
        token: &Arc<Token>,
        bytes: &[u8],
        mut received: Received,
    ) -> Result<(), Violation> {
        if received.cut {
            return Err(Violation::Length);
        }
        let (message, payload) = match Message::decode(bytes) {
            Ok(decoded) => decoded,
            Err(found) => {
                // A later version tries a petition that we do not know, or speaks otherwise altogether.
                let code = match found {
                    Violation::Version(_) => Failure::Version,
                    Violation::Type(_) => Failure::Violation,
                    other => return Err(other),
                };
                Petitioner::of(&mut received, token.socket.account())?.refuse(code);
                return Err(found);
            }
        };
        match message {
            Message::Call {
                generation,
                descriptors,
            } => {
                return self.first_call(token, generation, descriptors, payload, received);
            }
            Message::GiveUp { generation } => {
                return give_up(token, generation, &mut received);
            }
            _ => {}
        }
        if received.fds_lost {
            return Err(Violation::Descriptors);
        }
        let petitioner = Petitioner::of(&mut received, token.socket.account())?;
        if let Some(verdict) = token.judge(&petitioner.caller) {
            return self.judged(token, message, petitioner, verdict);
        }
        self.park(token, Matter::Petition(message, petitioner));
        Ok(())
    }

    /// Does what is asked for, if the policy admits the petitioner.
    pub(super) fn judged(
        &mut self,
        token: &Arc<Token>,
        message: Message,
        petitioner: Petitioner,
        verdict: Result<(), Refusal>,
    ) -> Result<(), Violation> {
        let core = &token.core;
        if let Err(refusal) = verdict {
            refused(core, &refusal);
            petitioner.refuse(Failure::NotAllowed);
            return Ok(());
        }
        token.speaks();
        match message {
            Message::Hello { .. } => self.hello(token, petitioner),
            Message::Register { session } => self.register(token, session, &petitioner),
            Message::Info {} => self.describe(core, &petitioner),
            Message::Remint {} => self.remint(token, &petitioner),
            _ => {
                petitioner.refuse(Failure::Violation);
                return Err(Violation::Turn);
            }
        }
        Ok(())
    }

    fn hello(&mut self, token: &Arc<Token>, petitioner: Petitioner) {
        let runtime = &Arc::clone(&self.runtime);
        if let Some(code) = token.core.closed() {
            petitioner.refuse(code);
            return;
        }
        let uid = petitioner.uid();
        let charge = runtime.quotas.charge(uid, SESSION_DESCRIPTORS);
        let Some(charge) = charge.filter(|_| self.unfinished.may_begin(uid)) else {
            petitioner.refuse(Failure::NoRoom);
            return;
        };
        let (Ok(high), Ok(low)) = (random::number(), random::number()) else {
            petitioner.refuse(Failure::NoRoom);
            return;
        };
        let id = u128::from(high) << 64 | u128::from(low);
        let Petitioner {
            process,
            caller,
            mut private,
        } = petitioner;
        // From here on it is the session that pays, not the reference by which it came.
        private.charge_to(&charge.account());
        let session = Session::new(runtime, id, process, caller, private, charge);
        // Watched only for its end until the client has acknowledged the first windows.
        let area = u64::try_from(AREA_BYTES).unwrap_or(u64::MAX);
        if let Err(code) = session.offer(0, FIRST_CHANNELS, area, None) {
            let packet = Message::Refused {
                wanted: 0,
                code: code.number(),
            }
            .encode(0);
            let _gone = session.send(&packet, &[]);
            return;
        }
        let registration = token.register(&session);
        let registered = registered(&session, &registration);
        if session.send(&registered.encode(0), &[]).is_err() || self.admit(&session).is_err() {
            return session.end();
        }
        self.unfinished.begun(&session, uid);
    }

    /// Has the leader watch a new session's socket and process.
    fn admit(&self, session: &Arc<Session>) -> Result<(), Errno> {
        let runtime = &self.runtime;
        let (socket_key, process_key) = (runtime.next_key(), runtime.next_key());
        runtime.watch_at(
            socket_key,
            &session.socket,
            Source::Session(Arc::clone(session)),
        )?;
        let watched = runtime.watch_at(
            process_key,
            &session.client,
            Source::Client(Arc::clone(session)),
        );
        if let Err(error) = watched {
            runtime.unwatch(socket_key, &session.socket);
            return Err(error);
        }
        *lock(&session.keys) = vec![socket_key, process_key];
        runtime.sessions().insert(session.id, Arc::clone(session));
        Ok(())
    }

    fn register(&self, token: &Arc<Token>, session: u128, petitioner: &Petitioner) {
        if let Some(code) = token.core.closed() {
            petitioner.refuse(code);
            return;
        }
        let found = self.runtime.sessions().get(&session).cloned();
        // The id is random, but knowing it is not enough: the session belongs to one process.
        let own = found.filter(|session| {
            !session.is_dead() && session.client.same_as(&petitioner.process).unwrap_or(false)
        });
        let Some(session) = own else {
            petitioner.refuse(Failure::UnknownSession);
            return;
        };
        let registration = token.register(&session);
        // A petitioner that has gone takes its registration along when its token does.
        let _gone = petitioner.answer(&registered(&session, &registration));
    }

    fn describe(&self, core: &Dense<Core>, petitioner: &Petitioner) {
        let references = core.references();
        let limits = &core.limits;
        let ages = core.ages_ns();
        let (followed, parted) = core.meter.shifts();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let described = Message::Described {
            door: core.id,
            attributes: core.attributes().bits(),
            desc_max: limits.desc_max.load(Ordering::Relaxed),
            data_min: limits.data_min.load(Ordering::Relaxed),
            data_max: limits.data_max.load(Ordering::Relaxed),
            calls: core.meter.calls(),
            active: count(core.active()),
            sessions: count(self.runtime.sessions().len()),
            references: count(references.outside()),
            threads: count(core.pool.threads()),
            refused: core.meter.refused(),
            ages: count(ages.len()),
            followed,
            parted,
        };
        let classes = core.meter.classes();
        let payload: Vec<u8> = classes
            .iter()
            .chain(&ages)
            .flat_map(|number| number.to_le_bytes())
            .collect();
        let packet = described.encode(payload.len());
        let _gone = socket::send(&petitioner.private, &[&packet, &payload], &[]);
    }

    /// The policy of a name goes along: nobody gets rid of it by asking for another reference.
    fn remint(&self, token: &Token, petitioner: &Petitioner) {
        let core = &token.core;
        let access = token.access.clone();
        let charge = self.runtime.quotas.charge(petitioner.uid(), 1);
        let minted = charge.map(|charge| self.runtime.mint_for(core, access, charge));
        match minted {
            Some(Ok(holder)) => {
                let packet = Message::Token { door: core.id }.encode(0);
                let _gone = socket::send(&petitioner.private, &[&packet], &[holder.as_fd()]);
            }
            Some(Err(_)) | None => petitioner.refuse(Failure::NoRoom),
        }
    }
}

fn registered(session: &Session, registration: &Registration) -> Message {
    let core = &registration.core;
    Message::Registered {
        session: session.id,
        registration: registration.number,
        door: core.id,
        pool: core.pool.id,
        attributes: core.attributes().bits(),
        desc_max: core.limits.desc_max.load(Ordering::Relaxed),
        data_min: core.limits.data_min.load(Ordering::Relaxed),
        data_max: core.limits.data_max.load(Ordering::Relaxed),
    }
}

/// Every refusal leaves a trace.
pub(super) fn refused(core: &Core, why: &Refusal) {
    core.meter.refuse();
    event::caller_refused(core.id, why);
}
