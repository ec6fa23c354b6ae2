//! A thread that goes on sleeping and waking, against the watch that looks whether a sleep lasts.
//!
//! Two threads: the one that sleeps, and the watch, which has a list under a lock. What is asserted when both stand still:
//! the channel is in the list once at most, and is there exactly if it is marked; a thread that sleeps is in the list, or
//! was called out of that very sleep. Complete.
//!
//! Seen to fail:
//! * when the watch looks at the count before it takes the mark away, or never again after it;
//! * when the thread loads the mark before it swaps it in;
//! * when either swap is relaxed;
//! * when the watch keeps a channel without swapping the mark in again;
//! * when the sleep that is to end is not marked as evicted.

use loom::sync::Arc;
use loom::sync::Mutex;
use loom::sync::atomic::{AtomicBool, AtomicU64};
use loom::thread;

use super::explore;
use crate::channel::rounds::{Look, Rounds, is_asleep};

/// A channel, and the list of those that are watched.
struct Scene {
    rounds: Rounds<AtomicU64, AtomicBool>,
    /// How often the channel is in the list.
    listed: Mutex<u32>,
}

impl Scene {
    /// As the last look has left it, which found this number.
    fn new(round: u64) -> Self {
        let (round, evicted) = (AtomicU64::new(round), AtomicU64::new(0));
        Self {
            rounds: Rounds::new(round, evicted, AtomicBool::new(true)),
            listed: Mutex::new(1),
        }
    }

    /// A sleep without a timeout begins.
    fn fall_asleep(&self) {
        let _round = self.rounds.turn_over();
        if self.rounds.is_to_be_watched() {
            let mut listed = self.listed.lock().unwrap();
            *listed = listed.wrapping_add(1);
        }
    }

    fn wake_up(&self) {
        let _round = self.rounds.turn_over();
    }

    /// A look at all that are in the list.
    fn look(&self, last: &mut Option<u64>) -> Option<u64> {
        let mut listed = self.listed.lock().unwrap();
        if *listed == 0 {
            return None;
        }
        let found = self.rounds.look(last);
        if found != Look::Changes {
            *listed = listed.wrapping_sub(1);
        }
        match found {
            Look::Lasts(round) => Some(round),
            Look::Changes | Look::IsLeft => None,
        }
    }
}

/// The thread does this while the watch looks twice, and both stand still.
fn assert_watched(round: u64, deeds: fn(&Scene)) {
    explore(None, move || {
        let scene = Arc::new(Scene::new(round));
        let thread = {
            let scene = Arc::clone(&scene);
            thread::spawn(move || deeds(&scene))
        };
        let mut last = Some(round);
        let ended = [scene.look(&mut last), scene.look(&mut last)];
        thread.join().unwrap();
        let now = scene.rounds.round();
        let listed = *scene.listed.lock().unwrap();
        // The mark is looked at last, since that changes it.
        let marked = !scene.rounds.is_to_be_watched();
        assert_eq!(listed, u32::from(marked), "the mark says what the list is");
        if is_asleep(now) && !marked {
            assert!(ended.contains(&Some(now)), "a sleep that nobody ends");
            assert!(scene.rounds.is_evicted(now));
        }
    });
}

#[test]
fn a_sleep_that_begins_behind_the_look_is_watched() {
    assert_watched(2, Scene::fall_asleep);
}

#[test]
fn a_sleep_that_ends_meanwhile_is_not_taken_for_the_next() {
    assert_watched(1, |scene| {
        scene.wake_up();
        scene.fall_asleep();
    });
}

#[test]
fn a_thread_that_comes_and_goes_leaves_the_channel_in_the_list_once_or_not_at_all() {
    assert_watched(2, |scene| {
        scene.fall_asleep();
        scene.wake_up();
        scene.fall_asleep();
    });
}
