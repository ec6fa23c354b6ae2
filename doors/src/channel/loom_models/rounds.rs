//! A thread that goes on sleeping and waking, against the watch that looks whether a sleep lasts, and against whoever
//! wants threads for calls.
//!
//! The watch has a list under a lock. What is asserted of it when both stand still: the channel is in the list once at most, and
//! is there exactly if it is marked; a thread that sleeps is in the list, or was called out of that very sleep; no sleep was
//! ended that had just begun. Of whoever wants a thread: it calls one away, or the thread sees that it is wanted; and
//! a thread that was called away hears of that. Complete,
//! but for the model with three threads: three preemptions, of which one shows its faults.
//!
//! Seen to fail:
//! * when the watch looks at the count before it takes the mark away, or never again after it;
//! * when the thread looks at the mark before it counts its sleep;
//! * without the fence of the watch, or of the thread, or with one that is only acquire and release;
//! * when the mark is loaded and stored where it is swapped;
//! * when the watch keeps a channel without swapping the mark in again;
//! * when the sleep that is to end is not marked as evicted;
//! * when the time is stored after the count, or either of the count's release and acquire is relaxed;
//! * without the fence of whoever wants a thread;
//! * when whoever calls away loads the count where it adds nothing, or believes the first look;
//! * when the end of a sleep is counted without acquire, or whoever calls away adds nothing without release;
//! * when the number of a sleep may follow that of a later one.

use loom::sync::Arc;
use loom::sync::Mutex;
use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use loom::thread;

use super::explore;
use crate::channel::rounds::{Look, Rounds, is_asleep};
use crate::primitive::{Ordering, Word, fence};
use crate::sys::barrier;

/// When a sleep began.
const LONG_AGO: u64 = 1;
const JUST_NOW: u64 = 2;

/// A channel, the list of those that are watched, and a pool.
struct Scene {
    rounds: Rounds<AtomicU64, AtomicBool>,
    /// How often the channel is in the list.
    listed: Mutex<u32>,
    /// Calls that wait for a thread.
    queued: AtomicU32,
}

impl Scene {
    /// As the last look has left it, which found this number; a sleep began long ago.
    fn new(round: u64) -> Self {
        let [round, since, evicted] = [round, LONG_AGO, 0].map(AtomicU64::new);
        Self {
            rounds: Rounds::new(round, since, evicted, AtomicBool::new(true)),
            listed: Mutex::new(1),
            queued: AtomicU32::new(0),
        }
    }

    /// A sleep without a timeout begins.
    fn fall_asleep(&self, since: u64) {
        let _round = self.rounds.begin(since);
        barrier::full();
        if self.rounds.is_to_be_watched() {
            let mut listed = self.listed.lock().unwrap();
            *listed = listed.wrapping_add(1);
        }
    }

    fn wake_up(&self, round: u64) {
        let _called = self.rounds.end(round);
    }

    /// A look at all that are in the list.
    fn look(&self, last: &mut Option<u64>) -> Option<u64> {
        let mut listed = self.listed.lock().unwrap();
        if *listed == 0 {
            return None;
        }
        let found = self.rounds.look(last, |since| since == LONG_AGO);
        if found != Look::Changes {
            *listed = listed.wrapping_sub(1);
        }
        match found {
            Look::Lasts(round) => Some(round),
            Look::Changes | Look::IsLeft => None,
        }
    }

    /// Calls the thread away if it sleeps; out of which sleep.
    fn call_away(&self) -> Option<u64> {
        while let Some((_, round)) = self.rounds.idle() {
            if self.rounds.evict(round) {
                return Some(round);
            }
        }
        None
    }

    /// A call comes for which there is no thread.
    fn want(&self) -> Option<u64> {
        Word::store(&self.queued, 1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        self.call_away()
    }
}

/// The thread does this while the watch looks twice, and both stand still. The time at which its last sleep began.
fn assert_watched(round: u64, deeds: fn(&Scene) -> u64) {
    explore(None, move || {
        let scene = Arc::new(Scene::new(round));
        let thread = {
            let scene = Arc::clone(&scene);
            thread::spawn(move || deeds(&scene))
        };
        let mut last = Some(round);
        let ended = [scene.look(&mut last), scene.look(&mut last)];
        let since = thread.join().unwrap();
        let now = scene.rounds.round();
        let listed = *scene.listed.lock().unwrap();
        // The mark is looked at last, since that changes it.
        let marked = !scene.rounds.is_to_be_watched();
        assert_eq!(listed, u32::from(marked), "the mark says what the list is");
        let is_ended = ended.contains(&Some(now));
        if is_asleep(now) && !marked {
            assert!(is_ended, "a sleep that nobody ends");
            assert!(scene.rounds.is_evicted(now));
        }
        assert!(!is_ended || since == LONG_AGO, "a sleep ended too early");
    });
}

#[test]
fn a_sleep_that_begins_behind_the_look_is_watched() {
    assert_watched(2, |scene| {
        scene.fall_asleep(LONG_AGO);
        LONG_AGO
    });
}

#[test]
fn a_sleep_that_ends_meanwhile_is_not_taken_for_the_next() {
    assert_watched(1, |scene| {
        scene.wake_up(1);
        scene.fall_asleep(JUST_NOW);
        JUST_NOW
    });
}

#[test]
fn a_sleep_that_follows_one_that_lasted_is_watched() {
    assert_watched(1, |scene| {
        scene.wake_up(1);
        scene.fall_asleep(LONG_AGO);
        LONG_AGO
    });
}

#[test]
fn a_thread_that_comes_and_goes_leaves_the_channel_in_the_list_once_or_not_at_all() {
    assert_watched(2, |scene| {
        scene.fall_asleep(LONG_AGO);
        scene.wake_up(3);
        scene.fall_asleep(LONG_AGO);
        LONG_AGO
    });
}

#[test]
fn a_thread_that_falls_asleep_is_called_away_or_sees_that_it_is_wanted() {
    explore(None, || {
        let scene = Arc::new(Scene::new(2));
        let thread = {
            let scene = Arc::clone(&scene);
            thread::spawn(move || {
                let _round = scene.rounds.begin(JUST_NOW);
                barrier::full();
                Word::load(&scene.queued, Ordering::Relaxed) != 0
            })
        };
        let called = scene.want();
        let sees = thread.join().unwrap();
        assert!(sees || called == Some(3));
    });
}

#[test]
fn a_thread_that_is_called_away_hears_of_it() {
    explore(None, || {
        let scene = Arc::new(Scene::new(1));
        let thread = {
            let scene = Arc::clone(&scene);
            thread::spawn(move || scene.rounds.end(1))
        };
        let called = scene.call_away();
        let hears = thread.join().unwrap();
        assert!(hears || called.is_none());
    });
}

/// The watch ends a sleep that lasts while the pool calls the thread out of the next one.
#[test]
fn a_thread_that_two_call_away_hears_of_both() {
    explore(Some(3), || {
        let scene = Arc::new(Scene::new(1));
        let watch = {
            let scene = Arc::clone(&scene);
            thread::spawn(move || scene.look(&mut None))
        };
        let thread = {
            let scene = Arc::clone(&scene);
            thread::spawn(move || {
                let first = scene.rounds.end(1);
                let _round = scene.rounds.begin(JUST_NOW);
                (first, scene.rounds.end(3))
            })
        };
        let called = scene.call_away();
        let (first, second) = thread.join().unwrap();
        let ended = watch.join().unwrap();
        assert!(first || called != Some(1) && ended != Some(1));
        assert!(second || called != Some(3));
    });
}
