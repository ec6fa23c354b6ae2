//! Which processors a server thread runs on.
//!
//! A wake-up on the caller's own processor costs a tenth of one across processors. So a thread whose caller pauses
//! between calls may *follow*: it allows itself the caller's processor only, while it sleeps. Code of the user never
//! sees that, unless its door is declared leaf: threads and children inherit the mask of their maker
//! (`sched_setaffinity(2)`).

use crate::sys::affinity::{self, Cpus};
use crate::sys::cpu;

/// So many moves use the mask that was read last: reading it is a system call, changing it from outside is rare.
const READ_EVERY: u32 = 64;
/// A change of the processor counts so much, a wait without one takes one off.
const RESTLESS: u32 = 8;
/// Above this the caller's number is not believed: one that changes at each call would move the thread at each call.
const TOO_RESTLESS: u32 = 64;

/// The footing of one thread.
#[derive(Debug)]
pub(crate) struct Footing {
    /// The thread is the library's own: nobody else has an opinion where it runs.
    ours: bool,
    /// What was read of the thread when it followed nobody.
    ground: Option<Ground>,
    reads: u32,
    /// The thread runs on one processor by its own wish.
    narrow: bool,
    /// The processor that it followed to last.
    followed: u32,
    restless: u32,
}

/// Where a thread may run when it follows nobody.
#[derive(Debug)]
struct Ground {
    whole: Cpus,
    /// The mask of the processor that it followed to since that was read.
    only: Option<Cpus>,
    has_choice: bool,
}

impl Footing {
    /// Of the calling thread; one that the library did not make is never moved.
    pub(crate) fn new(ours: bool) -> Self {
        Self {
            ours,
            ground: None,
            reads: 0,
            narrow: false,
            followed: u32::MAX,
            restless: 0,
        }
    }

    /// Runs where the caller is, as far as that is allowed.
    #[inline]
    pub(crate) fn follow(&mut self, cpu: u32) {
        if self.followed == cpu {
            self.restless = self.restless.saturating_sub(1);
            if self.narrow || self.follow_again() {
                return;
            }
        }
        self.follow_now(cpu);
    }

    /// Runs where the caller was before, unless it is time to read the mask: what is done at each call of one that pauses touches
    /// as little as it can. False: it has not.
    #[inline]
    fn follow_again(&mut self) -> bool {
        if self.reads.is_multiple_of(READ_EVERY) {
            return false;
        }
        let only = self.ground.as_ref().and_then(|ground| ground.only.as_ref());
        self.narrow = only.is_some_and(|only| affinity::narrow_again(only).is_ok());
        if self.narrow {
            self.reads = self.reads.wrapping_add(1);
        }
        self.narrow
    }

    #[cold]
    fn follow_now(&mut self, cpu: u32) {
        if self.followed != cpu {
            if self.restless > TOO_RESTLESS {
                self.restless = self.restless.saturating_sub(1);
                return;
            }
            self.restless = self.restless.saturating_add(RESTLESS);
        }
        if !self.narrow {
            self.read();
        }
        let Some(ground) = &mut self.ground else {
            return;
        };
        let Some(only) = ground.holding(cpu) else {
            return;
        };
        if affinity::narrow(&only, &ground.whole).is_ok() {
            ground.only = Some(only);
            self.narrow = true;
            self.followed = cpu;
        }
    }

    /// Allows itself again what it did before it followed.
    #[inline]
    pub(crate) fn widen(&mut self) {
        if self.narrow {
            self.narrow = false;
            let whole = self.ground.as_ref().map(|ground| &ground.whole);
            if whole.is_none_or(|whole| affinity::widen(whole).is_err()) {
                Self::widen_to_any();
            }
        }
    }

    /// The cpuset has changed and has none of those any more: the kernel leaves what it allows now.
    #[cold]
    fn widen_to_any() {
        let _kept = affinity::allow(&affinity::all());
    }

    /// Goes to another processor than the caller's, and may then run on any. False: there is none.
    pub(crate) fn part(&mut self, cpu: u32) -> bool {
        self.widen();
        self.read();
        let Some(ground) = &self.ground else {
            return false;
        };
        let mut others = ground.whole;
        let unset = usize::try_from(cpu).map(|cpu| others.unset(cpu));
        if !ground.has_choice || !matches!(unset, Ok(Ok(()))) {
            return false;
        }
        let moved = affinity::narrow(&others, &ground.whole).is_ok();
        self.narrow = moved;
        self.widen();
        moved
    }

