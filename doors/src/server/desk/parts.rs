//! Arguments that come in parts.

use std::sync::Arc;

use super::{Desk, Step, WARM_BYTES};
use crate::channel::ends::CallHead;
use crate::pool::Pool;
use crate::primitive::{Ordering, fence};
use crate::server::duty::{Collecting, Duty, Progress};
use crate::server::session::Paid;
use crate::sys::huge;
use crate::wire::code::Failure;
use crate::wire::layout::usize_of;
use crate::wire::message::Violation;

impl Desk {
    /// Memory for arguments that come in parts, paid for before they come; of very large ones for a part, so that what
    /// a caller only announces costs no more than this. False if there is none.
    #[cold]
    pub(super) fn make_room(&mut self, duty: &Duty, total: u64) -> bool {
        let bytes = usize::try_from(total).unwrap_or(usize::MAX).min(WARM_BYTES);
        let session = &duty.channel.session;
        let paid = self.paid.get_or_insert_with(|| Paid::nothing(session));
        paid.cover(bytes) && huge::make_room_exactly(&mut self.data, bytes)
    }

    /// The next part of the arguments.
    #[cold]
    pub(super) fn arguments(
        &mut self,
        pool: &Arc<Pool>,
        mut duty: Box<Duty>,
        head: &CallHead,
    ) -> Step {
        if duty.was_forgotten() && head.generation == duty.generation {
            duty.fail(Failure::Abandoned);
            return Step::Stay(duty);
        }
        let Progress::Collecting(mut call) = std::mem::replace(&mut duty.progress, Progress::Idle)
        else {
            return self.violation(pool, duty, Violation::Turn);
        };
        let part = usize_of(head.part);
        let have = u64::try_from(call.data.len()).unwrap_or(u64::MAX);
        let whole = have.saturating_add(u64::from(head.part));
        let sound = head.generation == duty.generation
            && part > 0
            && whole <= call.total
            && duty.choose_area(head)
            && duty.holds(head);
        if !sound {
            return self.violation(pool, duty, Violation::Value);
        }
        let have = call.data.len().saturating_add(part);
        let room = call.paid.cover(huge::held(have));
        if !room || !duty.load(head, &mut call.data) {
            drop(call);
            duty.fail(Failure::NoRoom);
            return Step::Stay(duty);
        }
        if whole < call.total {
            duty.ask_more(*call);
            return Step::Stay(duty);
        }
        let Collecting {
            active,
            registration,
            data,
            paid,
            descriptors,
            ..
        } = *call;
        fence(Ordering::SeqCst);
        // Others may have taken the last parked threads since the first part came.
        self.tell_taken(pool);
        self.data = data;
        self.paid = Some(paid);
        // From here on the call is counted by hand, as one that came in a single part.
        active.core().begin();
        drop(active);
        self.run_apart(pool, duty, registration, descriptors)
    }
}
