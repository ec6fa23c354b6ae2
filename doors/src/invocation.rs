//! One call as its server procedure sees it.

use std::fmt;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::sync::Arc;

#[cfg(feature = "derive")]
use crate::access::Refusal;
use crate::cred::Caller;
use crate::desc::DoorDesc;
use crate::error::ReturnError;
use crate::event;
use crate::held::Held;
use crate::pieces::Pieces;
use crate::server::core::Core;
use crate::server::duty::Active;
use crate::server::footing::Footing;
use crate::server::line::Line;
use crate::server::meter::Running;
#[cfg(feature = "derive")]
use crate::sys::account::Account;
#[cfg(feature = "derive")]
use crate::sys::closer;
use crate::sys::dense::Dense;
use crate::wire::code::Failure;

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

/// Proof that an invocation was answered, or is held to be answered later.
#[derive(Debug)]
#[must_use = "a server procedure gives this back"]
pub struct Returned(PhantomData<*const ()>);

#[cfg(feature = "derive")]
impl Returned {
    /// Of an invocation that is no more: its caller gets what was handed over before, or hears that there is no answer.
    pub(crate) fn before() -> Self {
        Self(PhantomData)
    }
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

    /// Answers the call. The data are copied out at once; the caller goes on when the server procedure has returned
    /// and its destructors have run.
    ///
    /// After a [`door_reply`](Self::door_reply) that succeeded the arguments are ignored (released descriptors are
    /// still closed). A caller that has gone is no error: the answer is discarded. If the answer cannot be handed
    /// over, the caller gets [`CallCondition::ReplyLost`](crate::CallCondition::ReplyLost); a procedure that wants to
    /// react to that uses `door_reply` first.
    ///
    /// # Blocking
    /// Not for the caller: of a large answer it takes one part while the next one is copied, and what it does not take
    /// about as fast as that is put aside for it.
    #[inline]
    pub fn door_return(self, data: &[u8], descriptors: Vec<DoorDesc<'_>>) -> Returned {
        self.return_pieces(Pieces::one(data), descriptors)
    }

    /// As [`door_return`](Self::door_return), with data in two places.
    #[inline]
    pub(crate) fn return_pieces(
        mut self,
        data: Pieces<'_>,
        descriptors: Vec<DoorDesc<'_>>,
    ) -> Returned {
        match self.reply_pieces(data, descriptors) {
            Ok(()) | Err(ReturnError::AlreadyReplied) => {}
            Err(lost) => self.lose(&lost),
        }
        Returned(PhantomData)
    }

    /// The reply could not be handed over: the caller is told so instead.
    pub(crate) fn lose(&mut self, lost: &ReturnError) {
        event::reply_lost(self.core.id, lost);
        if let Some(line) = &mut *self.line {
            line.lose_reply();
        }
    }

