//! A first call, as a packet on the fresh connection that opened the door.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::channel::CancelCallback;
use super::core::{Core, lock};
use super::opener::Opener;
use super::quota::Charge;
use super::token::Token;
use crate::channel::descriptors::send_all;
use crate::cred::Caller;
use crate::desc::DoorDesc;
use crate::error::ReturnError;
use crate::foreign;
use crate::pieces::Pieces;
use crate::primitive::{AtomicBool, AtomicU32, Ordering};
use crate::sys::dense::Dense;
use crate::sys::shared::Shared;
use crate::sys::unclaimed::Unclaimed;
use crate::sys::{barrier, memfd, socket};
use crate::wire::code::Failure;
use crate::wire::limits::{FIRST_GENERATION, PACKET_DATA_BYTES};
use crate::wire::message::Message;

/// A client that waits longer than this is told that its call has arrived, or has begun.
pub(crate) const TELL_AFTER: Duration = Duration::from_millis(5);

/// An answer up to this size takes no time.
const SMALL_BYTES: usize = 16 * 1024;

/// The stages of a packet call.
mod stage {
    /// It waits for a thread.
    pub(super) const QUEUED: u32 = 0;
    /// The procedure has begun: it may have executed from here on.
    pub(super) const TAKEN: u32 = 1;
    /// It was given up before that.
    pub(super) const GIVEN_UP: u32 = 2;
    /// It was answered.
    pub(super) const DONE: u32 = 3;
}

/// What the leader can see of a packet call.
pub(crate) struct Progress {
    pub(crate) generation: u64,
    pub(crate) since: Instant,
    stage: AtomicU32,
    cancelled: AtomicBool,
    /// There was a callback at some time; set by whoever has the call.
    has_callback: AtomicBool,
    on_cancel: Mutex<Option<CancelCallback>>,
}

/// A first call.
pub(crate) struct PacketCall {
    token: Arc<Token>,
    opener: Opener,
    progress: Arc<Progress>,
    /// Until the procedure begins.
    brought: Option<Brought>,
    reply: Option<Reply>,
    answered: bool,
}

/// What a first call has brought, and its user pays for while it waits.
pub(crate) struct Brought {
    pub(crate) data: Vec<u8>,
    /// If it does not run they are closed elsewhere: whoever drops it may be the leader.
    pub(crate) fds: Unclaimed,
    /// None of one that does not wait.
    pub(crate) _charge: Option<Charge>,
}

enum Reply {
    Data { data: Vec<u8>, descriptors: u32 },
    Lost,
}

impl PacketCall {
    pub(super) fn new(
        token: &Arc<Token>,
        opener: Opener,
        generation: u64,
        since: Instant,
        brought: Brought,
    ) -> Self {
        let progress = Progress {
            generation,
            since,
            stage: AtomicU32::new(stage::QUEUED),
            cancelled: AtomicBool::new(false),
            has_callback: AtomicBool::new(false),
            on_cancel: Mutex::new(None),
        };
        Self {
            token: Arc::clone(token),
            opener,
            progress: Arc::new(progress),
            brought: Some(brought),
            reply: None,
            answered: false,
        }
    }

    /// The door that is called.
    pub(crate) fn core(&self) -> &Dense<Core> {
        &self.token.core
    }

    /// The connection by which it came.
    pub(super) fn token(&self) -> &Token {
        &self.token
    }

    /// Who has made that.
    pub(super) fn opener(&self) -> &Opener {
        &self.opener
    }

    /// When it was read.
    pub(super) fn begun(&self) -> Instant {
        self.progress.since
    }

    pub(crate) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// How many bytes and descriptors wait with it.
    pub(crate) fn sizes(&self) -> (u64, u32) {
        let brought = self.brought.as_ref();
        brought.map_or((0, 0), |brought| {
            let bytes = u64::try_from(brought.data.len()).unwrap_or(u64::MAX);
            let descriptors = u32::try_from(brought.fds.len()).unwrap_or(u32::MAX);
            (bytes, descriptors)
        })
    }

