//! The end of a registration, against the server thread that takes a call on it.
//!
//! What `server/promise.rs` says: a call that was published before the end of its registration runs, and nobody is told
//! *unreferenced* before it is over; one that was published after the end does not run once that was told.
//!
//! Two threads, or three with the caller; no preemption bound for two.
//!
//! Seen to fail:
//! * without the fence in [`state::take`] or at the end of the registration: nobody is told;
//! * when a promise to a call that was not taken is not counted: told before it runs;
//! * when no promise is made to a call that was taken in time, or the lock is not taken before the promise is
//!   looked for: a call that was published in time does not run;
//! * when what is promised is redeemed without a look at its turn: a call runs after *unreferenced*;
//! * when the turn is looked at before what is settled: a promise that nobody redeems, so nobody is told.

use std::rc::Rc;

use loom::sync::Mutex;
use loom::sync::atomic::{AtomicU32, AtomicUsize};
use loom::thread;

use super::{Channel, explore};
use crate::channel::ends::low;
use crate::channel::state;
use crate::primitive::{AtomicBool, Ordering, Word, fence};

struct Promise {
    turn: u32,
    counted: bool,
}

struct Door {
    channel: Channel,
    settled: AtomicU32,
    live: AtomicU32,
    /// Under which all promises of a registration are made.
    registrations: Mutex<()>,
    promise: Mutex<Option<Promise>>,
    active: AtomicUsize,
    bare: AtomicU32,
    told: Mutex<bool>,
}

impl Door {
    fn new() -> Self {
        Self {
            channel: Channel::new(0),
            settled: AtomicU32::new(0),
            live: AtomicU32::new(1),
            registrations: Mutex::new(()),
            promise: Mutex::new(None),
            active: AtomicUsize::new(0),
            bare: AtomicU32::new(0),
            told: Mutex::new(false),
        }
    }

    fn begin(&self) {
        self.active.fetch_add(1, Ordering::Relaxed);
    }

    fn end(&self) {
        if self.active.fetch_sub(1, Ordering::AcqRel) == 1 {
            fence(Ordering::SeqCst);
            if Word::load(&self.bare, Ordering::Relaxed) == 1 {
                self.weigh();
            }
        }
    }

    fn weigh(&self) {
        if self.active.load(Ordering::Acquire) == 0 {
            *self.told.lock().unwrap() = true;
        }
    }

    /// The token has closed: its registration ends, then the door is weighed.
    fn close(&self) {
        let registrations = self.registrations.lock().unwrap();
        Word::store(&self.live, 0, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        self.promise();
        drop(registrations);
        Word::store(&self.bare, 1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        self.weigh();
    }

    fn promise(&self) {
        let mut promise = self.promise.lock().unwrap();
        let settled = Word::load(&self.settled, Ordering::Acquire);
        let turn = state::look(&self.channel.turn);
        let counted = settled != turn;
        if counted {
            self.begin();
        }
        *promise = Some(Promise { turn, counted });
    }

    fn redeem(&self, turn: u64) -> bool {
        drop(self.registrations.lock().unwrap());
        let mut promise = self.promise.lock().unwrap();
        let found = promise.take_if(|promise| promise.turn == low(turn));
        drop(promise);
        if found.as_ref().is_some_and(|promise| promise.counted) {
            self.end();
        }
        found.is_some()
    }

    /// Takes the call that is published and runs it, if it may run. True: it did.
    fn serve(&self, turn: u64) -> bool {
        self.begin();
        Word::store(&self.settled, low(turn), Ordering::Release);
        let taken = state::take(&self.channel.taken, turn, &self.channel.abandoned);
        assert!(taken);
        let runs = Word::load(&self.live, Ordering::Relaxed) == 1 || self.redeem(turn);
        if runs {
            assert!(!*self.told.lock().unwrap(), "told before a call ran");
            assert_eq!(self.channel.arguments.get(), turn);
        }
        self.end();
        runs
    }
}

#[test]
fn a_call_published_before_the_end_of_its_registration_runs() {
    explore(None, || {
        let door = Rc::new(Door::new());
        door.channel.publish_call(1);
        let server = {
            let door = Rc::clone(&door);
            thread::spawn(move || assert!(door.serve(1), "a call was lost"))
        };
        door.close();
        server.join().unwrap();
        assert!(*door.told.lock().unwrap(), "nobody was told");
        assert_eq!(door.active.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn a_call_published_at_the_end_of_its_registration_does_not_run_after_it_was_told() {
    static RAN: AtomicBool = AtomicBool::new(false);
    static REFUSED: AtomicBool = AtomicBool::new(false);

    explore(Some(3), || {
        let door = Rc::new(Door::new());
        let server = {
            let door = Rc::clone(&door);
            thread::spawn(move || {
                door.channel.await_call(0);
                let ran = door.serve(1);
                (if ran { &RAN } else { &REFUSED }).store(true, Ordering::Relaxed);
            })
        };
        let caller = {
            let door = Rc::clone(&door);
            thread::spawn(move || {
                door.channel.publish_call(1);
            })
        };
        door.close();
        caller.join().unwrap();
        server.join().unwrap();
        assert!(*door.told.lock().unwrap(), "nobody was told");
    });
    // A model that never gets to its race would pass too.
    assert!(RAN.load(Ordering::Relaxed) && REFUSED.load(Ordering::Relaxed));
}
