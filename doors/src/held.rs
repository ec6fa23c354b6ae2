//! A call that is answered later, from any thread.

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::cred::Caller;
use crate::desc::DoorDesc;
use crate::error::ReturnError;
#[cfg(feature = "derive")]
use crate::event;
use crate::pieces::Pieces;
use crate::server::duty::Active;
use crate::server::line::Line;
use crate::wire::code::Failure;

/// A call that was taken off its thread.
///
/// Dropped unanswered, it answers the caller with
/// [`CallCondition::Unanswered`](crate::CallCondition::Unanswered): never a hang.
#[doc(alias = "door_call_t")]
#[doc(alias = "door_abort")]
#[doc(alias = "door_hold")]
pub struct Held {
    /// Under which the door counts it among those that run without a thread.
    pub(crate) number: u64,
    pub(crate) line: Option<Line>,
    pub(crate) data: Vec<u8>,
    pub(crate) descriptors: Vec<OwnedFd>,
    pub(crate) active: Active,
}

impl Held {
    /// The caller's data: a copy of its own.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The descriptors that came with the call, in order; foreign, as [`Invocation::descriptors`](crate::Invocation::descriptors) says.
    #[must_use]
    pub fn descriptors(&self) -> &[OwnedFd] {
        &self.descriptors
    }

    /// Takes the descriptors; those that are not taken are closed with the call.
    #[must_use]
    pub fn take_descriptors(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.descriptors)
    }

    /// Who calls, by the kernel's word.
    #[doc(alias = "door_cred")]
    #[doc(alias = "door_ucred")]
    #[must_use]
    pub fn caller(&self) -> Arc<Caller> {
        self.line
            .as_ref()
            .map_or_else(|| Arc::new(Caller::Unknown), Line::caller)
    }

    /// Whether the caller has given up or died, so that nobody waits for the answer. Never true for a door with
    /// [`DoorAttributes::NO_CANCEL`](crate::DoorAttributes::NO_CANCEL), as for its invocations.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.active.core().tells_cancellation()
            && self.line.as_ref().is_some_and(Line::is_cancelled)
    }

    /// Runs `callback` once if the caller gives up or dies before the call is answered: as
    /// [`Invocation::on_cancel`](crate::Invocation::on_cancel), whose callback it replaces.
    ///
    /// # Examples
    /// ```
    /// use std::sync::mpsc::channel;
    /// use std::time::{Duration, Instant};
    ///
    /// use doors::{CallCondition, Door, DoorAttributes};
    ///
    /// let (hold, held) = channel();
    /// let door = Door::create(
    ///     move |call| {
    ///         let (call, returned) = call.hold();
    ///         let _kept = hold.send(call);
    ///         returned
    ///     },
    ///     DoorAttributes::empty(),
    /// )?;
    /// let caller = std::thread::spawn(move || {
    ///     door.call_until(&[], vec![], Instant::now() + Duration::from_millis(50))
    /// });
    /// let (tell, told) = channel();
    /// let mut call = held.recv()?;
    /// call.on_cancel(move || drop(tell.send(())));
    /// told.recv()?;
    /// assert!(call.is_cancelled());
    /// let error = caller.join().unwrap().unwrap_err();
    /// assert!(matches!(error.condition, CallCondition::TimedOut { .. }));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_cancel(&mut self, callback: impl FnOnce() + Send + 'static) {
        Line::disown(&mut self.line, self.active.core());
        if let Some(line) = &mut self.line
            && self.active.core().tells_cancellation()
        {
            line.on_cancel(Box::new(callback));
        }
    }

    /// Answers the call; the caller goes on at once. A caller that has gone is no error.
    ///
    /// # Blocking
    /// Never.
    ///
    /// # Errors
    /// As [`Invocation::door_reply`](crate::Invocation::door_reply); the call comes back with the error and can be answered otherwise.
    #[doc(alias = "door_reply_to")]
    pub fn door_return(
        self,
        data: &[u8],
        descriptors: Vec<DoorDesc<'_>>,
    ) -> Result<(), (Self, ReturnError)> {
        self.return_pieces(Pieces::one(data), descriptors)
    }

    /// As [`door_return`](Self::door_return), with data in two places.
    pub(crate) fn return_pieces(
        mut self,
        data: Pieces<'_>,
        descriptors: Vec<DoorDesc<'_>>,
    ) -> Result<(), (Self, ReturnError)> {
        Line::disown(&mut self.line, self.active.core());
        let handed = match &mut self.line {
            Some(line) => line.put_reply(data, descriptors),
            None => Ok(()),
        };
        match handed {
            Ok(()) => Ok(()),
            Err(error) => Err((self, error)),
        }
    }
}

#[cfg(feature = "derive")]
impl Held {
    /// The reply could not be handed over: the caller is told so instead.
    pub(crate) fn lose(mut self, lost: &ReturnError) {
        event::reply_lost(self.active.core().id, lost);
        if let Some(line) = &mut self.line {
            line.lose_reply();
        }
    }
}

impl Drop for Held {
    /// Publishes the answer, or that there is none.
    fn drop(&mut self) {
        Line::disown(&mut self.line, self.active.core());
        self.active.core().meter.let_go(self.number);
        if let Some(mut line) = self.line.take() {
            line.finish(Failure::Unanswered);
            line.put_back();
        }
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held")
            .field("door", &self.active.core().id)
            .field("bytes", &self.data.len())
            .finish_non_exhaustive()
    }
}
