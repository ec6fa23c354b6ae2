//! Where server procedures wait until the test lets them go.
#![expect(clippy::arithmetic_side_effects, reason = "small numbers of the test")]

use std::sync::{Condvar, Mutex, PoisonError};

/// Counts who came and who may go.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    entered: usize,
    permits: usize,
}

impl Gate {
    /// Comes in and waits for a permit.
    pub(super) fn pass(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.entered += 1;
        self.changed.notify_all();
        while state.permits == 0 {
            state = self.changed.wait(state).unwrap();
        }
        state.permits -= 1;
    }

    /// Lets so many go.
    pub(super) fn open(&self, count: usize) {
        self.state.lock().unwrap().permits += count;
        self.changed.notify_all();
    }

    /// Waits until so many have come, since the beginning.
    pub(super) fn entered(&self, count: usize) {
        let mut state = self.state.lock().unwrap();
        while state.entered < count {
            state = self.changed.wait(state).unwrap();
        }
    }

    /// How many have come.
    pub(super) fn count(&self) -> usize {
        self.state.lock().unwrap().entered
    }
}
