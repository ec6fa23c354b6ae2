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
use crate::wire::code::Failure;
use crate::wire::layout::{Shape, usize_of};
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
        if shape.channels() > 0 && !self.continues(first) {
            return self.cannot_map(wanted, number, shape.channels());
        }
        let pair = match Pair::map(number, shape, call, reply) {
            Ok(pair) => pair,
            Err(Errno::ENOMEM | Errno::EAGAIN | Errno::EMFILE | Errno::ENFILE) => {
                return self.cannot_map(wanted, number, shape.channels());
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
            // The session's end is seen by whoever watches it.
            Ok(()) | Err(Errno::EPIPE | Errno::ECONNRESET) => Ok(()),
            // The server is busy, with hundreds of packets of ours unread, or the kernel has no memory for one more.
            Err(_) => {
                let unused = lock(&self.inbox).offered.remove(&number);
                drop(unused);
                self.cannot_map(wanted, number, shape.channels())
            }
        }
    }

    /// Whether channels from this number on can be named. The server counts them in the order of its offers: after
    /// ones that could not be had come others, until it has heard of that and begins there again.
    fn continues(&self, first: u32) -> bool {
        let mut inbox = lock(&self.inbox);
        let coming = inbox.offered.values().map(|offered| offered.pair.shape);
        let ours = self.channels.len();
        let ours = coming.fold(ours, |sum, shape| {
            sum.saturating_add(usize_of(shape.channels()))
        });
        inbox.gap &= usize_of(first) != ours;
        !inbox.gap
    }

    /// Windows that the server has offered cannot be had here. It is told, so that it may offer them again.
    pub(super) fn cannot_map(
        &self,
        wanted: u64,
        number: u32,
        channels: u32,
    ) -> Result<(), Violation> {
        {
            let mut inbox = lock(&self.inbox);
            inbox.gap |= channels > 0;
            inbox.unsaid.push(number);
        }
        self.say_unmapped();
        self.grant(wanted, None, Err(Failure::NoRoom))
    }

    /// Tells the server of windows that could not be had, as far as it can be told.
    pub(super) fn say_unmapped(&self) {
        let mut inbox = lock(&self.inbox);
        // The first first: with it the server takes back what it has offered after it.
        while let Some(pair) = inbox.unsaid.first().copied() {
            match self.tell(&Message::Unmapped { pair }) {
                Ok(()) => inbox.unsaid.remove(0),
                Err(_) => return,
            };
        }
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
            if !self.channels.have_room_for(pair.shape.channels()) {
                return Err(Violation::Value);
            }
            for place in 0..pair.shape.channels() {
                let number = first.checked_add(place).ok_or(Violation::Value)?;
                let end = End::new(Arc::clone(&pair), place).ok_or(Violation::Memory)?;
                if !self.channels.push(Channel::new(number, ClientEnd(end))) {
                    return Err(Violation::Value);
                }
            }
        }
        self.granted(wanted, asked, Ok(Granted::Pair(pair)));
        Ok(())
    }

    /// Whether the first windows could not be had: the session cannot begin.
    pub(crate) fn is_without_channels(&self) -> bool {
        lock(&self.inbox).gap
    }
}
