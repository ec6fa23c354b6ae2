//! Whether a server thread looks for the next call from another processor, or follows its caller.
//!
//! | gear | when | how the thread waits |
//! |---|---|---|
//! | spin | calls come back to back, the caller runs elsewhere | looks, as long as a wake-up across processors takes |
//! | hand-off | the caller pauses, or there is one processor | sleeps where the caller runs, so that the wake is local |
//!
//! Two looks in a row that find nothing are evidence for a caller that pauses: the thread follows it. A run of quick
//! calls while both share a processor is evidence for one that does not: the thread parts from it. A parting that did not
//! pay (the thread follows again soon) makes the run that is asked for next time twice as long, so that a wrong
//! guess ends by itself and is not made often. A thread that follows is held where its caller runs as long as the kernel
//! would not leave it there (`leash.rs`).

use super::leash::Leash;
use super::wait::Spent;
use crate::waiting::Waiting;

/// Looks in a row that found nothing, before the thread follows.
const BLOWN: u32 = 2;
/// Quick calls in a row on one processor, before the thread parts from its caller.
const RUN: u32 = 16;
/// The longest run that is asked for.
const LONGEST_RUN: u32 = 4096;
/// Calls found by looking after which a parting has paid.
const PAID: u32 = 512;

/// What the thread is to do after a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shift {
    /// Nothing: it stays in its gear.
    None,
    /// Follow the caller from now on.
    Follow,
    /// Go to another processor than the caller's.
    Part,
}

/// The gear of one channel.
#[derive(Debug)]
pub(crate) struct Gear {
    waiting: Waiting,
    follows: bool,
    blown: u32,
    quick: u32,
    /// Quick calls that it takes to part.
    run: u32,
    /// Calls found by looking since the last parting.
    found: u32,
    leash: Leash,
}

impl Gear {
    /// Nothing is known yet.
    pub(crate) fn new(waiting: Waiting) -> Self {
        Self {
            waiting,
            follows: waiting == Waiting::Handoff,
            blown: 0,
            quick: 0,
            run: RUN,
            found: 0,
            leash: Leash::new(),
        }
    }

    /// Whether the thread sleeps where its caller runs.
    #[inline]
    pub(crate) fn follows(&self) -> bool {
        self.follows
    }

    /// Whether the thread has to be held there. It needs not be if the caller rests between its calls and the kernel
    /// leaves the thread there by itself.
    #[inline]
    pub(crate) fn holds(&self, rests: bool) -> bool {
        self.follows && (!rests || self.waiting != Waiting::Auto || self.leash.holds())
    }

    /// Learns how a wait ended.
    #[inline]
    pub(crate) fn learn(&mut self, spent: Spent) -> Shift {
        match spent {
            Spent::Seen if !self.follows => {
                self.blown = 0;
                self.found = self.found.saturating_add(1);
                Shift::None
            }
            Spent::Nothing => Shift::None,
            spent => self.think(spent),
        }
    }

    #[cold]
    fn think(&mut self, spent: Spent) -> Shift {
        match spent {
            Spent::Seen => self.count(true),
            Spent::Yielded { soon } => self.count(soon),
            Spent::Nothing => Shift::None,
            Spent::Blown => {
                self.quick = 0;
                self.blown = self.blown.saturating_add(1);
                if self.follows || self.blown < BLOWN || self.waiting != Waiting::Auto {
                    return Shift::None;
                }
                self.blown = 0;
                self.run = if self.found >= PAID {
                    RUN
                } else {
                    self.run.saturating_mul(2).min(LONGEST_RUN)
                };
                self.follows = true;
                self.leash.bring();
                Shift::Follow
            }
        }
    }

    /// A caller on one processor has ended a sleep on another, or on the same, for which the thread was held or not.
    #[inline]
    pub(crate) fn woken(&mut self, held: bool, from: u32, to: u32) {
        if self.follows {
            self.leash.learn(held, from, to);
        }
    }

    /// Learns how a sleep ended that had the caller on the thread's own processor.
    #[inline]
    pub(crate) fn napped(&mut self, soon: bool) -> Shift {
        self.count(soon)
    }