    /// Reads the mask of a thread that follows nobody, now and then.
    fn read(&mut self) {
        if self.reads.is_multiple_of(READ_EVERY) {
            self.ground = (self.ours && affinity::is_ordinary())
                .then(|| affinity::allowed().ok())
                .flatten()
                .map(|whole| Ground {
                    has_choice: !cpu::is_short() && affinity::count(&whole) > 1,
                    whole,
                    only: None,
                });
        }
        self.reads = self.reads.wrapping_add(1);
    }
}

impl Ground {
    /// The mask that holds only this processor, if the thread may run there: the caller says which one, and the kernel would
    /// take the thread to any that the cpuset has.
    fn holding(&self, cpu: u32) -> Option<Cpus> {
        let cpu = usize::try_from(cpu).ok()?;
        if !self.whole.is_set(cpu).unwrap_or(false) {
            return None;
        }
        let mut only = Cpus::new();
        only.set(cpu).ok()?;
        Some(only)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::{Footing, READ_EVERY};
    use crate::sys::affinity::{self, Cpus};

    /// The processors of this thread, by number.
    fn processors() -> Vec<u32> {
        let allowed = affinity::allowed().unwrap();
        let set = |cpu: &usize| allowed.is_set(*cpu).unwrap();
        let numbers = (0..Cpus::count()).filter(set);
        numbers.map(|cpu| u32::try_from(cpu).unwrap()).collect()
    }

    #[test]
    fn a_thread_that_follows_is_on_one_processor_until_it_is_widened() {
        let before = processors();
        let mut footing = Footing::new(true);
        for cpu in &before {
            footing.follow(*cpu);
            assert_eq!(processors(), [*cpu]);
        }
        footing.widen();
        assert_eq!(processors(), before);
    }

    #[test]
    fn one_that_follows_before_each_sleep_is_on_that_processor_each_time() {
        let before = processors();
        let mut footing = Footing::new(true);
        for cpu in &before {
            for _ in 0..2 * READ_EVERY {
                footing.follow(*cpu);
                assert_eq!(processors(), [*cpu]);
                footing.widen();
                assert_eq!(processors(), before);
            }
        }
    }

    #[test]
    fn a_processor_that_is_not_allowed_is_never_followed_to() {
        let before = processors();
        let mut footing = Footing::new(true);
        let highest = before.iter().max().unwrap();
        for cpu in [highest + 1, 1023, 1024, u32::MAX] {
            footing.follow(cpu);
            assert_eq!(processors(), before);
        }
    }

    #[test]
    fn a_processor_that_somebody_took_from_the_thread_is_never_followed_to() {
        let before = processors();
        let [one, other, ..] = before[..] else {
            let _said = writeln!(std::io::stderr(), "SKIPPED: there is one processor");
            return;
        };
        // Of a thread of its own: it stays narrow.
        let narrow = std::thread::spawn(move || {
            let mut only = Cpus::new();
            only.set(usize::try_from(one).unwrap()).unwrap();
            affinity::allow(&only).unwrap();
            let mut footing = Footing::new(true);
            for cpu in [other, one, other] {
                footing.follow(cpu);
                assert_eq!(processors(), [one]);
            }
            footing.widen();
            assert_eq!(processors(), [one]);
        });
        narrow.join().unwrap();
    }

    #[test]
    fn a_caller_whose_processor_changes_at_each_call_is_soon_not_followed_any_more() {
        let before = processors();
        let [one, other, ..] = before[..] else { return };
        let mut footing = Footing::new(true);
        let mut moves = 0;
        let mut last = before;
        for call in 0..10_000 {
            footing.follow(if call % 2 == 0 { one } else { other });
            let now = processors();
            moves += u32::from(now != last);
            last = now;
        }
        footing.widen();
        assert!(moves < 10_000 / 8 + 16, "{moves} moves");
    }

    #[test]
    fn a_thread_of_the_programs_own_is_never_moved() {
        let before = processors();
        let mut footing = Footing::new(false);
        footing.follow(before[0]);
        assert_eq!(processors(), before);
        assert!(!footing.part(before[0]));
        assert_eq!(processors(), before);
    }

    #[test]
    fn parting_leaves_the_callers_processor_and_keeps_the_mask() {
        let before = processors();
        let mut footing = Footing::new(true);
        footing.follow(before[0]);
        assert_eq!(footing.part(before[0]), before.len() > 1);
        assert_eq!(processors(), before);
    }
}
