//! A door is called.

use std::os::fd::OwnedFd;
use std::time::Instant;

use super::{Door, Inner, in_process};
use crate::client::arguments::Arguments;
#[cfg(feature = "tokio")]
use crate::client::cancel::Cancel;
use crate::desc::DoorDesc;
use crate::error::{CallCondition, CallError};
use crate::pieces::Pieces;

/// What a call brought back.
#[doc(alias = "door_arg_t")]
#[doc(alias = "door_results")]
#[derive(Debug, Default)]
pub struct Reply {
    /// The data; empty if there are none.
    #[doc(alias = "data_ptr")]
    #[doc(alias = "data_size")]
    #[doc(alias = "rbuf")]
    #[doc(alias = "rsize")]
    pub data: Vec<u8>,
    /// The descriptors, close-on-exec, in order. Foreign: see [`Invocation::descriptors`](crate::Invocation::descriptors).
    #[doc(alias = "desc_ptr")]
    #[doc(alias = "desc_num")]
    pub descriptors: Vec<OwnedFd>,
}

impl Door {
    /// Calls the door with data and descriptors, and waits for the results as long as it takes.
    ///
    /// Lent descriptors stay open here, released ones are closed with the call, whether it succeeds or not. A process
    /// may call its own door, also from inside its procedure.
    ///
    /// # Blocking
    /// Until the server procedure returns. While no server thread is free the call waits; each step of the protocol
    /// itself is bounded by 5 s. See [`call_until`](Self::call_until) for a bound on all of it.
    ///
    /// # Errors
    /// [`CallError`] with the condition; [`CallError::call_state`] tells whether the procedure may have run.
    ///
    /// # Death
    /// If the server dies or is killed the call ends with [`CallCondition::ServerDied`], within milliseconds. If this
    /// process is forked the child's copy of the door opens a session of its own. If this process dies, the procedure
    /// goes on; its invocation sees [`is_cancelled`](crate::Invocation::is_cancelled). A signal that is handled
    /// meanwhile does not end the call.
    ///
    /// # Examples
    /// ```
    /// use std::fs::File;
    /// use std::os::fd::AsFd;
    ///
    /// use doors::{Door, DoorAttributes};
    ///
    /// let length = Door::create(
    ///     |mut call| {
    ///         let file = call.take_descriptors().pop().map(File::from);
    ///         let length = file.and_then(|file| file.metadata().ok()).map_or(0, |found| found.len());
    ///         call.door_return(&length.to_le_bytes(), vec![])
    ///     },
    ///     DoorAttributes::empty(),
    /// )?;
    /// let file = File::open("/proc/self/exe")?;
    /// let reply = length.call(&[], vec![file.as_fd().into()])?;
    /// assert_eq!(reply.data, file.metadata()?.len().to_le_bytes());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "door_call")]
    pub fn call(&self, data: &[u8], descriptors: Vec<DoorDesc<'_>>) -> Result<Reply, CallError> {
        let mut reply = Reply::default();
        reply.descriptors = self.call_into(data, descriptors, None, &mut reply.data)?;
        Ok(reply)
    }

    /// As [`call`](Self::call), with a deadline (monotonic clock).
    ///
    /// # Blocking
    /// Until the server procedure returns, at most until the deadline. One that has passed already makes no call.
    ///
    /// # Errors
    /// As [`call`](Self::call), and [`CallCondition::TimedOut`], which tells whether the server had taken the call. A
    /// call that was taken goes on in the server; its invocation sees
    /// [`is_cancelled`](crate::Invocation::is_cancelled), and its results are thrown away.
    ///
    /// # Examples
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// use doors::{CallCondition, CallState, Door, DoorAttributes};
    ///
    /// let slow = Door::create(
    ///     |call| {
    ///         std::thread::sleep(Duration::from_millis(500));
    ///         call.door_return(&[], vec![])
    ///     },
    ///     DoorAttributes::empty(),
    /// )?;
    /// let deadline = Instant::now() + Duration::from_millis(20);
    /// let error = slow.call_until(&[], vec![], deadline).unwrap_err();
    /// assert!(matches!(error.condition, CallCondition::TimedOut { .. }));
    /// match error.call_state() {
    ///     CallState::NotExecuted => println!("safe to call again"),
    ///     CallState::MayHaveExecuted | CallState::Executed => println!("look before calling again"),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "door_call")]
    pub fn call_until(
        &self,
        data: &[u8],
        descriptors: Vec<DoorDesc<'_>>,
        deadline: Instant,
    ) -> Result<Reply, CallError> {
        let mut reply = Reply::default();
        reply.descriptors = self.call_into(data, descriptors, Some(deadline), &mut reply.data)?;
        Ok(reply)
    }

    /// As [`call`](Self::call), with the results appended to a buffer that can be used again; returns the descriptors.
    /// After an error the buffer may have grown by a part of the results.
    ///
    /// # Blocking
    /// As [`call_until`](Self::call_until) with a deadline, as [`call`](Self::call) without.
    ///
    /// # Errors
    /// As [`call_until`](Self::call_until).
    ///
    /// # Examples
    /// ```
    /// use doors::{Door, DoorAttributes};
    ///
    /// let door = Door::create(|call| call.door_return(b"word ", vec![]), DoorAttributes::empty())?;
    /// let mut words = Vec::new();
    /// for _ in 0..3 {
    ///     door.call_into(&[], vec![], None, &mut words)?;
    /// }
    /// assert_eq!(words, b"word word word ");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "door_call")]
    pub fn call_into(
        &self,
        data: &[u8],
        descriptors: Vec<DoorDesc<'_>>,
        deadline: Option<Instant>,
        results: &mut Vec<u8>,
    ) -> Result<Vec<OwnedFd>, CallError> {
        self.call_with(Pieces::one(data), descriptors, deadline, results)
    }

    /// As [`call_into`](Self::call_into), with data in two places.
    #[inline]
    pub(crate) fn call_with(
        &self,
        data: Pieces<'_>,
        descriptors: Vec<DoorDesc<'_>>,
        deadline: Option<Instant>,
        results: &mut Vec<u8>,
    ) -> Result<Vec<OwnedFd>, CallError> {
        self.make(&Arguments::new(data, descriptors, deadline, None), results)
    }

    /// As [`call_into`](Self::call_into); another thread may give the call up, which ends as at its deadline.
    #[cfg(feature = "tokio")]
    pub(crate) fn call_cancellable(
        &self,
        data: &[u8],
        descriptors: Vec<DoorDesc<'_>>,
        deadline: Option<Instant>,
        cancel: &Cancel,
        results: &mut Vec<u8>,
    ) -> Result<Vec<OwnedFd>, CallError> {
        let data = Pieces::one(data);
        let arguments = Arguments::new(data, descriptors, deadline, Some(cancel));
        self.make(&arguments, results)
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "one run of code: `server/desk.rs`")]
    fn make(
        &self,
        arguments: &Arguments<'_>,
        results: &mut Vec<u8>,
    ) -> Result<Vec<OwnedFd>, CallError> {
        if arguments.is_over() {
            let condition = CallCondition::TimedOut { taken: false };
            return Err(CallError {
                door: self.label(),
                condition,
            });
        }
        let done = match &*self.inner {
            Inner::Remote(remote) => remote.call(arguments, results),
            Inner::Own(own) => own.call(arguments, results),
            Inner::InProcess(core) => in_process::call(core, arguments, results),
        };
        done.map_err(|condition| CallError {
            door: self.label(),
            condition,
        })
    }
}
