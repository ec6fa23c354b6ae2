//! The way back to a caller.

use std::sync::Arc;

use super::channel::CancelCallback;
use super::core::Core;
use super::duty::{Duty, Progress, Sending, Unsent};
use super::packet::PacketCall;
use super::session::{Paid, Registration};
use crate::channel::ends::{CallHead, ReplyHead};
use crate::channel::small::{SmallReply, pack};
use crate::cred::Caller;
use crate::desc::DoorDesc;
use crate::error::ReturnError;
use crate::local::LocalCall;
use crate::wire::code::{Answer, Failure};
use crate::wire::layout::SMALL_REPLY_BYTES;
use crate::wire::limits::DESCRIPTORS;
use crate::wire::message::Violation;

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
    pub(crate) fn put_reply(
        &mut self,
        data: &[u8],
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
            Self::Packet(call) => call.put_reply(data, &descriptors),
            Self::Local(call) => call.put_reply(data, descriptors),
            Self::Inherited => Ok(()),
        }
    }

    /// Lets the caller go: with the reply that was handed over, else with the code.
    pub(crate) fn finish(&mut self, without: Failure) {
        match self {
            Self::Channel(duty) => duty.finish(without),
            Self::Packet(call) => call.finish(without),
            Self::Local(call) => call.finish(without),
            Self::Inherited => {}
        }
    }

    /// The reply could not be handed over: the caller is told so instead.
    pub(crate) fn lose_reply(&mut self) {
        match self {
            Self::Channel(duty) => {
                let head = ReplyHead {
                    answer: Answer::Failed.number(),
                    generation: duty.generation,
                    code: Failure::ReplyLost.number(),
                    ..ReplyHead::default()
                };
                duty.reply = Some(Prepared { head, rest: None });
            }
            Self::Packet(call) => call.lose_reply(),
            Self::Local(call) => call.lose_reply(),
            Self::Inherited => {}
        }
    }

    /// The invocation leaves its thread: whoever calls next on this channel has to ring.
    pub(crate) fn leave_thread(&mut self) {
        if let Self::Channel(duty) = self {
            duty.channel.end.say_quiet();
            crate::primitive::fence(crate::primitive::Ordering::SeqCst);
        }
    }

    /// After the answer of an invocation that had left its thread: the channel is open for the next call.
    pub(crate) fn put_back(self) {
        if let Self::Channel(duty) = self {
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

/// A reply that was handed over and not yet published.
pub(crate) struct Prepared {
    head: ReplyHead,
    /// What did not fit the area.
    rest: Option<Box<Sending>>,
}

impl Duty {
    fn put_reply(&mut self, data: &[u8], descriptors: &[DoorDesc<'_>]) -> Result<(), ReturnError> {
        if self.reply.is_some() {
            return Err(ReturnError::AlreadyReplied);
        }
        let total = u64::try_from(data.len()).unwrap_or(u64::MAX);
        let area_bytes = self.area_bytes();
        let (now, rest) = data.split_at_checked(area_bytes).unwrap_or((data, &[]));
        let mut small = SmallReply::default();
        if total <= SMALL_REPLY_BYTES {
            small = pack(data);
        } else if !self.area.ours.store(self.area_at(), now) {
            return Err(ReturnError::NoRoom);
        }
        let count = u32::try_from(descriptors.len()).unwrap_or(0);
        let rest = match rest {
            [] => None,
            rest => Some(self.keep(rest, total, count)?),
        };
        // Last of what can fail: the caller would take them for those of the reply that is tried instead.
        if !descriptors.is_empty() {
            self.channel
                .send_descriptors(self.generation, descriptors)?;
        }
        let head = ReplyHead {
            answer: if rest.is_none() {
                Answer::Returned
            } else {
                Answer::Part
            }
            .number(),
            generation: self.generation,
            total,
            part: u32::try_from(now.len()).unwrap_or(0),
            descriptors: if rest.is_none() { count } else { 0 },
            code: 0,
            small,
        };
        self.reply = Some(Prepared { head, rest });
        Ok(())
    }

    /// A private copy of what does not fit the area, until the client has taken it.
    #[cold]
    fn keep(&self, rest: &[u8], total: u64, descriptors: u32) -> Result<Box<Sending>, ReturnError> {
        let mut paid = Paid::nothing(&self.channel.session);
        let mut copy = Vec::new();
        if !paid.more(rest.len()) || copy.try_reserve_exact(rest.len()).is_err() {
            return Err(ReturnError::NoRoom);
        }
        copy.extend_from_slice(rest);
        Ok(Box::new(Sending {
            rest: copy,
            _paid: paid,
            _unsent: Unsent::begun(&self.channel.session.runtime),
            sent: 0,
            total,
            descriptors,
        }))
    }

    #[inline]
    fn finish(&mut self, without: Failure) {
        if self.callback_set {
            self.callback_set = false;
            self.channel.clear_on_cancel();
        }
        match self.reply.take() {
            Some(Prepared { head, rest }) => {
                if let Some(rest) = rest {
                    self.progress = Progress::Sending(rest);
                }
                self.answer(&head);
            }
            None => self.fail(without),
        }
    }

    /// Sends the next part of the results.
    pub(crate) fn send_next(&mut self, head: &CallHead) -> Result<(), Violation> {
        if head.generation != self.generation || !self.choose_area(head) {
            return Err(Violation::Value);
        }
        let Progress::Sending(mut sending) = std::mem::replace(&mut self.progress, Progress::Idle)
        else {
            return Err(Violation::Turn);
        };
        let left = sending.rest.get(sending.sent..).unwrap_or_default();
        let part = left.get(..self.area_bytes()).unwrap_or(left);
        if !self.area.ours.store(self.area_at(), part) {
            return Err(Violation::Value);
        }
        let part_bytes = u32::try_from(part.len()).unwrap_or(0);
        sending.sent = sending.sent.saturating_add(part.len());
        let last = sending.sent >= sending.rest.len();
        let reply = ReplyHead {
            answer: if last { Answer::Returned } else { Answer::Part }.number(),
            generation: self.generation,
            total: sending.total,
            part: part_bytes,
            descriptors: if last { sending.descriptors } else { 0 },
            ..ReplyHead::default()
        };
        if !last {
            self.progress = Progress::Sending(sending);
        }
        self.answer(&reply);
        Ok(())
    }

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
    pub(crate) fn registration(&mut self, number: u64) -> Option<Arc<Registration>> {
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
