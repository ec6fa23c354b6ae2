//! The channels of a session.

use std::sync::OnceLock;

use super::channel::Channel;
use crate::wire::layout::usize_of;
use crate::wire::limits::SESSION_CHANNELS;

/// Channels, numbered from 0. They only become more: a caller gets at its own without a lock and without counting a
/// reference.
#[derive(Debug)]
pub(crate) struct Channels(Box<[OnceLock<Box<Channel>>]>);

impl Channels {
    /// None yet.
    pub(super) fn new() -> Self {
        Self((0..SESSION_CHANNELS).map(|_| OnceLock::new()).collect())
    }

    /// The channel of this number.
    #[inline]
    pub(crate) fn get(&self, number: usize) -> Option<&Channel> {
        self.0.get(number)?.get().map(Box::as_ref)
    }

    /// All that there are.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Channel> {
        self.0.iter().map_while(OnceLock::get).map(Box::as_ref)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there is room for so many more.
    pub(super) fn have_room_for(&self, more: u32) -> bool {
        self.len().saturating_add(usize_of(more)) <= self.0.len()
    }

    /// One more, which knows its number; false if that is not the next one.
    #[must_use]
    pub(super) fn push(&self, channel: Channel) -> bool {
        let number = usize_of(channel.index);
        let free = self.0.get(number).filter(|_| number == self.len());
        free.is_some_and(|slot| slot.set(Box::new(channel)).is_ok())
    }
}
