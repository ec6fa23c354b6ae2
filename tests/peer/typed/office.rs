//! A service whose methods look at who calls them, and at whether anybody still waits.

use std::sync::{Condvar, Mutex, mpsc};
use std::time::Instant;

use doors::{Call, Caller, door};

/// The caller's user and process, and the door.
pub(crate) type Who = (Option<(u32, i32)>, u64);

/// Looks at its callers.
#[door]
pub(crate) trait Office {
    /// Who calls, between two arguments.
    fn who(&self, before: &str, call: &Call<'_>, after: u32) -> (String, Who, u32);

    /// How many nanoseconds its caller still waits.
    fn time_left(&self, call: &Call<'_>) -> Option<u128>;

    /// Stays until the caller has gone.
    fn linger(&self, call: &Call<'_>);

    /// Waits until so many linger, or did, and so many of them were seen to go.
    fn await_lingered(&self, came: u32, went: u32);
}

/// Counts those that linger.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    /// How many came and how many went.
    lingered: Mutex<(u32, u32)>,
    changed: Condvar,
}

impl Desk {
    fn count(&self, (came, went): (u32, u32)) {
        let mut lingered = self.lingered.lock().unwrap();
        lingered.0 = lingered.0.checked_add(came).unwrap();
        lingered.1 = lingered.1.checked_add(went).unwrap();
        self.changed.notify_all();
    }
}

impl Office for Desk {
    fn who(&self, before: &str, call: &Call<'_>, after: u32) -> (String, Who, u32) {
        let caller = match &*call.caller() {
            Caller::Known(caller) => Some((caller.uid(), caller.pid())),
            _ => None,
        };
        (before.to_owned(), (caller, call.door_id()), after)
    }

    fn time_left(&self, call: &Call<'_>) -> Option<u128> {
        let left = call.deadline()?.saturating_duration_since(Instant::now());
        Some(left.as_nanos())
    }

    fn linger(&self, call: &Call<'_>) {
        self.count((1, 0));
        let (tell, told) = mpsc::channel();
        call.on_cancel(move || tell.send(()).unwrap());
        told.recv().unwrap();
        assert!(call.is_cancelled());
        self.count((0, 1));
    }

    fn await_lingered(&self, came: u32, went: u32) {
        let lingered = self.lingered.lock().unwrap();
        let short = |now: &mut (u32, u32)| now.0 < came || now.1 < went;
        drop(self.changed.wait_while(lingered, short).unwrap());
    }
}
