//! What lies in the seat, and what the deputy does about it.

/// What is in the seat.
pub(super) struct Left<L> {
    /// There while the thread that led runs a call.
    leader: Option<L>,
    /// The bell is set for that call.
    rings: bool,
    watch: Watch,
    /// A call has begun since the deputy's last look.
    called: bool,
}

/// Who sees to it that the deputy hears of what happens during a call.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Watch {
    /// Whoever runs the call sets the bell.
    #[default]
    Bell,
    /// The same, and between two calls it is left to ring, to have the deputy look by itself.
    Nudge,
    /// The deputy looks by itself, and sets the bell for a call that it finds.
    Looks,
}

/// What the deputy does.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Task<L> {
    Lead(L),
    /// Sets the bell for the call in the seat, and waits for it until the next look.
    Set,
    /// Waits until the next look.
    Look,
    /// Waits for the bell.
    Sleep,
}

/// What whoever has run a call does about the bell.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Bell {
    Leave,
    Silence,
}

impl<L> Default for Left<L> {
    fn default() -> Self {
        Self {
            leader: None,
            rings: false,
            watch: Watch::Bell,
            called: false,
        }
    }
}

impl<L> Left<L> {
    /// A call begins. Whether the bell has to be set for it now.
    pub(super) fn put(&mut self, leader: L) -> bool {
        self.leader = Some(leader);
        self.called = true;
        self.rings = self.watch != Watch::Looks;
        self.rings
    }

    /// It is over: the state, unless somebody else leads. `quick` if such calls come one upon the other.
    pub(super) fn take_back(&mut self, quick: bool) -> Option<(L, Bell)> {
        let leader = self.leader.take()?;
        let mut rings = std::mem::take(&mut self.rings);
        if !quick {
            rings |= self.watch == Watch::Nudge;
            self.watch = Watch::Bell;
        } else if self.watch != Watch::Looks {
            rings = false;
            self.watch = Watch::Nudge;
        }
        let bell = if rings { Bell::Silence } else { Bell::Leave };
        Some((leader, bell))
    }

    /// The deputy is awake, since the bell has rung or it is time for a look.
    pub(super) fn look(&mut self, rung: bool) -> Task<L> {
        if rung && self.watch == Watch::Nudge {
            // For which of both it has rung is seen when it is set for the call: once more, and at once.
            self.watch = Watch::Looks;
            self.called = true;
            self.rings = false;
        } else if rung && let Some(leader) = self.lead() {
            return Task::Lead(leader);
        }
        if self.watch != Watch::Looks {
            return Task::Sleep;
        }
        let called = std::mem::take(&mut self.called);
        if self.leader.is_some() && !self.rings {
            self.rings = true;
            return Task::Set;
        }
        if called && self.leader.is_none() {
            return Task::Look;
        }
        // It is the call of the last look, for which the bell is set, or nobody has called since then.
        self.watch = Watch::Bell;
        Task::Sleep
    }

    /// The state, for the deputy.
    pub(super) fn lead(&mut self) -> Option<L> {
        let leader = self.leader.take()?;
        *self = Self::default();
        Some(leader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Quick calls until the deputy looks by itself.
    fn looking() -> Left<u8> {
        let mut left = Left::default();
        assert!(left.put(0));
        assert_eq!(left.take_back(true), Some((0, Bell::Leave)));
        assert_eq!(left.look(true), Task::Look);
        left
    }

    #[test]
    fn the_bell_is_set_for_each_call_and_calls_the_deputy() {
        let mut left = Left::default();
        assert!(left.put(1));
        assert_eq!(left.take_back(false), Some((1, Bell::Silence)));
        assert!(left.put(2));
        assert_eq!(left.look(true), Task::Lead(2));
        assert_eq!(left.take_back(true), None);
        assert!(left.put(3));
    }

    #[test]
    fn a_bell_that_nobody_waited_for_any_more_is_none() {
        let mut left = Left::default();
        assert!(left.put(1));
        assert_eq!(left.take_back(false), Some((1, Bell::Silence)));
        assert_eq!(left.look(true), Task::Sleep);
        assert!(left.put(2));
        assert_eq!(left.look(false), Task::Sleep);
        assert_eq!(left.look(true), Task::Lead(2));
    }

    #[test]
    fn quick_calls_need_no_bell_once_the_deputy_looks_by_itself() {
        let mut left = looking();
        for call in 1..9 {
            assert!(!left.put(call));
            assert_eq!(left.take_back(true), Some((call, Bell::Leave)));
        }
        assert_eq!(left.look(false), Task::Look);
    }

    #[test]
    fn the_bell_is_set_for_a_call_that_is_there_at_the_first_look() {
        let mut left = looking();
        assert!(!left.put(1));
        assert_eq!(left.look(false), Task::Set);
        assert_eq!(left.look(true), Task::Lead(1));
        assert!(left.put(2));
    }

    #[test]
    fn one_that_is_over_after_that_has_it_silenced() {
        let mut left = looking();
        assert!(!left.put(1));
        assert_eq!(left.look(false), Task::Set);
        assert_eq!(left.take_back(true), Some((1, Bell::Silence)));
        assert!(!left.put(2));
        // Not the call for which it was set.
        assert_eq!(left.look(false), Task::Set);
    }

    #[test]
    fn nobody_looks_while_a_call_stays_or_where_none_come_any_more() {
        let mut left = looking();
        assert!(!left.put(1));
        assert_eq!(left.look(false), Task::Set);
        assert_eq!(left.look(false), Task::Sleep);
        assert_eq!(left.look(true), Task::Lead(1));

        let mut left = looking();
        assert!(!left.put(1));
        assert_eq!(left.take_back(true), Some((1, Bell::Leave)));
        assert_eq!(left.look(false), Task::Look);
        assert_eq!(left.look(false), Task::Sleep);
        assert!(left.put(2));
    }

    #[test]
    fn after_a_call_that_was_not_quick_the_bell_is_set_again() {
        let mut left = looking();
        assert!(!left.put(1));
        assert_eq!(left.take_back(false), Some((1, Bell::Leave)));
        assert!(left.put(2));
        assert_eq!(left.look(false), Task::Sleep);
        assert_eq!(left.look(true), Task::Lead(2));
    }

    #[test]
    fn a_bell_that_was_left_to_ring_is_set_anew_for_the_call_that_it_finds() {
        let mut left = Left::default();
        assert!(left.put(1));
        assert_eq!(left.take_back(true), Some((1, Bell::Leave)));
        assert!(left.put(2));
        assert_eq!(left.look(true), Task::Set);
        assert_eq!(left.look(true), Task::Lead(2));
    }

    #[test]
    fn one_that_is_not_quick_silences_a_bell_that_was_left_to_ring() {
        let mut left = Left::default();
        assert!(left.put(1));
        assert_eq!(left.take_back(true), Some((1, Bell::Leave)));
        assert!(left.put(2));
        assert_eq!(left.take_back(false), Some((2, Bell::Silence)));
        assert_eq!(left.look(true), Task::Sleep);
    }
}
