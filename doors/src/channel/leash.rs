//! Whether a thread that follows its caller has to be held where that runs.
//!
//! Holding it is two system calls each time (`server/footing.rs`), and a thread that is held cannot be woken where its
//! caller is now if that has moved meanwhile. While the caller sleeps between its calls, some kernels leave the thread on
//! its waker's processor by themselves. So with such a caller a sleep is free now and then. As long as those end where the
//! caller runs they go on being free; one that does not is followed by a run of held ones, which is twice as long each
//! time until free sleeps have paid again. A caller that computes all the time keeps its processor busy, and the kernel
//! moves the thread to one that is not.

/// Sleeps that are held before one is free.
const HELD: u32 = 16;
/// The longest run of them.
const LONGEST_HELD: u32 = 4096;
/// Free sleeps in a row that have paid.
const PAID: u32 = 32;

/// What a thread has learned about holding itself.
#[derive(Debug)]
pub(super) struct Leash {
    /// Held sleeps still to come.
    held: u32,
    /// How many there will be when a free one does not end where the caller runs.
    next: u32,
    /// Free ones in a row that did.
    free: u32,
    /// The processor from which the last call came.
    from: u32,
}

impl Leash {
    /// The thread has not followed yet: it is somewhere else, and has to be brought.
    pub(super) fn new() -> Self {
        Self {
            held: HELD,
            next: HELD,
            free: 0,
            from: u32::MAX,
        }
    }

    /// The thread begins to follow, from somewhere else.
    pub(super) fn bring(&mut self) {
        self.held = self.next;
        self.free = 0;
    }

    /// Whether the sleep that begins is held.
    pub(super) fn holds(&self) -> bool {
        self.held > 0
    }

    /// A caller on one processor has ended a sleep on another, or on the same.
    #[inline]
    pub(super) fn learn(&mut self, held: bool, from: u32, to: u32) {
        let moved = std::mem::replace(&mut self.from, from) != from;
        if held {
            self.held = self.held.saturating_sub(1);
        } else if from == to {
            self.free = self.free.saturating_add(1);
            if self.free >= PAID {
                self.next = HELD;
            }
        } else if moved {
            // A held thread would not have been there either: it is brought, and no more.
            self.held = 1;
        } else {
            self.next = self.next.saturating_mul(2).min(LONGEST_HELD);
            self.bring();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{HELD, LONGEST_HELD, Leash, PAID};

    /// Held sleeps until one is free.
    fn held(leash: &mut Leash) -> u32 {
        (0..=LONGEST_HELD)
            .find(|_| {
                let free = !leash.holds();
                if !free {
                    leash.learn(true, 0, 0);
                }
                free
            })
            .expect("never free")
    }

    #[test]
    fn a_thread_that_the_kernel_leaves_there_is_not_held() {
        let mut leash = Leash::new();
        assert_eq!(held(&mut leash), HELD);
        for _ in 0..10_000 {
            leash.learn(false, 0, 0);
            assert!(!leash.holds());
        }
    }

    #[test]
    fn one_that_it_moves_is_free_more_and_more_seldom() {
        let mut leash = Leash::new();
        let mut run = held(&mut leash);
        while run < LONGEST_HELD {
            leash.learn(false, 0, 1);
            let next = held(&mut leash);
            assert_eq!(next, run * 2);
            run = next;
        }
        leash.learn(false, 0, 1);
        assert_eq!(held(&mut leash), LONGEST_HELD);
    }

    #[test]
    fn free_sleeps_that_have_paid_are_soon_tried_again() {
        let mut leash = Leash::new();
        for _ in 0..4 {
            held(&mut leash);
            leash.learn(false, 0, 1);
        }
        assert!(held(&mut leash) > 2 * HELD);
        for _ in 0..PAID {
            leash.learn(false, 0, 0);
        }
        leash.learn(false, 0, 1);
        assert_eq!(held(&mut leash), 2 * HELD);
    }

    #[test]
    fn a_caller_that_moves_says_nothing_about_the_kernel() {
        let mut leash = Leash::new();
        for _ in 0..HELD {
            leash.learn(true, 0, 1);
        }
        assert!(!leash.holds());
        for _ in 0..1_000 {
            // `held` has the calls come from processor 0.
            leash.learn(false, 1, 0);
            assert_eq!(held(&mut leash), 1);
        }
    }
}
