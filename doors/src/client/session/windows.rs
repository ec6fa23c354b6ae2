//! The windows of a session, from their offer until they may be used.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use nix::errno::Errno;

use super::Session;
use super::asking::{Granted, Wish};
use crate::channel::ends::{ClientEnd, End};
use crate::channel::pair::Pair;
use crate::client::channel::Channel;
use crate::lock::lock;
use crate::primitive::Ordering;
use crate::wire::code::Failure;
use crate::wire::layout::{Shape, usize_of};
use crate::wire::limits::SESSION_CHANNELS;
use crate::wire::message::{Message, Violation};

/// The windows of more channels are at most this long: what a server creates unasked must not fill our memory.
const LONGEST_WINDOW_BYTES: usize = 16 * 1024 * 1024;

/// A pair that is mapped here and not sealed yet.
pub(super) struct Offered {
    pub(super) pair: Arc<Pair>,
    pub(super) first: u32,
    pub(super) wanted: u64,
}

impl Session {
    /// A pair is offered: verify, map, acknowledge. It is not used before it is ready.
    ///
    /// Lack of memory here is no fault of the server: it costs the request, not the session.
    pub(super) fn map(
        &self,
        wanted: u64,
        number: u32,
        first: u32,
        shape: Shape,
        fds: &[OwnedFd],
    ) -> Result<(), Violation> {
        let [call, reply] = fds else {
            return Err(Violation::Descriptors);
        };
        self.claim_offer(wanted, first, shape)?;
        // The server counts channels on from those that it has offered; without them these could not be named.
        if shape.channels() > 0 && self.no_more_channels.load(Ordering::Relaxed) {
            return self.cannot_map(wanted, shape.channels());
        }
        let pair = match Pair::map(number, shape, call, reply) {
            Ok(pair) => pair,
            Err(Errno::ENOMEM | Errno::EAGAIN | Errno::EMFILE | Errno::ENFILE) => {
                return self.cannot_map(wanted, shape.channels());
            }
            Err(_) => return Err(Violation::Memory),
        };
        let offered = Offered {
            pair: Arc::new(pair),
            first,
            wanted,
        };
        let before = lock(&self.inbox).offered.insert(number, offered);
        if before.is_some() {
            return Err(Violation::Turn);
        }
        match self.tell(&Message::Mapped { pair: number }) {
            // The server is busy, with hundreds of packets of ours unread.
            Err(Errno::EAGAIN) => {
                let unused = lock(&self.inbox).offered.remove(&number);
                drop(unused);
                self.cannot_map(wanted, shape.channels())
            }
            // The session's end is seen by whoever watches it.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Windows that the server has offered cannot be had here. It keeps their numbers, so that no further channels
    /// can come after channels that were lost.
    pub(super) fn cannot_map(&self, wanted: u64, channels: u32) -> Result<(), Violation> {
        if channels > 0 {
            self.no_more_channels.store(true, Ordering::Relaxed);
        }
        self.grant(wanted, None, Err(Failure::NoRoom))
    }

    /// Whether windows are what was asked for under this number, and come for the first time.
    fn claim_offer(&self, wanted: u64, first: u32, shape: Shape) -> Result<(), Violation> {
        let mut inbox = lock(&self.inbox);
        let asked = inbox.asked.get_mut(&wanted).ok_or(Violation::Turn)?;
        let bytes = u64::try_from(shape.area_bytes()).unwrap_or(u64::MAX);
        let fits = match asked.what {
            Wish::Channels => shape.channels() > 0 && shape.window_bytes() <= LONGEST_WINDOW_BYTES,
            wish @ Wish::Area { .. } => {
                let channel = first;
                shape.channels() == 0 && wish == Wish::Area { channel, bytes }
            }
            Wish::Socket { .. } => false,
        };
        if !fits || std::mem::replace(&mut asked.offered, true) {
            return Err(Violation::Value);
        }
        Ok(())
    }

    pub(super) fn ready(self: &Arc<Self>, wanted: u64, number: u32) -> Result<(), Violation> {
        let (pair, first, asked) = {
            let mut inbox = lock(&self.inbox);
            let offered = inbox.offered.remove(&number).ok_or(Violation::Turn)?;
            if offered.wanted != wanted {
                return Err(Violation::Value);
            }
            let asked = inbox.asked.remove(&wanted).ok_or(Violation::Turn)?;
            (offered.pair, offered.first, asked)
        };
        if pair.shape.channels() > 0 {
            let mut channels = Vec::clone(&self.channels.load());
            let all = channels
                .len()
                .saturating_add(usize_of(pair.shape.channels()));
            if usize_of(first) != channels.len() || all > usize_of(SESSION_CHANNELS) {
                return Err(Violation::Value);
            }
            for place in 0..pair.shape.channels() {
                let index = u32::try_from(channels.len()).unwrap_or(u32::MAX);
                let end = ClientEnd(End::new(Arc::clone(&pair), place));
                channels.push(Arc::new(Channel::new(index, end)));
            }
            self.channels.store(Arc::new(channels));
        }
        self.granted(wanted, asked, Ok(Granted::Pair(pair)));
        Ok(())
    }

    /// Whether the first windows could not be had: the session cannot begin.
    pub(crate) fn is_without_channels(&self) -> bool {
        self.no_more_channels.load(Ordering::Relaxed) && self.channels.load().is_empty()
    }
}
