//! The windows of a session, from their offer until they are in use.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::Session;
use crate::channel::ends::{End, ServerEnd};
use crate::channel::pair::Pair;
use crate::server::channel::Channel;
use crate::server::core::lock;
use crate::sys::mapping::Mapping;
use crate::sys::memfd;
use crate::wire::code::Failure;
use crate::wire::layout::{Shape, usize_of};
use crate::wire::limits::{PENDING_PAIRS, SESSION_CHANNELS};
use crate::wire::message::{Message, Violation};

#[derive(Default)]
pub(super) struct Windows {
    /// Pairs in use, by number, with the channel they are an area for.
    pub(super) pairs: HashMap<u32, (Arc<Pair>, Option<u32>)>,
    /// Pairs that the client has not acknowledged.
    pub(super) pending: HashMap<u32, Pending>,
    pub(super) channels: Vec<Arc<Channel>>,
    /// Channels that exist or are on their way.
    promised: u32,
    next_pair: u32,
}

/// A pair that was sent and is not yet mapped by the client.
pub(super) struct Pending {
    wanted: u64,
    /// The first channel that was promised with it.
    first: u32,
    shape: Shape,
    area_for: Option<u32>,
    ours: Mapping,
    theirs: OwnedFd,
}

impl Session {
    /// The area that a channel may use under this number.
    pub(crate) fn area_of(&self, pair: u32, channel: u32) -> Option<Arc<Pair>> {
        let windows = lock(&self.windows);
        let own = windows
            .channels
            .get(usize_of(channel))
            .map(|c| c.end.0.pair().number);
        let (found, area_for) = windows.pairs.get(&pair)?;
        let allowed = area_for.map_or(own == Some(pair), |only| only == channel);
        allowed.then(|| Arc::clone(found))
    }

    /// Creates a window pair and offers it to the client.
    pub(crate) fn offer(
        &self,
        wanted: u64,
        channels: u32,
        area_bytes: u64,
        area_for: Option<u32>,
    ) -> Result<(), Failure> {
        let shape = Shape::new(channels, area_bytes).ok_or(Failure::Violation)?;
        if lock(&self.windows).pending.len() >= PENDING_PAIRS {
            return Err(Failure::NoRoom);
        }
        let bytes = shape.window_bytes().saturating_mul(2);
        if !lock(&self.charge).add(bytes) {
            return Err(Failure::NoRoom);
        }
        let offered = self.offer_paid(wanted, shape, area_bytes, area_for);
        if offered.is_err() {
            lock(&self.charge).sub(bytes);
        }
        offered
    }

    fn offer_paid(
        &self,
        wanted: u64,
        shape: Shape,
        area_bytes: u64,
        area_for: Option<u32>,
    ) -> Result<(), Failure> {
        let channels = shape.channels();
        let make = |name| memfd::create(name, shape.window_bytes()).map_err(|_| Failure::NoRoom);
        let (theirs, own) = (make(c"doors-call")?, make(c"doors-reply")?);
        let ours = Pair::map_own(shape, &own).map_err(|_| Failure::NoRoom)?;
        let mut windows = lock(&self.windows);
        let first = area_for.unwrap_or(windows.promised);
        if area_for.is_none() && windows.promised.saturating_add(channels) > SESSION_CHANNELS {
            return Err(Failure::NoRoom);
        }
        let pair = windows.next_pair;
        let packet = Message::Windows {
            wanted,
            session: self.id,
            pair,
            first,
            channels,
            area_bytes,
        };
        let fds = [
            std::os::fd::AsFd::as_fd(&theirs),
            std::os::fd::AsFd::as_fd(&own),
        ];
        self.send(&packet.encode(0), &fds)
            .map_err(|_| Failure::NoRoom)?;
        windows.next_pair = pair.wrapping_add(1);
        windows.promised = windows.promised.saturating_add(channels);
        windows.pending.insert(
            pair,
            Pending {
                wanted,
                first,
                shape,
                area_for,
                ours,
                theirs,
            },
        );
        Ok(())
    }

    /// The client has mapped a pair: seal it, map it, tell it that the pair may be used.
    pub(super) fn mapped(self: &Arc<Self>, number: u32) -> Result<(), Violation> {
        let mut windows = lock(&self.windows);
        let pending = windows.pending.remove(&number).ok_or(Violation::Turn)?;
        let Pending {
            wanted,
            first,
            shape,
            area_for,
            ours,
            theirs,
        } = pending;
        // Channels are numbered in the order of the offers: after ones that the client does not have there are none.
        if shape.channels() > 0 && usize_of(first) != windows.channels.len() {
            return Err(Violation::Turn);
        }
        let pair = Pair::with_peer(number, shape, ours, theirs).map_err(|_| Violation::Memory)?;
        let pair = Arc::new(pair);
        windows.pairs.insert(number, (Arc::clone(&pair), area_for));
        for place in 0..shape.channels() {
            let index = u32::try_from(windows.channels.len()).unwrap_or(u32::MAX);
            let end = ServerEnd(End::new(Arc::clone(&pair), place));
            windows.channels.push(Channel::new(self, index, end));
        }
        drop(windows);
        let ready = Message::Ready {
            wanted,
            pair: number,
        }
        .encode(0);
        self.send(&ready, &[]).map_err(|_| Violation::Turn)
    }

    /// Makes what the client wants more of: channels, or a larger area for one.
    pub(super) fn grow(&self, wanted: u64, channel: u32, area_bytes: u64) -> Result<(), Violation> {
        let offered = if area_bytes == 0 {
            // Twice as many as there are: the number of pairs stays small.
            let more = lock(&self.windows).promised.max(1);
            let room = SESSION_CHANNELS.saturating_sub(more);
            if room == 0 {
                Err(Failure::NoRoom)
            } else {
                let area = u64::try_from(crate::wire::limits::AREA_BYTES).unwrap_or(u64::MAX);
                self.offer(wanted, more.min(room), area, None)
            }
        } else {
            self.channel(channel).ok_or(Violation::Value)?;
            self.offer(wanted, 0, area_bytes, Some(channel))
        };
        offered.or_else(|code| self.refuse(wanted, code))
    }
}
