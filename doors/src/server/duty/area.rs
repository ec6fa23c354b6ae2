//! The area of a channel: which one is in use, what lies in it, and when it is given back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Duty, QUIET_AFTER};
use crate::channel::ends::CallHead;
use crate::channel::pair::Pair;
use crate::channel::parts::Cursor;
use crate::wire::layout::usize_of;

/// One that has had large data gives its memory back with the thread, and both later: what is there saves a page fault for
/// every 4 KiB.
const COOL_AFTER: Duration = Duration::from_secs(1);

impl Duty {
    /// The size of the area in use.
    pub(crate) fn area_bytes(&self) -> usize {
        self.area.shape.area_bytes()
    }

    /// Where the area in use lies, in both windows of its pair.
    #[inline]
    pub(crate) fn area_at(&self) -> usize {
        let own = self.channel.end.0.pair();
        let place = if self.area.number == own.number {
            self.channel.end.0.place()
        } else {
            0
        };
        self.area.shape.area_at(place)
    }

    /// Copies the part that a turn brings, once; false if there is no memory for it.
    #[inline]
    pub(crate) fn load(&self, head: &CallHead, into: &mut Vec<u8>) -> bool {
        let at = self.area_at().saturating_add(usize_of(head.part_at));
        self.area.theirs.load(at, usize_of(head.part), into)
    }

    /// Whether the part that a turn names lies inside the area in use.
    #[inline]
    pub(crate) fn holds(&self, head: &CallHead) -> bool {
        let end = usize_of(head.part_at).saturating_add(usize_of(head.part));
        end <= self.area_bytes()
    }

    /// Chooses the pair that a turn names; false if the channel has no such area.
    #[inline]
    pub(crate) fn choose_area(&mut self, head: &CallHead) -> bool {
        if head.pair == self.area.number {
            return true;
        }
        match self.channel.session.area_of(head.pair, self.channel.index) {
            Some(pair) => {
                self.area = pair;
                self.cursor = Cursor::default();
                true
            }
            None => false,
        }
    }

    /// How long the thread waits on the channel for a turn.
    #[inline]
    pub(in crate::server) fn rests_after(&self) -> Duration {
        if self.has_large_area() {
            COOL_AFTER
        } else {
            QUIET_AFTER
        }
    }

    #[inline]
    pub(super) fn has_large_area(&self) -> bool {
        self.area.number != self.channel.end.0.pair().number
    }

    /// From when on the area may be asked back: now, or when it has rested where a thread goes for another reason. True: no
    /// turn came for long.
    pub(super) fn begin_rest(&mut self) -> bool {
        let rested = std::mem::take(&mut self.has_rested);
        if self.has_large_area() {
            let now = Instant::now();
            let later = now.checked_add(COOL_AFTER);
            self.spare_from = if rested { Some(now) } else { later };
        }
        rested
    }

    /// The area of a channel that has been quiet for a while and may be given back, if there is one. The client decides: until
    /// it says so, its next turn may name it.
    pub(in crate::server) fn spare_area(&mut self) -> Option<Arc<Pair>> {
        let is_spare = self.has_large_area() && self.spare_from? <= Instant::now();
        if !is_spare || !self.channel.session.may_give_back(&self.area) {
            return None;
        }
        let own = Arc::clone(self.channel.end.0.pair());
        self.cursor = Cursor::default();
        Some(std::mem::replace(&mut self.area, own))
    }

    /// The area that was to be given back is in use as before, unless another is by now.
    pub(in crate::server) fn keep_area(&mut self, area: Arc<Pair>) {
        if !self.has_large_area() {
            self.area = area;
        }
    }
}
