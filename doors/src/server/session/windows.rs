//! The windows of a session, from their offer until they are in use.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use super::Session;
use crate::channel::ends::{End, ServerEnd};
use crate::channel::pair::Pair;
use crate::server::channel::Channel;
use crate::server::core::lock;
use crate::sys::mapping::Mapping;
use crate::sys::{self, memfd};
use crate::wire::code::Failure;
use crate::wire::layout::{Shape, usize_of};
use crate::wire::limits::{PENDING_PAIRS, SESSION_CHANNELS};
use crate::wire::message::{Message, Violation};

/// Areas that are asked back at once: the queue of a socket holds ten packets or so (`net.unix.max_dgram_qlen`). The
/// others come when one has been given back.
const ASKED_AT_ONCE: usize = 4;

#[derive(Default)]
pub(super) struct Windows {
    /// Pairs in use, by number, with the channel they are an area for.
    pub(super) pairs: HashMap<u32, (Arc<Pair>, Option<u32>)>,
    /// Pairs that the client has not acknowledged.
    pub(super) pending: HashMap<u32, Pending>,
    /// Memory of pairs that the client could not map, to be offered again.
    pub(super) unused: Vec<Memory>,
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
    area_for: Option<u32>,
    memory: Memory,
}

/// The memory of a pair, as it is offered. Its bytes are paid for until the session ends, since the client may keep what
/// it says it could not map; the two descriptors are paid for while they are open here.
pub(super) struct Memory {
    shape: Shape,
    /// The reply window, mapped.
    ours: Mapping,
    /// The reply window.
    own: OwnedFd,
    /// The call window.
    theirs: OwnedFd,
}

/// Descriptors of a pair's memory.
const MEMORY_DESCRIPTORS: usize = 2;

impl Memory {
    fn new(shape: Shape) -> sys::Result<Self> {
        let theirs = memfd::create(c"doors-call", shape.window_bytes())?;
        let own = memfd::create(c"doors-reply", shape.window_bytes())?;
        Ok(Self {
            shape,
            ours: Pair::map_own(shape, &own)?,
            own,
            theirs,
        })
    }
}

impl Windows {
    /// Memory of this shape that was offered in vain; an error if nothing may be offered now.
    fn take_unused(&mut self, shape: Shape) -> Result<Option<Memory>, Failure> {
        let all = self.promised.saturating_add(shape.channels());
        if self.pending.len() >= PENDING_PAIRS || all > SESSION_CHANNELS {
            return Err(Failure::NoRoom);
        }
        let place = self.unused.iter().position(|memory| memory.shape == shape);
        Ok(place.map(|place| self.unused.remove(place)))
    }
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

    /// Offers a window pair to the client: one that it could not map before, or a new one.
    pub(crate) fn offer(
        &self,
        wanted: u64,
        channels: u32,
        area_bytes: u64,
        area_for: Option<u32>,
    ) -> Result<(), Failure> {
        let shape = Shape::new(channels, area_bytes).ok_or(Failure::Violation)?;
        let unused = lock(&self.windows).take_unused(shape)?;
        let memory = match unused {
            Some(memory) => memory,
            None => self.make(shape)?,
        };
        let mut windows = lock(&self.windows);
        let (pair, first) = (windows.next_pair, area_for.unwrap_or(windows.promised));
        let packet = Message::Windows {
            wanted,
            session: self.id,
            pair,
            first,
            channels,
            area_bytes,
        };
        let fds = [memory.theirs.as_fd(), memory.own.as_fd()];
        if self.send(&packet.encode(0), &fds).is_err() {
            self.keep(&mut windows, memory);
            return Err(Failure::NoRoom);
        }
        windows.next_pair = pair.wrapping_add(1);
        windows.promised = windows.promised.saturating_add(channels);
        let pending = Pending {
            wanted,
            first,
            area_for,
            memory,
        };
        windows.pending.insert(pair, pending);
        Ok(())
    }

    /// Creates the memory of a pair, which is charged first.
    fn make(&self, shape: Shape) -> Result<Memory, Failure> {
        let bytes = shape.pair_bytes();
        {
            let mut charge = lock(&self.charge);
            if !charge.add(bytes) {
                return Err(Failure::NoRoom);
            }
            if !charge.add_descriptors(MEMORY_DESCRIPTORS) {
                charge.sub(bytes);
                return Err(Failure::NoRoom);
            }
        }
        let memory = Memory::new(shape);
        if memory.is_err() {
            let mut charge = lock(&self.charge);
            charge.sub_descriptors(MEMORY_DESCRIPTORS);
            charge.sub(bytes);
        }
        memory.map_err(|_| Failure::NoRoom)
    }