    /// A call came on the thread's own processor, or while it follows: soon or not.
    #[inline]
    fn count(&mut self, soon: bool) -> Shift {
        if !soon {
            self.quick = 0;
            return Shift::None;
        }
        self.blown = 0;
        self.quick = self.quick.saturating_add(1);
        if self.quick < self.run || !self.looks() {
            return Shift::None;
        }
        self.quick = 0;
        self.found = 0;
        self.follows = false;
        Shift::Part
    }

    /// There was nowhere to go: looking for it is not worth much either.
    #[cold]
    pub(crate) fn stay(&mut self) {
        self.run = LONGEST_RUN;
    }

    /// Whether looking is worth something in this way of waiting.
    pub(crate) fn looks(&self) -> bool {
        matches!(self.waiting, Waiting::Auto | Waiting::Spin)
    }
}

#[cfg(test)]
mod tests {
    use super::{Gear, LONGEST_RUN, RUN, Shift};
    use crate::channel::wait::Spent;
    use crate::waiting::Waiting;

    const SOON: Spent = Spent::Yielded { soon: true };

    fn parts_after(gear: &mut Gear) -> u32 {
        (1..=LONGEST_RUN)
            .find(|_| gear.learn(SOON) == Shift::Part)
            .expect("never parts")
    }

    fn follow(gear: &mut Gear) {
        assert_eq!(gear.learn(Spent::Blown), Shift::None);
        assert_eq!(gear.learn(Spent::Blown), Shift::Follow);
    }

    #[test]
    fn a_caller_that_pauses_is_followed_and_one_that_does_not_is_parted_from() {
        let mut gear = Gear::new(Waiting::Auto);
        assert!(!gear.follows());
        follow(&mut gear);
        assert!(gear.follows());
        parts_after(&mut gear);
        assert!(!gear.follows());
    }

    #[test]
    fn one_late_call_is_no_evidence() {
        let mut gear = Gear::new(Waiting::Auto);
        for _ in 0..10 {
            assert_eq!(gear.learn(Spent::Blown), Shift::None);
            assert_eq!(gear.learn(Spent::Seen), Shift::None);
        }
    }

    #[test]
    fn a_pause_begins_the_run_of_quick_calls_anew() {
        let mut gear = Gear::new(Waiting::Auto);
        for _ in 0..1000 {
            assert_eq!(gear.learn(SOON), Shift::None);
            assert_eq!(gear.learn(Spent::Nothing), Shift::None);
            assert_eq!(gear.napped(false), Shift::None);
        }
    }

    #[test]
    fn a_parting_that_does_not_pay_is_made_more_and_more_seldom() {
        let mut gear = Gear::new(Waiting::Auto);
        let mut run = parts_after(&mut gear);
        assert_eq!(run, RUN);
        while run < LONGEST_RUN {
            follow(&mut gear);
            let next = parts_after(&mut gear);
            assert_eq!(next, run * 2);
            run = next;
        }
        follow(&mut gear);
        assert_eq!(parts_after(&mut gear), LONGEST_RUN);
        for _ in 0..1000 {
            let _stay = gear.learn(Spent::Seen);
        }
        follow(&mut gear);
        assert_eq!(parts_after(&mut gear), RUN);
    }

    #[test]
    fn a_chosen_gear_is_kept() {
        for waiting in [Waiting::Handoff, Waiting::Block] {
            let mut gear = Gear::new(waiting);
            let follows = gear.follows();
            for spent in [Spent::Blown, SOON, Spent::Nothing, Spent::Seen] {
                for _ in 0..10_000 {
                    assert_eq!(gear.learn(spent), Shift::None);
                }
            }
            assert_eq!(gear.follows(), follows);
        }
    }

    #[test]
    fn one_that_always_looks_parts_and_never_follows() {
        let mut gear = Gear::new(Waiting::Spin);
        assert_eq!(parts_after(&mut gear), RUN);
        for _ in 0..10_000 {
            assert_eq!(gear.learn(Spent::Blown), Shift::None);
        }
        assert!(!gear.follows());
    }

    #[test]
    fn where_there_is_nowhere_to_go_it_is_seldom_tried() {
        let mut gear = Gear::new(Waiting::Auto);
        parts_after(&mut gear);
        gear.stay();
        assert_eq!(parts_after(&mut gear), LONGEST_RUN);
    }
}
