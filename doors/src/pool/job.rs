//! What a thread is given to do.

use crate::server::core::Core;
use crate::server::duty::{Duty, Progress};
use crate::server::packet::PacketCall;
use crate::sys::dense::Dense;

/// What a thread is given to do.
pub(crate) enum Job {
    /// A call is there on a quiet channel: staff it.
    Channel(Box<Duty>),
    /// A first call that came as a packet.
    Packet(Box<PacketCall>),
}

impl Job {
    /// Whether it is a call on this door that cannot begin any more. Of one that has run, the rest of the results may be
    /// wanted; one that was taken, and whose arguments have not all come, still runs in a door that only drains.
    pub(super) fn begins_on(&self, core: &Dense<Core>) -> bool {
        match self {
            Self::Packet(call) => call.core().is(core),
            Self::Channel(duty) => {
                let can_begin = match duty.progress {
                    Progress::Idle => true,
                    Progress::Collecting(_) => core.is_revoked(),
                    Progress::Sending(_) => false,
                };
                can_begin && duty.calls().is_some_and(|found| found.core.is(core))
            }
        }
    }

    /// Whether it is a first call that was given up before it began.
    pub(crate) fn is_given_up(&self) -> bool {
        match self {
            Self::Packet(call) => call.is_given_up(),
            Self::Channel(_) => false,
        }
    }

    /// Whether it belongs to a session that is over.
    pub(crate) fn is_dead(&self) -> bool {
        match self {
            Self::Packet(_) => false,
            Self::Channel(duty) => duty.channel.session.is_dead(),
        }
    }

    /// Answers a call that no thread will ever take, or none while its server drains.
    pub(super) fn turn_away(self) {
        match self {
            // Its drop tells the caller.
            Self::Packet(call) => drop(call),
            Self::Channel(duty) => duty.turn_away(),
        }
    }
}