    /// Keeps memory that the client does not have mapped, for the next offer of this shape.
    fn keep(&self, windows: &mut Windows, memory: Memory) {
        // Whoever asks for ever new shapes has their descriptors closed, and goes on paying for the bytes.
        if windows.unused.len() >= PENDING_PAIRS {
            windows.unused.remove(0);
            lock(&self.charge).sub_descriptors(MEMORY_DESCRIPTORS);
        }
        windows.unused.push(memory);
    }

    /// The client cannot map a pair. Its memory is offered again when the client asks again.
    pub(super) fn unmapped(&self, number: u32) -> Result<(), Violation> {
        let mut windows = lock(&self.windows);
        let Some(lost) = windows.pending.remove(&number) else {
            // It was taken back with one before it, or never offered, or is in use.
            let was_offered = number < windows.next_pair && !windows.pairs.contains_key(&number);
            return was_offered.then_some(()).ok_or(Violation::Turn);
        };
        if lost.area_for.is_none() {
            // The numbers of its channels are free again. Those of later offers come after a gap, so the client takes
            // none of these either, and says so, too.
            windows.promised = lost.first;
            let after = |_: &u32, later: &mut Pending| {
                later.area_for.is_none() && later.first >= lost.first
            };
            let later: Vec<_> = windows.pending.extract_if(after).collect();
            for (_, pending) in later {
                self.keep(&mut windows, pending.memory);
            }
        }
        self.keep(&mut windows, lost.memory);
        Ok(())
    }

    /// The client has mapped a pair: seal it, map it, tell it that the pair may be used.
    pub(super) fn mapped(self: &Arc<Self>, number: u32) -> Result<(), Violation> {
        let mut windows = lock(&self.windows);
        let pending = windows.pending.remove(&number).ok_or(Violation::Turn)?;
        let Pending {
            wanted,
            first,
            area_for,
            memory,
        } = pending;
        let Memory {
            shape,
            ours,
            own,
            theirs,
        } = memory;
        drop(own);
        // Channels are numbered in the order of the offers: after ones that the client does not have there are none.
        if shape.channels() > 0 && usize_of(first) != windows.channels.len() {
            return Err(Violation::Turn);
        }
        let pair = Pair::with_peer(number, shape, ours, theirs).map_err(|_| Violation::Memory)?;
        lock(&self.charge).sub_descriptors(MEMORY_DESCRIPTORS);
        let pair = Arc::new(pair);
        windows.pairs.insert(number, (Arc::clone(&pair), area_for));
        for place in 0..shape.channels() {
            let index = u32::try_from(windows.channels.len()).unwrap_or(u32::MAX);
            let end = End::new(Arc::clone(&pair), place).ok_or(Violation::Memory)?;
            windows
                .channels
                .push(Channel::new(self, index, ServerEnd(end)));
        }
        drop(windows);
        let ready = Message::Ready {
            wanted,
            pair: number,
        }
        .encode(0);
        self.send(&ready, &[]).map_err(|_| Violation::Turn)
    }

    /// Asks the client for the areas of channels that have been quiet for a while. Called when one falls quiet, and by the
    /// leader where a channel lost its thread to others.
    pub(crate) fn ask_back(&self) {
        let channels: Vec<_> = {
            let windows = lock(&self.windows);
            let areas = windows.pairs.values().filter_map(|(_, only)| *only);
            areas
                .filter_map(|channel| windows.channels.get(usize_of(channel)).cloned())
                .collect()
        };
        let mut asked = 0;
        for channel in channels {
            if asked == ASKED_AT_ONCE {
                break;
            }
            if let Some(area) = channel.spare_area() {
                let spare = Message::Spare {
                    channel: channel.index,
                    pair: area.number,
                };
                if self.send(&spare.encode(0), &[]).is_err() {
                    // A client that does not take its packets keeps the area, until it is asked another time.
                    return channel.keep_area(area);
                }
                asked = asked.saturating_add(1);
            }
        }
    }

    /// Whether an area may be asked back. It goes on counting against the user's quota, since the client may have kept the
    /// memory: sessions of a user that have given back much keep what they have in the end, instead of using the quota up.
    pub(crate) fn may_give_back(&self, area: &Pair) -> bool {
        lock(&self.charge).may_give_back(area.shape.pair_bytes())
    }

    /// The client does not use an area any more. A channel that still looks at it does so until its next turn.
    pub(super) fn unused(&self, number: u32) -> Result<(), Violation> {
        let mut windows = lock(&self.windows);
        match windows.pairs.get(&number) {
            Some((_, Some(_))) => {}
            _ => return Err(Violation::Value),
        }
        let gone = windows.pairs.remove(&number);
        let bytes = gone.as_ref().map_or(0, |(pair, _)| pair.shape.pair_bytes());
        drop(windows);
        lock(&self.charge).give_back(bytes);
        // The next ones.
        self.ask_back();
        // Unmapped outside the lock: the call takes its time.
        drop(gone);
        Ok(())
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
