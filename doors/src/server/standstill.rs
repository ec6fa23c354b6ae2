//! A time in which no reference comes, goes or is heard here, so that all of them can be handed over.
//!
//! Whoever makes or ends references, or reads what comes on them, does so with a pass. A standstill begins when the
//! last pass has been given back, and no further one is given out before it is over: what is collected in between is
//! all there is. The leader does not wait for the end; sessions, whose calls are refused meanwhile, are looked after as
//! ever. What comes for a reference stays in its socket, for whoever goes on with it.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::epoll::{EpollEvent, EpollFlags};

use super::core::{Core, lock};
use super::runtime::{Attached, Runtime};
use super::token::Token;
use crate::error::DoorCondition;

/// Who may change references at the moment.
#[derive(Debug, Default)]
pub(crate) struct Standstill {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// No further pass is given out to those who do not wait.
    wanted: bool,
    /// No pass is out, and none will be.
    still: bool,
    passes: usize,
}

/// The right to make, end and hear references, until dropped.
#[derive(Debug)]
#[must_use = "the right ends with the value"]
pub(crate) struct Pass<'a>(&'a Standstill);

impl Standstill {
    /// A pass; `None` if a standstill is wanted.
    pub(crate) fn pass(&self) -> Option<Pass<'_>> {
        let mut state = lock(&self.state);
        if state.wanted {
            return None;
        }
        state.passes = state.passes.saturating_add(1);
        Some(Pass(self))
    }

    /// A pass, if need be after a standstill. One that has not begun yet is not waited for: whoever has to give a pass
    /// back for it may be waiting for us.
    pub(crate) fn pass_afterwards(&self) -> Pass<'_> {
        let mut state = lock(&self.state);
        while state.still {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.passes = state.passes.saturating_add(1);
        Pass(self)
    }

    /// Waits until no pass is out. Fails if that takes longer than `within`, or somebody else has a standstill.
    fn begin(&self, within: Duration) -> Result<(), DoorCondition> {
        let mut state = lock(&self.state);
        if state.wanted {
            return Err(DoorCondition::Draining);
        }
        state.wanted = true;
        let (mut state, _) = self
            .changed
            .wait_timeout_while(state, within, |state| state.passes != 0)
            .unwrap_or_else(PoisonError::into_inner);
        if state.passes == 0 {
            state.still = true;
            Ok(())
        } else {
            state.wanted = false;
            Err(DoorCondition::NotResponding { within })
        }
    }

    fn end(&self) {
        let mut state = lock(&self.state);
        (state.wanted, state.still) = (false, false);
        drop(state);
        self.changed.notify_all();
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.passes = state.passes.saturating_sub(1);
        // Nobody waits for the last pass who has not said so; a wake without a waiter is a system call for each packet.
        let awaited = state.wanted && state.passes == 0;
        drop(state);
        if awaited {
            self.0.changed.notify_all();
        }
    }
}

impl Runtime {
    /// The right to make a reference to a door of this process. One that was made after the others were collected would
    /// be left behind by a hand-over.
    pub(crate) fn may_refer_to(&self, core: &Core) -> Result<Pass<'_>, DoorCondition> {
        let pass = self.standstill.pass().ok_or(DoorCondition::Draining)?;
        if core.is_handed_over() {
            return Err(DoorCondition::Draining);
        }
        Ok(pass)
    }
}

/// All references of a process while they stand still; dropped, they are served again unless they have ended.
pub(crate) struct Still {
    runtime: Arc<Runtime>,
    pub(crate) listeners: Vec<Arc<Attached>>,
    /// Those that others hold, or may hold.
    pub(crate) tokens: Vec<Arc<Token>>,
}

impl Still {
    /// Waits, at most so long, until nobody is busy with a reference.
    pub(crate) fn begin(runtime: &Arc<Runtime>, within: Duration) -> Result<Self, DoorCondition> {
        let begun = runtime.standstill.begin(within);
        if begun.is_err() {
            // The leader may have put something off while the passes were waited for.
            runtime.wake();
        }
        begun?;
        let mut tokens = runtime.tokens();
        tokens.retain(|token| token.is_reference());
        let still = Self {
            runtime: Arc::clone(runtime),
            listeners: runtime.listeners(),
            tokens,
        };
        // Nobody reads them, so they would be reported for ever (epoll is level-triggered). A hang-up cannot be
        // excluded (epoll_ctl(2)), but is reported only once.
        still.watch(EpollFlags::EPOLLET);
        Ok(still)
    }

    /// Changes what the leader is told of. This takes no memory that could lack afterwards, unlike a removal from epoll
    /// followed by an addition. What is not in epoll at the moment, such as a token with a faked hang-up, stays out.
    fn watch(&self, events: EpollFlags) {
        let epoll = &self.runtime.epoll;
        for token in &self.tokens {
            let mut event = EpollEvent::new(events, token.key);
            let _absent = epoll.modify(&token.socket, &mut event);
        }
        for attached in &self.listeners {
            let mut event = EpollEvent::new(events, attached.key);
            let _absent = epoll.modify(&attached.listener, &mut event);
        }
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        self.watch(EpollFlags::EPOLLIN);
        self.runtime.standstill.end();
        // What the leader has put off is due.
        self.runtime.wake();
    }
}

impl fmt::Debug for Still {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Still")
            .field("listeners", &self.listeners.len())
            .field("tokens", &self.tokens.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::{Runtime, Standstill, Still};
    use crate::error::DoorCondition;
    use crate::sys::fork;
    use crate::sys::socket::has_something;

    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn a_standstill_waits_for_the_passes_that_are_out_and_gives_no_more() {
        let standstill = Arc::new(Standstill::default());
        let pass = standstill.pass().unwrap();
        let other = Arc::clone(&standstill);
        let begins = std::thread::spawn(move || other.begin(LONG));
        while standstill.pass().is_some() {
            std::thread::yield_now();
        }
        // The wish alone stops nobody who would wait: the other pass could depend on it.
        drop(standstill.pass_afterwards());
        drop(pass);
        begins.join().unwrap().unwrap();
        assert!(standstill.pass().is_none());
        assert_eq!(standstill.begin(LONG), Err(DoorCondition::Draining));
        let other = Arc::clone(&standstill);
        let waits = std::thread::spawn(move || drop(other.pass_afterwards()));
        standstill.end();
        waits.join().unwrap();
        assert!(standstill.pass().is_some());
    }

    #[test]
    fn a_standstill_that_cannot_begin_in_time_leaves_everything_as_it_was() {
        let standstill = Standstill::default();
        let pass = standstill.pass();
        let within = Duration::ZERO;
        let begun = standstill.begin(within);
        assert_eq!(begun, Err(DoorCondition::NotResponding { within }));
        assert!(standstill.pass().is_some());
        drop(pass);
        standstill.begin(within).unwrap();
    }

    #[test]
    fn one_that_cannot_begin_wakes_the_leader_for_what_was_put_off() {
        // Nobody leads here, so that the wake stays.
        let runtime = Arc::new(Runtime::new(fork::life()).unwrap());
        let _pass = runtime.standstill.pass();
        assert!(!has_something(&runtime.wakeup));
        assert!(Still::begin(&runtime, Duration::ZERO).is_err());
        assert!(has_something(&runtime.wakeup));
    }
}
