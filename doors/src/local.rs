//! A call without any transport, for unit tests of services.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::cred::Caller;
use crate::desc::DoorDesc;
use crate::error::ReturnError;
use crate::foreign::shielded;
use crate::lock::lock;
use crate::pieces::Pieces;
use crate::server::channel::CancelCallback;
use crate::wire::code::Failure;

/// How often somebody looks who waits for a held call and may be told to give it up.
const LOOK: Duration = Duration::from_millis(10);

/// What came of a call.
pub(crate) type Outcome = Result<(Vec<u8>, Vec<OwnedFd>), Failure>;

/// Where the answer is put down; the caller may wait for one that is held.
#[derive(Default)]
pub(crate) struct Mailbox {
    outcome: Mutex<Option<Outcome>>,
    filled: Condvar,
    /// The caller has given up, or what runs when it does.
    given_up: Mutex<GivenUp>,
}

#[derive(Default)]
struct GivenUp {
    happened: bool,
    callback: Option<CancelCallback>,
}

/// The line of a call in this process.
pub(crate) struct LocalCall {
    caller: Arc<Caller>,
    mailbox: Arc<Mailbox>,
    reply: Option<Outcome>,
}

impl Mailbox {
    /// Waits for the answer; `None` when the time is over or the caller does not want it any more, and the call is given
    /// up.
    pub(crate) fn take(
        &self,
        until: Option<Instant>,
        cancelled: Option<&dyn Fn() -> bool>,
    ) -> Option<Outcome> {
        let mut outcome = lock(&self.outcome);
        loop {
            if let Some(outcome) = outcome.take() {
                return Some(outcome);
            }
            let left = until.map(|at| at.saturating_duration_since(Instant::now()));
            let left = match cancelled {
                Some(is_cancelled) if is_cancelled() => Some(Duration::ZERO),
                // Nobody wakes this thread for that.
                Some(_) => Some(left.map_or(LOOK, |left| left.min(LOOK))),
                None => left,
            };
            outcome = match left {
                None => self
                    .filled
                    .wait(outcome)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => {
                    drop(outcome);
                    self.give_up();
                    return None;
                }
                Some(left) => {
                    self.filled
                        .wait_timeout(outcome, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
    }

    fn give_up(&self) {
        let callback = {
            let mut given_up = lock(&self.given_up);
            given_up.happened = true;
            given_up.callback.take()
        };
        run(callback);
    }
}

impl LocalCall {
    pub(crate) fn new(caller: Arc<Caller>, mailbox: &Arc<Mailbox>) -> Self {
        Self {
            caller,
            mailbox: Arc::clone(mailbox),
            reply: None,
        }
    }

    pub(crate) fn caller(&self) -> Arc<Caller> {
        Arc::clone(&self.caller)
    }

    /// Copies data and descriptors, as a transport would.
    pub(crate) fn put_reply(
        &mut self,
        data: Pieces<'_>,
        descriptors: Vec<DoorDesc<'_>>,
    ) -> Result<(), ReturnError> {
        if self.reply.is_some() {
            return Err(ReturnError::AlreadyReplied);
        }
        self.reply = Some(Ok((data.both().concat(), copies(descriptors)?)));
        Ok(())
    }

    /// Whether the caller has given up; only one that waits for a held call can.
    pub(crate) fn is_cancelled(&self) -> bool {
        lock(&self.mailbox.given_up).happened
    }

    /// Sets what runs when the caller gives up; runs it at once if it has.
    pub(crate) fn set_on_cancel(&self, callback: CancelCallback) {
        let late = {
            let mut given_up = lock(&self.mailbox.given_up);
            if given_up.happened {
                Some(callback)
            } else {
                given_up.callback = Some(callback);
                None
            }
        };
        run(late);
    }

    pub(crate) fn lose_reply(&mut self) {
        self.reply = Some(Err(Failure::ReplyLost));
    }

    pub(crate) fn finish(&mut self, without: Failure) {
        let outcome = self.reply.take().unwrap_or(Err(without));
        *lock(&self.mailbox.outcome) = Some(outcome);
        self.mailbox.filled.notify_all();
    }
}

/// A callback is foreign code: a panic in it is its own affair.
fn run(callback: Option<CancelCallback>) {
    if let Some(callback) = callback {
        let _panicked = shielded(callback);
    }
}

/// Descriptors of the receiver's own for each that was lent or released.
pub(crate) fn copies(descriptors: Vec<DoorDesc<'_>>) -> Result<Vec<OwnedFd>, ReturnError> {
    descriptors
        .into_iter()
        .map(|descriptor| match descriptor {
            DoorDesc::Released(fd) => Ok(fd),
            DoorDesc::Lent(fd) => fd.as_fd().try_clone_to_owned().map_err(|error| {
                let number = error.raw_os_error().unwrap_or(0);
                let source = nix::errno::Errno::from_raw(number);
                ReturnError::System {
                    op: "copy a descriptor",
                    source,
                }
            }),
        })
        .collect()
}
