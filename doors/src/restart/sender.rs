//! The old server's side of a hand-over.

use std::os::fd::AsFd;
use std::sync::Arc;

use super::wire::{Heard, Wire};
use super::{Drained, WITHIN};
use crate::error::{DoorCondition, DoorError, Violation};
use crate::primitive::Ordering;
use crate::server::core::Core;
use crate::server::runtime::Runtime;
use crate::server::standstill::Still;
use crate::server::token::Origin;
use crate::sys::dense::Dense;
use crate::wire::message::Message;

impl Drained {
    /// Sends all doors to the successor at the other end of `to`, a packet socket (`socketpair(2)` with
    /// `SOCK_SEQPACKET`), and stops serving them here when it has taken them ([`take_over`](super::take_over)); returns
    /// how many. Revoked doors stay here.
    ///
    /// From its beginning on nothing is accepted and no petition is answered here: who opens a name, asks for a
    /// descriptor or makes a first call waits for the successor. Calls through sessions are refused as before
    /// ([`CallCondition::Draining`](crate::CallCondition::Draining)). After it every session is over; clients go on with
    /// the successor at their next call, on the `Door`s that they have. [`Door::attach`](crate::Door::attach) and
    /// [`Door::descriptor`](crate::Door::descriptor) on a door that was handed over fail with
    /// [`DoorCondition::Draining`]; its attachments do nothing any more.
    ///
    /// # Blocking
    /// Until the successor has said that it has everything: at most 30 s for each packet that its socket has no room
    /// for, and 30 s for its answer. Clients that wait meanwhile give up after 5 s, so the successor should be there
    /// and ready before this is called, and serve at once.
    ///
    /// # Errors
    /// [`DoorCondition::NotADoor`] if `to` is no packet socket; [`DoorCondition::NoDoor`] if the successor closes its end;
    /// [`DoorCondition::NotResponding`], [`DoorCondition::Protocol`], [`DoorCondition::System`]; [`DoorCondition::Draining`] while
    /// another thread hands over. Nothing has changed then: this process takes calls again, in the sessions that there
    /// are, and whoever came meanwhile is served. The socket is of no further use.
    ///
    /// # Death
    /// *The successor dies before it has said that it has everything*, or before this process has answered that: an
    /// error, as above. It is noticed at once if nobody else, this process among them, has kept a copy of the
    /// successor's end. *After that*: its references die with it, as with any server; a further one starts with
    /// [`Door::attach`](crate::Door::attach). *This process dies* before all is sent: the successor's
    /// [`take_over`](super::take_over) fails, and the doors are gone as with any server; after that: the successor
    /// serves.
    pub fn hand_over(self, to: impl AsFd) -> Result<usize, DoorError> {
        let mut wire = Wire::new(to.as_fd())?;
        let still = Still::begin(&self.runtime, WITHIN)?;
        let mut doors: Vec<Dense<Core>> = self.runtime.doors().values().cloned().collect();
        doors.retain(|core| !core.is_revoked());
        let offered = offer(&mut wire, &doors, &still);
        if offered.is_err() {
            // Whoever else has a copy: a successor that waits for our word must not wait for long.
            wire.end();
        }
        offered?;
        // The successor has everything, and may serve: nothing here may undo that any more.
        let_go(&self.runtime, &doors, &still);
        Ok(doors.len())
    }
}

/// Sends everything and makes sure that the successor has it. Once this has succeeded it serves.
fn offer(wire: &mut Wire<'_>, doors: &[Dense<Core>], still: &Still) -> Result<(), DoorCondition> {
    for core in doors {
        send_door(wire, core, still)?;
    }
    let count = u32::try_from(doors.len()).unwrap_or(u32::MAX);
    wire.send(&Message::HandEnd { doors: count }, None)?;
    match wire.receive()? {
        Heard::Packet(Message::HandTaken { doors }, None) if doors == count => {}
        Heard::Packet(Message::HandTaken { .. }, _) => {
            return Err(DoorCondition::Protocol(Violation::Value));
        }
        Heard::Packet(..) => return Err(DoorCondition::Protocol(Violation::Turn)),
        Heard::End => return Err(DoorCondition::NoDoor),
    }
    // Somebody else may hold its end of the socket open: what gets in there could be for nobody.
    if wire.other_is_dead() {
        return Err(DoorCondition::NoDoor);
    }
    wire.send(&Message::HandDone {}, None)
}

fn send_door(wire: &Wire<'_>, core: &Dense<Core>, still: &Still) -> Result<(), DoorCondition> {
    let limits = &core.limits;
    let door = Message::HandDoor {
        door: core.id,
        attributes: core.attributes().bits(),
        desc_max: limits.desc_max.load(Ordering::Relaxed),
        data_min: limits.data_min.load(Ordering::Relaxed),
        data_max: limits.data_max.load(Ordering::Relaxed),
    };
    wire.send(&door, None)?;
    for attached in still.listeners.iter().filter(|a| a.core.is(core)) {
        let restricted = u32::from(attached.access.is_some());
        let message = Message::HandListener { restricted };
        wire.send(&message, Some(attached.listener.as_fd()))?;
    }
    for token in still.tokens.iter().filter(|t| t.core.is(core)) {
        let restricted = u32::from(token.access.is_some());
        let message = match token.origin {
            Origin::Handed { holder, .. } => Message::HandToken { holder, restricted },
            Origin::Path { .. } => Message::HandConnection { restricted },
            Origin::Own => continue,
        };
        wire.send(&message, Some(token.socket.as_fd()))?;
    }
    Ok(())
}

/// Ends doors here whose references live on in the successor.
///
/// In this order: whoever finds a door or a registration gone finds its door marked or its session over, and says that
/// the call was not executed and may be tried again.
fn let_go(runtime: &Arc<Runtime>, doors: &[Dense<Core>], still: &Still) {
    for core in doors {
        core.mark_handed_over();
    }
    let sessions: Vec<_> = runtime.sessions().values().cloned().collect();
    for session in sessions {
        session.close();
    }
    for core in doors {
        // Also takes the notice: the references do not end, they move.
        core.revoke();
        core.pool.turn_away(core);
        core.retire_pool();
    }
    for attached in still.listeners.iter().filter(|a| a.core.is_handed_over()) {
        attached.handed_over.store(true, Ordering::Release);
        runtime.unlisten(attached);
    }
    for token in runtime.tokens() {
        if token.core.is_handed_over() && runtime.unwatch(token.key, &token.socket).is_some() {
            token.hand_over();
        }
    }
}
