//! How a call is answered.

use std::marker::PhantomData;

use super::Invocation;
use crate::desc::DoorDesc;
use crate::error::ReturnError;
use crate::event;
use crate::held::Held;
use crate::pieces::Pieces;
use crate::server::duty::Active;
use crate::server::line::Line;
use crate::wire::code::Failure;

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

impl Invocation<'_> {
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