    /// Hands the reply over and keeps control: when it returns, data and descriptors have been copied out, so
    /// that the procedure can free, unlock or log. The caller still waits; it goes on with the `door_return`
    /// that follows.
    ///
    /// # Blocking
    /// As [`door_return`](Self::door_return).
    ///
    /// # Errors
    /// Nothing was handed over and the caller goes on waiting; the procedure may try again.
    /// [`ReturnError::AlreadyReplied`] (EINVAL) on a second reply, [`ReturnError::TooManyDescriptors`] (E2BIG),
    /// [`ReturnError::NoRoom`] (ENOMEM), [`ReturnError::System`] when the descriptors could not be sent.
    ///
    /// # Death
    /// A caller that has gone is no error. If this process is killed before the `door_return`, the caller gets
    /// [`CallCondition::ServerDied`](crate::CallCondition::ServerDied) although it may have been about to go on.
    ///
    /// # Examples
    /// ```
    /// use std::sync::Mutex;
    ///
    /// use doors::{Door, DoorAttributes};
    ///
    /// let state = Mutex::new(String::from("shared"));
    /// let door = Door::create(
    ///     move |mut call| {
    ///         let guard = state.lock().unwrap_or_else(|broken| broken.into_inner());
    ///         // The answer is taken from under the lock, without a copy of our own.
    ///         let handed = call.door_reply(guard.as_bytes(), vec![]);
    ///         drop(guard);
    ///         if let Err(error) = handed {
    ///             return call.door_return(error.to_string().as_bytes(), vec![]);
    ///         }
    ///         call.door_return(&[], vec![])
    ///     },
    ///     DoorAttributes::empty(),
    /// )?;
    /// assert_eq!(door.call(&[], vec![])?.data, b"shared");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn door_reply(
        &mut self,
        data: &[u8],
        descriptors: Vec<DoorDesc<'_>>,
    ) -> Result<(), ReturnError> {
        self.reply_pieces(Pieces::one(data), descriptors)
    }

    /// As [`door_reply`](Self::door_reply), with data in two places.
    #[inline]
    pub(crate) fn reply_pieces(
        &mut self,
        data: Pieces<'_>,
        descriptors: Vec<DoorDesc<'_>>,
    ) -> Result<(), ReturnError> {
        Line::disown(self.line, self.core);
        match &mut *self.line {
            Some(line) => line.put_reply(data, descriptors),
            None => Err(ReturnError::AlreadyReplied),
        }
    }

    /// Answers the call and lets the caller go at once, while the procedure goes on with its clean-up. The call has
    /// then ended for all accounting; the caller's next call is served by another thread.
    ///
    /// # Blocking
    /// As [`door_return`](Self::door_return).
    ///
    /// # Errors
    /// As [`door_reply`](Self::door_reply); the invocation comes back with the error and can be answered otherwise.
    ///
    /// # Examples
    /// ```
    /// use doors::{Door, DoorAttributes};
    ///
    /// let door = Door::create(
    ///     |call| match call.door_reply_now(b"done", vec![]) {
    ///         Ok(returned) => {
    ///             // The caller has gone on; this thread tidies up.
    ///             returned
    ///         }
    ///         Err((call, error)) => call.door_return(error.to_string().as_bytes(), vec![]),
    ///     },
    ///     DoorAttributes::empty(),
    /// )?;
    /// assert_eq!(door.call(&[], vec![])?.data, b"done");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn door_reply_now(
        self,
        data: &[u8],
        descriptors: Vec<DoorDesc<'_>>,
    ) -> Result<Returned, (Self, ReturnError)> {
        self.reply_pieces_now(Pieces::one(data), descriptors)
    }

    /// As [`door_reply_now`](Self::door_reply_now), with data in two places.
    pub(crate) fn reply_pieces_now(
        mut self,
        data: Pieces<'_>,
        descriptors: Vec<DoorDesc<'_>>,
    ) -> Result<Returned, (Self, ReturnError)> {
        if let Err(error) = self.reply_pieces(data, descriptors) {
            return Err((self, error));
        }
        if let Some(mut line) = self.line.take() {
            // Said before the answer is published: the caller's next call must not wait for this thread.
            line.leave_thread();
            line.finish(Failure::Unanswered);
            line.put_back();
            self.running.end();
            self.core.end();
        }
        Ok(Returned(PhantomData))
    }

    /// Takes the call off its thread, to be answered later from any thread. The data are copied.
    ///
    /// The call stays active until the [`Held`] is answered or dropped, so the door does not become unreferenced before.
    ///
    /// # Blocking
    /// Never.
    ///
    /// # Death
    /// [`Held::is_cancelled`] tells that the caller has given up or died. If this process dies, the caller gets
    /// [`CallCondition::ServerDied`](crate::CallCondition::ServerDied).
    ///
    /// # Examples
    /// ```
    /// use doors::{Door, DoorAttributes};
    ///
    /// let door = Door::create(
    ///     |call| {
    ///         let (held, returned) = call.hold();
    ///         std::thread::spawn(move || {
    ///             let answer = held.data().to_ascii_uppercase();
    ///             if let Err((_unanswered, error)) = held.door_return(&answer, vec![]) {
    ///                 eprintln!("{error}");
    ///             }
    ///         });
    ///         returned
    ///     },
    ///     DoorAttributes::empty(),
    /// )?;
    /// assert_eq!(door.call(b"later", vec![])?.data, b"LATER");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "door_hold")]
    pub fn hold(self) -> (Held, Returned) {
        let data = self.data.to_vec();
        self.hold_with(data)
    }

    /// The same, where nobody will ask for the data any more.
    #[cfg(feature = "derive")]
    pub(crate) fn hold_without_data(self) -> (Held, Returned) {
        self.hold_with(Vec::new())
    }

    fn hold_with(mut self, data: Vec<u8>) -> (Held, Returned) {
        Line::disown(self.line, self.core);
        let line = self.line.take().map(|mut line| {
            line.leave_thread();
            line
        });
        // The age of the call counts on; the thread is free for others.
        self.running.end();
        let held = Held {
            number: self
                .running
                .take_count()
                .unwrap_or_else(|| self.core.meter.hold(self.running.since())),
            line,
            data,
            descriptors: std::mem::take(&mut self.descriptors),
            active: Active::begun(self.core),
        };
        (held, Returned(PhantomData))
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
