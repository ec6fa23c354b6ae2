//! The call that a method serves.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::answer::{Answer, Promise, Put, due, put_into};
use crate::cred::Caller;
use crate::desc::DoorDesc;
use crate::invocation::Invocation;
use crate::pieces::Pieces;

/// The call that a method serves, for a method that wants to know who calls, or whether anybody still waits.
///
/// A method takes it as `&Call`, anywhere among its arguments. It is none of the interface: the client's method does not have
/// it, and nothing of it travels.
///
/// # Examples
/// ```
/// use doors::{Call, Caller, door};
///
/// /// The caller's user id, where it has one.
/// #[door]
/// fn user(call: &Call) -> Option<u32> {
///     match &*call.caller() {
///         Caller::Known(caller) => Some(caller.uid()),
///         _ => None,
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = UserClient::from(user::door()?);
/// assert!(client.call()?.is_some());
/// # Ok(())
/// # }
/// ```
pub struct Call<'call> {
    // No foreign code runs while it is borrowed that could get at it again: what callbacks own lives longer than the call.
    stage: RefCell<Stage<'call>>,
    deadline: Option<Instant>,
    /// How an answer is put, by the type of what the method answers, if it may do so before its end.
    put: Option<&'static dyn Any>,
}

/// How far the answer is.
pub(super) enum Stage<'call> {
    /// There is none.
    Open(Invocation<'call>),
    /// It was handed over; the caller goes on with the method's end.
    Replied(Invocation<'call>),
    /// The caller has gone on.
    Gone { caller: Arc<Caller>, door: u64 },
}

impl<'call> Call<'call> {
    #[inline]
    pub(super) fn new(invocation: Invocation<'call>, deadline: Option<Instant>) -> Self {
        Self {
            stage: RefCell::new(Stage::Open(invocation)),
            deadline,
            put: None,
        }
    }

    /// Of a method that may answer before its end.
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "it is kept as a reference, which does not say of what"
    )]
    pub(super) fn answering<T: 'static>(
        invocation: Invocation<'call>,
        deadline: Option<Instant>,
        put: &'static Put<T>,
    ) -> Self {
        Self {
            put: Some(put),
            ..Self::new(invocation, deadline)
        }
    }

    #[inline]
    pub(super) fn end(self) -> Stage<'call> {
        self.stage.into_inner()
    }

    /// Who calls, by the kernel's word: as [`Invocation::caller`].
    #[must_use]
    pub fn caller(&self) -> Arc<Caller> {
        match &*self.stage.borrow() {
            Stage::Open(invocation) | Stage::Replied(invocation) => invocation.caller(),
            Stage::Gone { caller, .. } => Arc::clone(caller),
        }
    }

    /// The unique id of the door that is called.
    #[must_use]
    pub fn door_id(&self) -> u64 {
        match &*self.stage.borrow() {
            Stage::Open(invocation) | Stage::Replied(invocation) => invocation.door_id(),
            Stage::Gone { door, .. } => *door,
        }
    }

    /// Until when the caller waits, if it has said so: those of [`Client::until`](super::Client::until) do, or `doors call` with a
    /// deadline.
    ///
    /// That is the caller's own word, and counts from when the call began to be served: [`is_cancelled`](Self::is_cancelled) tells
    /// whether the caller has given up. What a method asks of other doors meanwhile needs no more time than that.
    ///
    /// # Examples
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// use doors::{Call, door};
    ///
    /// #[door]
    /// fn square(of: u64) -> u64 {
    ///     of.saturating_mul(of)
    /// }
    ///
    /// /// Asks another door, as long as its own caller waits.
    /// #[door]
    /// fn fourth(of: u64, call: &Call) -> Option<u64> {
    ///     let mut square = SquareClient::from(square::door().ok()?);
    ///     if let Some(deadline) = call.deadline() {
    ///         square = square.until(deadline);
    ///     }
    ///     square.call(square.call(of).ok()?).ok()
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let fourth = FourthClient::from(fourth::door()?);
    /// let soon = Instant::now() + Duration::from_secs(10);
    /// assert_eq!(fourth.until(soon).call(3)?, Some(81));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether the caller has given up (its deadline passed) or died: as [`Invocation::is_cancelled`].
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        match &*self.stage.borrow() {
            Stage::Open(invocation) | Stage::Replied(invocation) => invocation.is_cancelled(),
            Stage::Gone { .. } => false,
        }
    }

    /// Runs `callback` once if the caller gives up or dies before the call is over: as [`Invocation::on_cancel`], which has an
    /// example.
    pub fn on_cancel(&self, callback: impl FnOnce() + Send + 'static) {
        match &mut *self.stage.borrow_mut() {
            Stage::Open(invocation) | Stage::Replied(invocation) => invocation.on_cancel(callback),
            Stage::Gone { .. } => {}
        }
    }

    /// Hands the answer over and keeps control: the value is put into bytes and dropped, and the caller goes on when the method returns.
    ///
    /// Of several answers the first counts. In a method that does not return an [`Answer`] of this type nothing is answered before its
    /// end: this gives back what to return.
    pub fn door_reply<T: 'static>(&self, value: T) -> Answer<T> {
        self.reply(value, |mut invocation, results, descriptors| {
            if let Err(lost) = invocation.reply_pieces(results, descriptors) {
                invocation.lose(&lost);
            }
            Some(invocation)
        })
    }

    /// Answers the call and lets the caller go at once, while the method goes on with what is left to do.
    ///
    /// Of several answers the first counts. In a method that does not return an [`Answer`] of this type nothing is answered before its
    /// end: this gives back what to return.
    ///
    /// # Examples
    /// ```
    /// use doors::{Answer, Call, door};
    ///
    /// #[door]
    /// trait Log {
    ///     fn append(&self, line: String, call: &Call) -> Answer<usize>;
    /// }
    ///
    /// struct File;
    ///
    /// impl Log for File {
    ///     fn append(&self, line: String, call: &Call) -> Answer<usize> {
    ///         let answer = call.door_reply_now(line.len());
    ///         // The caller has gone on; this thread writes.
    ///         drop(line);
    ///         answer
    ///     }
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let log = LogClient::from(LogDoor::serve(File)?);
    /// assert_eq!(log.append("a line".to_owned())?, 6);
    /// # Ok(())
    /// # }
    /// ```
    pub fn door_reply_now<T: 'static>(&self, value: T) -> Answer<T> {
        self.reply(value, |invocation, results, descriptors| {
            let now = invocation.reply_pieces_now(results, descriptors);
            let (mut invocation, lost) = now.err()?;
            invocation.lose(&lost);
            Some(invocation)
        })
    }

    /// Takes the call off its thread once the method returns the [`Answer`]; whoever keeps the [`Promise`] answers it, from any thread.
    ///
    /// # Examples
    /// ```
    /// use std::sync::Mutex;
    ///
    /// use doors::{Answer, Call, Promise, door};
    ///
    /// /// Two callers meet: each gets the name of the other.
    /// #[door]
    /// trait Meeting {
    ///     fn meet(&self, name: String, call: &Call) -> Answer<String>;
    /// }
    ///
    /// #[derive(Default)]
    /// struct Place(Mutex<Option<(String, Promise<String>)>>);
    ///
    /// impl Meeting for Place {
    ///     fn meet(&self, name: String, call: &Call) -> Answer<String> {
    ///         let mut waiting = self.0.lock().unwrap();
    ///         // One that has died is not met.
    ///         match waiting.take().filter(|(_, promise)| !promise.is_cancelled()) {
    ///             Some((other, promise)) => {
    ///                 promise.door_return(name);
    ///                 other.into()
    ///             }
    ///             None => {
    ///                 let (promise, answer) = call.hold();
    ///                 *waiting = Some((name, promise));
    ///                 answer
    ///             }
    ///         }
    ///     }
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let meeting = MeetingClient::from(MeetingDoor::serve(Place::default())?);
    /// let first = std::thread::spawn({
    ///     let meeting = meeting.clone();
    ///     move || meeting.meet("Ada".to_owned())
    /// });
    /// assert_eq!(meeting.meet("Grace".to_owned())?, "Ada");
    /// assert_eq!(first.join().unwrap()?, "Grace");
    /// # Ok(())
    /// # }
    /// ```
    pub fn hold<T>(&self) -> (Promise<T>, Answer<T>) {
        due(matches!(&*self.stage.borrow(), Stage::Open(_)))
    }

    fn reply<T: 'static>(
        &self,
        value: T,
        hand_over: impl FnOnce(
            Invocation<'call>,
            Pieces<'_>,
            Vec<DoorDesc<'_>>,
        ) -> Option<Invocation<'call>>,
    ) -> Answer<T> {
        // Another type is not what callers expect: the method's own value will be.
        let Some(put) = self.put.and_then(<dyn Any>::downcast_ref::<Put<T>>) else {
            return Answer::from(value);
        };
        put_into(value, *put, |results, descriptors| {
            let mut stage = self.stage.borrow_mut();
            let Stage::Open(invocation) = &*stage else {
                return;
            };
            let gone = Stage::Gone {
                caller: invocation.caller(),
                door: invocation.door_id(),
            };
            if let Stage::Open(invocation) = std::mem::replace(&mut *stage, gone)
                && let Some(invocation) = hand_over(invocation, results, descriptors)
            {
                *stage = Stage::Replied(invocation);
            }
        });
        Answer::already()
    }
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("door", &self.door_id())
            .finish_non_exhaustive()
    }
}