    /// What it has brought, for the procedure, which nobody pays for.
    pub(crate) fn take_brought(&mut self) -> (Vec<u8>, Vec<OwnedFd>) {
        let Some(mut brought) = self.brought.take() else {
            return (Vec::new(), Vec::new());
        };
        (std::mem::take(&mut brought.data), brought.fds.take())
    }

    /// The procedure is about to begin; the door, counted as active. `None` if the call was given up or the door
    /// takes no calls any more: the opener has then been told.
    pub(crate) fn take(&mut self) -> Option<Dense<Core>> {
        let core = Dense::clone(&self.token.core);
        core.begin();
        // A swap is a full read-modify-write: either we see GIVEN_UP, or the leader sees TAKEN.
        let taken = self.progress.stage.compare_exchange(
            stage::QUEUED,
            stage::TAKEN,
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        barrier::full();
        let (bytes, descriptors) = self.sizes();
        if taken.is_err() {
            // The leader has said so to the opener.
            self.answered = true;
            core.end();
            return None;
        }
        match core.refuses(bytes, descriptors) {
            None => Some(core),
            Some(failure) => {
                core.end();
                self.refuse(failure, core.limit(failure, bytes));
                None
            }
        }
    }

    /// Whether it was given up before it began.
    pub(crate) fn is_given_up(&self) -> bool {
        self.progress.is_given_up()
    }

    pub(crate) fn caller(&self) -> Arc<Caller> {
        self.opener.caller(&self.token)
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.progress.cancelled.load(Ordering::Acquire)
    }

    pub(crate) fn set_on_cancel(&self, callback: CancelCallback) {
        self.progress.has_callback.store(true, Ordering::Relaxed);
        let before = lock(&self.progress.on_cancel).replace(callback);
        foreign::discard(before);
        if self.is_cancelled() {
            self.progress.run_on_cancel();
        }
    }

    pub(crate) fn put_reply(
        &mut self,
        data: Pieces<'_>,
        descriptors: &[DoorDesc<'_>],
    ) -> Result<(), ReturnError> {
        if self.reply.is_some() {
            return Err(ReturnError::AlreadyReplied);
        }
        let mut copy = Vec::new();
        copy.try_reserve_exact(data.len())
            .map_err(|_| ReturnError::NoRoom)?;
        data.append_to(&mut copy);
        // Last, because it cannot be undone. An opener that has gone, or listens no more, is no error.
        match send_all(&self.token.socket, self.progress.generation, descriptors) {
            Ok(()) | Err(Errno::EPIPE | Errno::ECONNRESET) => {}
            Err(source) => {
                return Err(ReturnError::System {
                    op: "send the descriptors of a reply",
                    source,
                });
            }
        }
        let descriptors = u32::try_from(descriptors.len()).unwrap_or(u32::MAX);
        self.reply = Some(Reply::Data {
            data: copy,
            descriptors,
        });
        Ok(())
    }

    /// Whether its answer is one small packet that is not sent yet.
    pub(crate) fn is_small(&self) -> bool {
        !self.answered
            && !matches!(&self.reply, Some(Reply::Data { data, .. }) if data.len() > SMALL_BYTES)
    }

    pub(crate) fn lose_reply(&mut self) {
        self.reply = Some(Reply::Lost);
    }

    /// Sends the answer. An opener that does not take its packets is not waited for.
    pub(crate) fn finish(&mut self, without: Failure) {
        self.refuse(without, 0);
    }

    /// As [`Self::finish`], with the limit that the call went beyond.
    pub(super) fn refuse(&mut self, without: Failure, limit: u64) {
        self.answered = true;
        self.progress.stage.store(stage::DONE, Ordering::Release);
        if self.progress.has_callback.load(Ordering::Relaxed) {
            // What it owns may do anything at its end.
            foreign::discard(lock(&self.progress.on_cancel).take());
        }
        let generation = self.progress.generation;
        let sent = match self.reply.take() {
            Some(Reply::Data { data, descriptors }) => {
                send_reply(&self.token, generation, &data, descriptors)
            }
            Some(Reply::Lost) => send_failure(&self.token, generation, Failure::ReplyLost, 0),
            None => send_failure(&self.token, generation, without, limit),
        };
        if sent.is_err() {
            let _gone = send_failure(&self.token, generation, Failure::ReplyLost, 0);
        }
    }
}

impl Drop for PacketCall {
    /// A call that no thread could take (its pool closed) is answered all the same.
    fn drop(&mut self) {
        if !self.answered && !self.progress.is_given_up() {
            let core = &self.token.core;
            self.finish(core.closed().unwrap_or_else(|| core.over()));
        }
    }
}

/// Tells the opener why there are no results, and the limit that its call went beyond, if it did.
pub(super) fn send_failure(
    token: &Token,
    generation: u64,
    code: Failure,
    limit: u64,
) -> crate::sys::Result<()> {
    let packet = Message::Reply {
        generation,
        code: code.number(),
        descriptors: 0,
        bytes: limit,
    };
    socket::send(&token.socket, &[&packet.encode(0)], &[])
}

/// Ends a connection on which no call was read. One that has come there, or comes at this moment, is not executed, and
/// its opener hears why.
pub(crate) fn turn_away(connection: &Shared, code: Failure) {
    let packet = Message::Reply {
        generation: FIRST_GENERATION,
        code: code.number(),
        descriptors: 0,
        bytes: 0,
    };
    let _gone = socket::send(connection, &[&packet.encode(0)], &[]);
    connection.hang_up();
}

/// Data that one packet cannot carry travel in a memfd that nobody can change any more.
fn send_reply(
    token: &Token,
    generation: u64,
    data: &[u8],
    descriptors: u32,
) -> crate::sys::Result<()> {
    let bytes = u64::try_from(data.len()).unwrap_or(u64::MAX);
    let message = Message::Reply {
        generation,
        code: 0,
        descriptors,
        bytes,
    };
    if data.len() <= PACKET_DATA_BYTES {
        return socket::send(&token.socket, &[&message.encode(data.len()), data], &[]);
    }
    let memory = memfd::frozen(c"doors-results", data)?;
    token.socket.may_send(1)?;
    token.socket.send(&[&message.encode(0)], &[memory.as_fd()])
}

impl Progress {
    /// Whether the answer has been sent.
    pub(crate) fn is_done(&self) -> bool {
        self.stage.load(Ordering::Acquire) >= stage::GIVEN_UP
    }

    /// What the opener is told when it has waited for a while.
    pub(crate) fn notice(&self) -> Message {
        let generation = self.generation;
        if self.stage.load(Ordering::Acquire) == stage::TAKEN {
            Message::Taken { generation }
        } else {
            Message::Queued { generation }
        }
    }

    /// The opener gives the call up or has gone. True: it had not begun and never will.
    pub(crate) fn give_up(&self) -> bool {
        if self.is_done() {
            return false;
        }
        let queued = self.take_back();
        if !queued {
            self.cancelled.store(true, Ordering::Release);
            self.run_on_cancel();
        }
        queued
    }

    /// As [`Self::give_up`], but a call that has begun goes on undisturbed.
    pub(crate) fn take_back(&self) -> bool {
        let kept = self.stage.compare_exchange(
            stage::QUEUED,
            stage::GIVEN_UP,
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        kept.is_ok()
    }

    /// Whether it was given up before it had begun: its opener has heard of it.
    fn is_given_up(&self) -> bool {
        self.stage.load(Ordering::Acquire) == stage::GIVEN_UP
    }

    fn run_on_cancel(&self) {
        let callback = lock(&self.on_cancel).take();
        if let Some(callback) = callback {
            foreign::run(callback);
        }
    }
}
