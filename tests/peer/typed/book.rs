//! What is behind a ledger.

use std::sync::{Mutex, PoisonError};

use doors::{Answer, Call, Caller};
use nix::unistd::gettid;
use rkyv::Archived;

use super::ledger::{Entry, Ledger, NoName, Place, Till, usual};

/// Keeps nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Book;

impl Ledger for Book {
    fn sum(&self, entry: &Archived<Entry>, name: &str, bytes: &[u8]) -> Option<u64> {
        let all = entry.amounts.iter().map(|amount| amount.to_native());
        let bytes = bytes.iter().map(|byte| u64::from(*byte));
        (entry.name == *name).then(|| all.chain(bytes).fold(0, u64::wrapping_add))
    }

    fn keep(&self, entry: Entry) -> Result<Entry, NoName> {
        if entry.name.is_empty() {
            return Err(NoName { id: entry.id });
        }
        Ok(entry)
    }
}

impl usual::Ledger for Book {
    fn sum(&self, _: &str) -> Option<u64> {
        None
    }
}

/// Counts.
#[derive(Debug, Default)]
pub(crate) struct Drawer(Mutex<u32>);

impl Drawer {
    fn count(&self) -> u32 {
        let mut runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *runs = runs.wrapping_add(1);
        *runs
    }
}

impl Till for Drawer {
    fn who(&self, entry: &Archived<Entry>, call: &Call<'_>, name: &str) -> (i32, u64, bool) {
        let pid = match &*call.caller() {
            Caller::Known(caller) if entry.name == *name => caller.pid(),
            _ => 0,
        };
        (pid, entry.id.to_native(), call.deadline().is_none())
    }

    fn now(&self, entry: &Archived<Entry>, call: &Call<'_>) -> Answer<u64> {
        let answer = call.door_reply_now(entry.id.to_native());
        // The archive is there until the end.
        assert_eq!(entry.amounts.len(), 3);
        answer
    }

    fn later(&self, entry: Entry, call: &Call<'_>) -> Answer<Result<Entry, NoName>> {
        let (promise, answer) = call.hold();
        std::thread::spawn(move || {
            promise.door_return(if entry.name.is_empty() {
                Err(NoName { id: entry.id })
            } else {
                Ok(entry)
            });
        });
        answer
    }

    fn near(&self, _: &Archived<Entry>) -> Place {
        here()
    }

    fn anywhere(&self, _: Entry) -> Place {
        here()
    }

    fn ran(&self) -> u32 {
        self.count()
    }

    fn own(&self, _: &Archived<Entry>) -> u32 {
        self.count()
    }

    fn closed(&self, _: &Archived<Entry>) -> u32 {
        self.count()
    }
}

fn here() -> Place {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    (gettid().as_raw(), line.unwrap().trim().to_owned())
}
