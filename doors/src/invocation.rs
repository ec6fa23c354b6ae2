//! One call as its server procedure sees it.

mod answer;

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;

pub use self::answer::Returned;
#[cfg(feature = "derive")]
use crate::access::Refusal;
use crate::cred::Caller;
#[cfg(feature = "derive")]
use crate::event;
use crate::server::core::Core;
use crate::server::footing::Footing;
use crate::server::line::Line;
use crate::server::meter::Running;
#[cfg(feature = "derive")]
use crate::sys::account::Account;
#[cfg(feature = "derive")]
use crate::sys::closer;
use crate::sys::dense::Dense;

/// One call as its server procedure sees it.
///
/// The data are a private copy: nothing the caller does changes them. An invocation is answered by
/// [`door_return`](Self::door_return), [`door_reply_now`](Self::door_reply_now) or [`hold`](Self::hold), each of which
/// consumes it and gives the [`Returned`] that the procedure must give back. An invocation that is dropped (by a
/// panic, say) answers its caller with an error that says so.
///
/// A procedure may fork. The parent answers; in the child there is no caller: what it answers is discarded, and a child
/// that returns from the procedure sleeps until it is killed. A child that has work to do executes a program or exits.
#[doc(alias = "door_server_procedure_t")]
pub struct Invocation<'call> {
    line: &'call mut Option<Line>,
    data: &'call [u8],
    /// In place of the data, for a procedure that may keep them.
    #[cfg_attr(
        not(feature = "derive"),
        expect(dead_code, reason = "only procedures with values keep them")
    )]
    message: Option<&'call mut Vec<u8>>,
    descriptors: Vec<OwnedFd>,
    core: &'call Dense<Core>,
    running: &'call Running,
    footing: &'call mut Footing,
}

impl<'call> Invocation<'call> {
    pub(crate) fn new(
        line: &'call mut Option<Line>,
        message: &'call mut Vec<u8>,
        descriptors: Vec<OwnedFd>,
        core: &'call Dense<Core>,
        running: &'call Running,
        footing: &'call mut Footing,
    ) -> Self {
        let (data, message) = if core.takes_message() {
            (&[][..], Some(message))
        } else {
            (message.as_slice(), None)
        };
        Self {
            line,
            data,
            message,
            descriptors,
            core,
            running,
            footing,
        }
    }

