//! First calls, which come as packets.

use std::sync::Arc;

use super::Desk;
use crate::pool::Pool;
use crate::server::core::Core;
use crate::server::footing::Footing;
use crate::server::line::Line;
use crate::server::meter::Running;
use crate::server::packet::PacketCall;
use crate::sys::dense::Dense;
use crate::wire::code::Failure;

impl Desk {
    /// The desk of a thread that has the place of another, which is parked and says so here.
    pub(crate) fn lent(running: &Arc<Running>) -> Self {
        Self {
            defers: true,
            ..Self::new(Arc::clone(running), Footing::new(false))
        }
    }

    /// Serves a first call that came as a packet.
    pub(super) fn packet(&mut self, pool: &Arc<Pool>, call: Box<PacketCall>) {
        if let Some(core) = self.packet_to_the_end(pool, call)
            && self.line.take().is_some()
        {
            core.end();
        }
    }

    /// The same in the place of another thread: what is left to do when the procedure is over.
    pub(crate) fn serve_lent(&mut self, pool: &Arc<Pool>, call: Box<PacketCall>) -> Option<Unsent> {
        let core = self.packet_to_the_end(pool, call)?;
        let line = self.line.take()?;
        Some(Unsent {
            line,
            core,
            without: self.without,
        })
    }

    /// The door, if the procedure was run.
    fn packet_to_the_end(
        &mut self,
        pool: &Arc<Pool>,
        mut call: Box<PacketCall>,
    ) -> Option<Dense<Core>> {
        let depleted = self.unpark(pool);
        self.running.look_at_clock();
        let core = call.take()?;
        if depleted {
            pool.tell_depletion();
        }
        let (data, fds) = call.take_brought();
        self.data = data;
        self.line = Some(Line::Packet(call));
        self.invoke_apart(Some(pool), &core, fds);
        Some(core)
    }
}

/// An answer that is there and, if it is small, not published yet; to be dropped.
pub(crate) struct Unsent {
    line: Line,
    core: Dense<Core>,
    without: Failure,
}

impl Drop for Unsent {
    /// The call is over.
    fn drop(&mut self) {
        if self.line.is_small() {
            self.line.finish(self.without);
        }
        self.core.end();
    }
}
