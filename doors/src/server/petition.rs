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
use super::packet::{PacketCall, send_failure};
use super::runtime::Source;
use super::session::{Registration, Session};
use super::token::{Origin, Token};
use crate::cred::Caller;
use crate::event;
use crate::pool::Job;
use crate::primitive::Ordering;
use crate::sys::closer::Shared;
use crate::sys::peer::{Process, peer_cred, peer_pidfd};
use crate::sys::socket::{Received, sent_by};
use crate::sys::{random, socket};
use crate::wire::code::Failure;
use crate::wire::layout::usize_of;
use crate::wire::limits::{AREA_BYTES, DESCRIPTORS, FIRST_CHANNELS};
use crate::wire::message::{Message, Violation};

/// What a session costs: its socket and the client's pidfd.
const SESSION_DESCRIPTORS: usize = 2;

/// Who petitions, and where the answer goes.
struct Petitioner {
    process: Process,
    caller: Caller,
    private: Shared,
}

impl Petitioner {
    /// From the descriptors and the kernel's stamp of a packet.
    fn of(received: &mut Received) -> Result<Self, Violation> {
        let [private] = received.fds.as_slice() else {
            return Err(Violation::Descriptors);
        };
        if received.fds_lost || !socket::is_packet_socket(private) {
            return Err(Violation::Descriptors);
        }
        let private = received.fds.pop().ok_or(Violation::Descriptors)?;
        let private = Shared::from(private);
        let process = peer_pidfd(&private).map_err(|_| Violation::Sender)?;
        if !sent_by(received, &process) {
            return Err(Violation::Sender);
        }
        let caller = Caller::of_socket(&private).map_err(|_| Violation::Sender)?;
        // The other end was made by the client, perhaps blocking and without stamps; ours is set up here.
        let flags = nix::fcntl::OFlag::O_NONBLOCK;
        nix::fcntl::fcntl(&private, nix::fcntl::FcntlArg::F_SETFL(flags))
            .map_err(|_| Violation::Descriptors)?;
        socket::name_senders(&private).map_err(|_| Violation::Descriptors)?;
        Ok(Self {
            process,
            caller,
            private,
        })
    }

    /// Whose quota it is; one who is unknown shares it with all that are.
    fn uid(&self) -> u32 {
        match &self.caller {
            Caller::Known(credentials) => credentials.uid(),
            Caller::Unknown => u32::MAX,
        }
    }

    fn answer(&self, message: &Message) -> Result<(), Errno> {
        socket::send(&self.private, &[&message.encode(0)], &[])
    }

    /// A petitioner that does not listen is not waited for.
    fn refuse(&self, code: Failure) {
        let _gone = self.answer(&Message::Refused {
            wanted: 0,
            code: code.number(),
        });
    }
}

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
                Petitioner::of(&mut received)?.refuse(code);
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
        let petitioner = Petitioner::of(&mut received)?;
        let core = &token.core;
        if let Err(refusal) = token.check(&petitioner.caller) {
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
        if token.core.is_revoked() || runtime.is_draining() {
            let draining = !token.core.is_revoked();
            petitioner.refuse(if draining {
                Failure::Draining
            } else {
                Failure::NoDoor
            });
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
            private,
        } = petitioner;
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
        if token.core.is_revoked() {
            petitioner.refuse(Failure::NoDoor);
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

    fn describe(&self, core: &Arc<Core>, petitioner: &Petitioner) {
        let references = core.references();
        let limits = &core.limits;
        let ages = core.ages_ns();
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

    /// The first call of an opener, on its own connection.
    fn first_call(
        &mut self,
        token: &Arc<Token>,
        generation: u64,
        descriptors: u32,
        payload: &[u8],
        mut received: Received,
    ) -> Result<(), Violation> {
        let core = &token.core;
        let refuse_beyond = |code: Failure, limit| {
            let _gone = send_failure(token, generation, code, limit);
        };
        let refuse = |code| refuse_beyond(code, 0);
        let Origin::Path { .. } = token.origin else {
            return Err(Violation::Turn);
        };
        if received.fds_lost {
            // Our table is full: there is no room for a pidfd either, and a refusal needs less certainty than a call.
            let opener = peer_cred(&token.socket).map_err(|_| Violation::Sender)?;
            if opener.pid != 0 && opener.pid == received.pid {
                refuse(Failure::DescriptorsLost);
            }
            return Err(Violation::Descriptors);
        }
        // Only the process that the kernel names as the connection's own: others may hold a copy of it. They get no
        // answer, for the opener would read it as one to its own call.
        let Ok(opener) = peer_pidfd(&token.socket) else {
            // Our table is full: nobody can be named at the moment, and nothing runs unnamed.
            refuse(Failure::NoRoom);
            return Ok(());
        };
        if !sent_by(&mut received, &opener) {
            return Err(Violation::Sender);
        }
        token.speaks();
        if lock(&token.call)
            .as_ref()
            .is_some_and(|call| !call.is_done())
        {
            refuse(Failure::Violation);
            return Err(Violation::Turn);
        }
        let count = usize_of(descriptors);
        if received.fds_lost || received.fds.len() != count || count > DESCRIPTORS {
            refuse(Failure::DescriptorsLost);
            return Ok(());
        }
        let caller = Caller::of_socket(&token.socket).map_err(|_| Violation::Sender)?;
        if let Err(refusal) = token.check(&caller) {
            refused(core, &refusal);
            refuse(Failure::NotAllowed);
            return Ok(());
        }
        let bytes = u64::try_from(payload.len()).unwrap_or(u64::MAX);
        if let Some(code) = core.refuses(bytes, descriptors) {
            refuse_beyond(code, core.limit(code, bytes));
            return Ok(());
        }
        let data = payload.to_vec();
        let fds = std::mem::take(&mut received.fds);
        let call = PacketCall::new(token, Arc::new(caller), generation, data, fds);
        *lock(&token.call) = Some(call.progress());
        self.told_later(token, &call.progress());
        core.pool.dispatch(Job::Packet(Box::new(call)));
        if core.is_revoked() {
            core.pool.turn_away(core);
        }
        Ok(())
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

/// The opener does not want to wait for its first call any longer. One that had not begun never will, and the opener
/// hears so at once: the pool may be without a thread for long.
fn give_up(token: &Token, generation: u64, received: &mut Received) -> Result<(), Violation> {
    let opener = peer_pidfd(&token.socket).map_err(|_| Violation::Sender)?;
    if !sent_by(received, &opener) {
        return Err(Violation::Sender);
    }
    let call = lock(&token.call).clone();
    let queued = call.is_some_and(|call| call.generation == generation && call.give_up());
    if queued {
        let _gone = send_failure(token, generation, Failure::Abandoned, 0);
    }
    Ok(())
}

/// Every refusal leaves a trace.
fn refused(core: &Core, why: &crate::access::Refusal) {
    core.meter.refuse();
    event::caller_refused(core.id, why);
}
