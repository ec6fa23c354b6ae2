//! The way back to a caller.

use std::sync::Arc;

use super::channel::CancelCallback;
use super::core::Core;
use super::duty::{Duty, Progress};
use super::packet::PacketCall;
use super::session::Registration;
use crate::channel::ends::ReplyHead;
use crate::cred::Caller;
use crate::desc::DoorDesc;
use crate::error::ReturnError;
use crate::local::LocalCall;
use crate::pieces::Pieces;
#[cfg(feature = "derive")]
use crate::sys::account::Account;
use crate::sys::dense::Dense;
use crate::wire::code::{Answer, Failure};
use crate::wire::limits::DESCRIPTORS;

/// Where the answer of an invocation goes.
pub(crate) enum Line {
    /// Through a channel of a session.
    Channel(Box<Duty>),
    /// As a packet on the connection that brought the call.
    Packet(Box<PacketCall>),
    /// To a caller in this process, without any transport.
    Local(Box<LocalCall>),
    /// To nobody: the caller is our parent's, and gets its answer there.
    Inherited,
}

impl Line {
    /// Lets go of a line that this process has from the one that forked it.
    ///
    /// The caller of a server procedure that forks waits for one answer, the parent's. The child has no windows of
    /// the session (`MADV_DONTFORK`), and its packets would come from another process.
    #[inline]
    pub(crate) fn disown(line: &mut Option<Self>, core: &Core) {
        if core.is_inherited()
            && let Some(Self::Channel(_) | Self::Packet(_)) = line
        {
            forget(line.replace(Self::Inherited));
        }
    }

    /// Hands a reply over; the caller goes on with [`Self::finish`].
    #[inline]
    pub(crate) fn put_reply(
        &mut self,
        data: Pieces<'_>,
        descriptors: Vec<DoorDesc<'_>>,
    ) -> Result<(), ReturnError> {
        if descriptors.len() > DESCRIPTORS {
            return Err(ReturnError::TooManyDescriptors {
                count: descriptors.len(),
                limit: DESCRIPTORS,
            });
        }
        match self {
            Self::Channel(duty) => duty.put_reply(data, &descriptors),
            other => other.put_reply_apart(data, descriptors),
        }
    }

    /// As [`Self::finish_apart`].
    #[cold]
    fn put_reply_apart(
        &mut self,
        data: Pieces<'_>,
        descriptors: Vec<DoorDesc<'_>>,
    ) -> Result<(), ReturnError> {
        match self {
            Self::Packet(call) => call.put_reply(data, &descriptors),
            Self::Local(call) => call.put_reply(data, descriptors),
            Self::Channel(_) | Self::Inherited => Ok(()),
        }
    }

    /// Lets the caller go: with the reply that was handed over, else with the code.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "one run of code: `server/desk.rs`")]
    pub(crate) fn finish(&mut self, without: Failure) {
        match self {
            Self::Channel(duty) => duty.finish(without),
            other => other.finish_apart(without),
        }
    }

    /// The same by other ways than a channel. A table of jumps would be one more line of data, and a jump that is guessed wrong.
    #[cold]
    fn finish_apart(&mut self, without: Failure) {
        match self {
            Self::Packet(call) => call.finish(without),
            Self::Local(call) => call.finish(without),
            Self::Channel(_) | Self::Inherited => {}
        }
    }

    /// Whether its answer is one small packet that is not sent yet.
    #[inline]
    pub(crate) fn is_small(&self) -> bool {
        matches!(self, Self::Packet(call) if call.is_small())
    }

    /// The reply could not be handed over: the caller is told so instead.
    pub(crate) fn lose_reply(&mut self) {
        match self {
            Self::Channel(duty) => {
                duty.lose_reply();
            }
            Self::Packet(call) => call.lose_reply(),
            Self::Local(call) => call.lose_reply(),
            Self::Inherited => {}
        }
    }

    /// The invocation leaves its thread: whoever calls next on this channel has to ring.
    pub(crate) fn leave_thread(&mut self) {
        if let Self::Channel(duty) = self {
            duty.has_left = true;
            duty.channel.end.say_quiet();
            crate::primitive::fence(crate::primitive::Ordering::SeqCst);
        }
    }

    /// After the answer of an invocation that had left its thread: the channel is open for the next call.
    pub(crate) fn put_back(self) {
        if let Self::Channel(mut duty) = self {
            duty.has_left = false;
            duty.retire();
        }
    }

    /// Who calls.
    pub(crate) fn caller(&self) -> Arc<Caller> {
        match self {
            Self::Channel(duty) => duty.channel.session.caller(),
            Self::Packet(call) => call.caller(),
            Self::Local(call) => call.caller(),
            Self::Inherited => Arc::new(Caller::Unknown),
        }
    }

    /// Whether the caller has given up or died.
    pub(crate) fn is_cancelled(&self) -> bool {
        match self {
            Self::Channel(duty) => duty.channel.is_cancelled(duty.generation),
            Self::Packet(call) => call.is_cancelled(),
            Self::Local(call) => call.is_cancelled(),
            Self::Inherited => true,
        }
    }

    /// Who pays for what the call has brought and nobody wants; nobody if it came from this process.
    #[cfg(feature = "derive")]
    pub(crate) fn account(&self) -> Option<&Account> {
        match self {
            Self::Channel(duty) => Some(duty.channel.session.socket.account()),
            Self::Packet(call) => Some(call.token().socket.account()),
            Self::Local(_) | Self::Inherited => None,
        }
    }

    /// Runs the callback when the caller gives up or dies.
    pub(crate) fn on_cancel(&mut self, callback: CancelCallback) {
        match self {
            Self::Channel(duty) => {
                duty.callback_set = true;
                duty.channel.set_on_cancel(duty.generation, callback);
            }
            Self::Packet(call) => call.set_on_cancel(callback),
            Self::Local(call) => call.set_on_cancel(callback),
            Self::Inherited => drop(callback),
        }
    }
}

/// Everything in it belongs to the parent; no drop of it may run here.
#[cold]
#[expect(
    clippy::mem_forget,
    reason = "the drop would answer the parent's caller"
)]
fn forget(line: Option<Line>) {
    std::mem::forget(line);
}

impl Duty {
    /// Asks for the next part of the arguments.
    pub(crate) fn ask_more(&mut self, collecting: super::duty::Collecting) {
        self.progress = Progress::Collecting(Box::new(collecting));
        let head = ReplyHead {
            answer: Answer::More.number(),
            generation: self.generation,
            ..ReplyHead::default()
        };
        self.answer(&head);
    }

    /// The registration of this number in the channel's session; a dead one if its call is promised to run. It is the
    /// duty's last one no more: whoever has served the call puts it back, so that a call counts no reference.
    #[inline]
    pub(crate) fn registration(&mut self, number: u64) -> Option<Dense<Registration>> {
        let last = self.last.take();
        if let Some(last) = last
            && last.number == number
            && last.is_live()
        {
            return Some(last);
        }
        let found = self.channel.session.registration(number);
        found.or_else(|| self.channel.promised(self.turn.wrapping_add(1), number))
    }
}
