//! The first call of an opener, as a packet on its own connection.

use std::sync::Arc;

use nix::errno::Errno;

use super::core::{Core, lock};
use super::leader::Leader;
use super::opener::Opener;
use super::packet::{Brought, PacketCall, send_failure};
use super::parked::Matter;
use super::petition::refused;
use super::seat::Here;
use super::token::{Origin, Token};
use crate::access::Refusal;
use crate::pool::{Job, Lent};
use crate::sys;
use crate::sys::peer::peer_pidfd;
use crate::sys::process::Process;
use crate::sys::socket::{Received, sent_by};
use crate::wire::code::Failure;
use crate::wire::layout::usize_of;
use crate::wire::limits::DESCRIPTORS;
use crate::wire::message::Violation;

impl Leader {
    /// The first call of an opener, on its own connection.
    pub(super) fn first_call(
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
        let Origin::Path { peer, .. } = &token.origin else {
            return Err(Violation::Turn);
        };
        if received.fds_lost {
            // Our table is full: there is no room for a pidfd either, and a refusal needs less certainty than a call.
            if peer.pid != 0 && peer.pid == received.pid {
                refuse(Failure::DescriptorsLost);
            }
            return Err(Violation::Descriptors);
        }
        // Only the process that the kernel names as the connection's own: others may hold a copy of it. They get no
        // answer, for the opener would read it as one to its own call.
        let is_pending = token.has_spoken() && {
            let call = lock(&token.call);
            call.as_ref().is_some_and(|call| !call.is_done())
        };
        let opener = match self.opener(token) {
            Ok(opener) => opener,
            Err(Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM) => {
                // Nobody can be named at the moment, and nothing runs unnamed. Of the opener's own call, that would hear
                // from a refusal to somebody else.
                if peer.pid != 0 && peer.pid == received.pid && !is_pending {
                    refuse(Failure::NoRoom);
                }
                return Ok(());
            }
            Err(_) => return Err(Violation::Sender),
        };
        if !sent_by(&mut received, &opener) {
            return Err(Violation::Sender);
        }
        token.speaks();
        if is_pending {
            refuse(Failure::Violation);
            return Err(Violation::Turn);
        }
        let count = usize_of(descriptors);
        if received.fds_lost || received.fds.len() != count || count > DESCRIPTORS {
            refuse(Failure::DescriptorsLost);
            return Ok(());
        }
        let who = Opener::new(opener);
        let judged = who.judge(token).map_err(|_| Violation::Sender)?;
        let bytes = u64::try_from(payload.len()).unwrap_or(u64::MAX);
        let turned_down = judged.and_then(|said| turned_down(core, said, bytes, descriptors));
        if let Some(failure) = turned_down {
            refuse_beyond(failure, core.limit(failure, bytes));
            return Ok(());
        }
        let lent = judged.and_then(|_| self.lent(core));
        // It runs next, on this thread or on the one whose place it has: there is no second one before that, and what runs is paid
        // for by nobody. Any other may wait for long, for a verdict or for a thread.
        let charge = if lent.is_none() {
            let charge = self.runtime.quotas.charge(Opener::payer(token), count);
            let charge = charge.and_then(|mut charge| charge.add(payload.len()).then_some(charge));
            if charge.is_none() {
                refuse(Failure::NoRoom);
                return Ok(());
            }
            charge
        } else {
            None
        };
        let brought = Brought {
            data: payload.to_vec(),
            fds: std::mem::take(&mut received.fds),
            _charge: charge,
        };
        let call = PacketCall::new(token, who, generation, self.now(), brought);
        let call = Box::new(call);
        *lock(&token.call) = Some(call.progress());
        self.untold.add(token, &call.progress());
        if let Some(lent) = lent {
            self.watch.saw(token, call.opener().process());
            self.here = Some(Here::new(lent, call));
        } else if judged.is_some() {
            dispatch(call);
        } else {
            self.park(token, Matter::Call(call));
        }
        Ok(())
    }

    /// The process that has connected.
    fn opener(&mut self, token: &Token) -> sys::Result<Arc<Process>> {
        match self.watch.knows(token, &mut self.brief.near) {
            Some(process) => Ok(process),
            None => peer_pidfd(&token.socket).map(Arc::new),
        }
    }

    /// The place of a thread in which a call can be served here and now, if somebody else can lead meanwhile.
    fn lent(&mut self, core: &Core) -> Option<Lent> {
        if self.here.is_none() && self.may_leave() {
            core.pool.lend()
        } else {
            None
        }
    }

    /// Goes on with a first call about which the predicates have been asked.
    pub(super) fn called(mut call: Box<PacketCall>, verdict: Result<(), Refusal>) {
        let (bytes, descriptors) = call.sizes();
        match turned_down(call.core(), verdict, bytes, descriptors) {
            Some(code) => {
                let limit = call.core().limit(code, bytes);
                call.refuse(code, limit);
            }
            None => dispatch(call),
        }
    }
}

/// Why a call does not run: the policy first, then the door itself.
fn turned_down(
    core: &Core,
    verdict: Result<(), Refusal>,
    bytes: u64,
    descriptors: u32,
) -> Option<Failure> {
    match verdict {
        Ok(()) => core.refuses(bytes, descriptors),
        Err(refusal) => {
            refused(core, &refusal);
            Some(Failure::NotAllowed)
        }
    }
}

fn dispatch(call: Box<PacketCall>) {
    let core = call.core().clone();
    core.pool.dispatch(Job::Packet(call));
    if core.closed().is_some() {
        core.pool.turn_away(&core);
    }
}

/// The opener does not want to wait for its first call any longer. One that had not begun never will, and the opener
/// hears so at once: the pool may be without a thread for long.
pub(super) fn give_up(
    token: &Token,
    generation: u64,
    received: &mut Received,
) -> Result<(), Violation> {
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
