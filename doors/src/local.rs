//! A call without any transport, for unit tests of services.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::cred::Caller;
use crate::desc::DoorDesc;
use crate::error::ReturnError;
use crate::lock::lock;
use crate::wire::code::Failure;

/// What came of a call.
pub(crate) type Outcome = Result<(Vec<u8>, Vec<OwnedFd>), Failure>;

/// Where the answer is put down; the caller may wait for one that is held.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    outcome: Mutex<Option<Outcome>>,
    filled: Condvar,
}

/// The line of a call in this process.
pub(crate) struct LocalCall {
    caller: Arc<Caller>,
    mailbox: Arc<Mailbox>,
    reply: Option<Outcome>,
}

impl Mailbox {
    /// Waits for the answer.
    pub(crate) fn take(&self) -> Outcome {
        let mut outcome = lock(&self.outcome);
        loop {
            if let Some(outcome) = outcome.take() {
                return outcome;
            }
            outcome = self
                .filled
                .wait(outcome)
                .unwrap_or_else(PoisonError::into_inner);
        }
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
        data: &[u8],
        descriptors: Vec<DoorDesc<'_>>,
    ) -> Result<(), ReturnError> {
        if self.reply.is_some() {
            return Err(ReturnError::AlreadyReplied);
        }
        self.reply = Some(Ok((data.to_vec(), copies(descriptors)?)));
        Ok(())
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