    /// The caller's data; empty if there are none. The bytes live until the procedure has returned.
    #[must_use]
    pub fn data(&self) -> &'call [u8] {
        self.data
    }

    /// The memory that holds the data, for a procedure of a door that was made so ([`Options`](crate::Options) cannot say it): it may
    /// keep it. Nothing, the second time.
    #[cfg(feature = "derive")]
    pub(crate) fn take_message(&mut self) -> Option<&'call mut Vec<u8>> {
        self.message.take()
    }

    /// The descriptors that came with the call, in order; close-on-exec.
    ///
    /// They are foreign: a read from one may block for ever unless [`set_nonblocking`](crate::set_nonblocking) is called,
    /// and its file may be changed by others at any time.
    #[must_use]
    pub fn descriptors(&self) -> &[OwnedFd] {
        &self.descriptors
    }

    /// Takes the descriptors; those that are not taken are closed with the invocation.
    #[must_use]
    pub fn take_descriptors(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.descriptors)
    }

    /// Who calls, by the kernel's word. It was learnt when the caller's session began; of one that has none, whose call
    /// came with its connection, the kernel is asked here for the groups as it has noted them then.
    ///
    /// # Examples
    /// ```
    /// use doors::{Caller, Door, DoorAttributes};
    ///
    /// let who = Door::create(
    ///     |call| {
    ///         let answer = match &*call.caller() {
    ///             Caller::Known(caller) => format!("user {}, process {}", caller.uid(), caller.pid()),
    ///             _ => "somebody of another namespace".into(),
    ///         };
    ///         call.door_return(answer.as_bytes(), vec![])
    ///     },
    ///     DoorAttributes::empty(),
    /// )?;
    /// let answer = String::from_utf8(who.call(&[], vec![])?.data)?;
    /// assert!(answer.ends_with(&format!("process {}", std::process::id())));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[doc(alias = "door_cred")]
    #[doc(alias = "door_ucred")]
    pub fn caller(&self) -> Arc<Caller> {
        match &*self.line {
            Some(line) => line.caller(),
            None => Arc::new(Caller::Unknown),
        }
    }

    /// The unique id of the door that is called.
    #[must_use]
    pub fn door_id(&self) -> u64 {
        self.core.id
    }

    /// Takes the descriptors, and who pays for those that stay unclaimed.
    #[cfg(feature = "derive")]
    #[inline]
    pub(crate) fn take_claimable(&mut self) -> (Vec<OwnedFd>, Option<Account>) {
        if self.descriptors.is_empty() {
            return (Vec::new(), None);
        }
        let account = self.line.as_ref().and_then(Line::account).cloned();
        (self.take_descriptors(), account)
    }

    /// Closes the descriptors where it holds up nobody: no procedure has asked for them.
    #[cfg(feature = "derive")]
    pub(crate) fn discard_descriptors(&mut self) {
        let (descriptors, account) = self.take_claimable();
        closer::close(descriptors, &account.unwrap_or_default());
    }

    /// The caller was refused what it called.
    #[cfg(feature = "derive")]
    pub(crate) fn note_refused(&self, why: &Refusal) {
        self.core.meter.refuse();
        event::caller_refused(self.core.id, why);
    }

    /// Whether the caller has given up (its deadline passed) or died. Never true for a door with
    /// [`DoorAttributes::NO_CANCEL`](crate::DoorAttributes::NO_CANCEL).
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.core.tells_cancellation() && self.line.as_ref().is_some_and(Line::is_cancelled)
    }

    /// Runs `callback` once if the caller gives up or dies before the call is over.
    ///
    /// It runs on a thread of the library, or at once if the caller has already gone; it should only set a flag or
    /// wake somebody. A second callback replaces the first. A door with
    /// [`DoorAttributes::NO_CANCEL`](crate::DoorAttributes::NO_CANCEL) drops it unused.
    ///
    /// # Examples
    /// ```
    /// use std::sync::mpsc::{RecvTimeoutError, channel};
    /// use std::time::{Duration, Instant};
    ///
    /// use doors::{CallCondition, Door, DoorAttributes};
    ///
    /// let door = Door::create(
    ///     |mut call| {
    ///         let (tell, told) = channel();
    ///         call.on_cancel(move || drop(tell.send(())));
    ///         // The work, which ends early when nobody waits for it any more.
    ///         let ended = told.recv_timeout(Duration::from_secs(60));
    ///         assert_ne!(ended, Err(RecvTimeoutError::Timeout));
    ///         call.door_return(&[], vec![])
    ///     },
    ///     DoorAttributes::empty(),
    /// )?;
    /// let deadline = Instant::now() + Duration::from_millis(50);
    /// let error = door.call_until(&[], vec![], deadline).unwrap_err();
    /// assert!(matches!(error.condition, CallCondition::TimedOut { .. }));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_cancel(&mut self, callback: impl FnOnce() + Send + 'static) {
        if let Some(line) = &mut *self.line
            && self.core.tells_cancellation()
        {
            line.on_cancel(Box::new(callback));
        }
    }

    /// Lets this thread run on all of its processors again, if it follows its caller: for a procedure that is declared leaf
    /// ([`Options::leaf`](crate::Options::leaf)), before it does what a leaf procedure does not, such as starting a thread.
    ///
    /// # Examples
    /// ```
    /// use doors::{Door, Options};
    ///
    /// let door = Door::create_with(
    ///     |mut call| {
    ///         if call.data() == b"all" {
    ///             call.widen();
    ///             let _ended = std::thread::spawn(|| {}).join();
    ///         }
    ///         call.door_return(&[], vec![])
    ///     },
    ///     Options {
    ///         leaf: true,
    ///         ..Options::default()
    ///     },
    /// )?;
    /// door.call(b"one", vec![])?;
    /// door.call(b"all", vec![])?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn widen(&mut self) {
        self.footing.widen();
    }
}

impl fmt::Debug for Invocation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invocation")
            .field("door", &self.core.id)
            .field("bytes", &self.data.len())
            .field("descriptors", &self.descriptors.len())
            .finish_non_exhaustive()
    }
}
