//! Both sides of a channel in one process, for measurements of its parts; no part of what this crate promises.

use std::sync::Arc;

use crate::channel::ends::{CallHead, ClientEnd, End, Presence, ReplyHead, ServerEnd};
use crate::channel::pair::Pair;
use crate::sys::memfd;
use crate::wire::layout::{Shape, usize_of};

/// A channel whose two ends are moved by one thread, so that nobody waits.
#[derive(Debug)]
pub struct Conversation {
    client: ClientEnd,
    server: ServerEnd,
    area: usize,
    generation: u64,
    copy: Vec<u8>,
}

impl Conversation {
    /// A fresh window pair with one channel, whose area has at least so many bytes; nothing if that is too much.
    #[must_use]
    pub fn new(bytes: u32) -> Option<Self> {
        let area = usize_of(bytes).next_multiple_of(4096).max(4096);
        let shape = Shape::new(1, u64::try_from(area).ok()?)?;
        let call = memfd::create(c"call", shape.window_bytes()).ok()?;
        let reply = memfd::create(c"reply", shape.window_bytes()).ok()?;
        let ours = Pair::map_own(shape, &reply).ok()?;
        let client = Arc::new(Pair::map(0, shape, &call, &reply).ok()?);
        let server = Arc::new(Pair::with_peer(0, shape, ours, &call).ok()?);
        let server = ServerEnd(End::new(server, 0)?);
        // A fresh channel is quiet, and its caller would ring.
        server.say_awake();
        Some(Self {
            client: ClientEnd(End::new(client, 0)?),
            server,
            area: shape.area_at(0),
            generation: 0,
            copy: Vec::new(),
        })
    }

    /// One call without data, as its words see it: published, taken, answered, read. Whether each side saw the other's.
    pub fn turn(&mut self) -> bool {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let head = CallHead {
            generation,
            ..CallHead::default()
        };
        let presence = self.client.publish(&head, generation, 0);
        let taken = self.server.read().generation == generation && self.server.take(generation);
        let reply = ReplyHead {
            generation,
            ..ReplyHead::default()
        };
        let _woke = self.server.publish(&reply, generation, false);
        let answered = self.client.answered(generation);
        presence != Presence::Quiet
            && taken
            && answered
            && self.client.read().generation == generation
    }

    /// Data of a call through the area: copied into it, and out of it into private memory. What came out.
    pub fn carry(&mut self, data: &[u8]) -> Option<&[u8]> {
        self.copy.clear();
        let stored = self.client.0.pair().ours.store(self.area, data);
        let window = &self.server.0.pair().theirs;
        let carried = stored && window.load(self.area, data.len(), &mut self.copy);
        carried.then_some(&self.copy)
    }
}

#[cfg(test)]
mod tests {
    use super::Conversation;

    #[test]
    fn a_conversation_has_turns_and_carries_data() {
        let mut both = Conversation::new(5000).unwrap();
        assert!(both.turn() && both.turn());
        assert_eq!(both.carry(&[7; 5000]), Some([7; 5000].as_slice()));
        assert_eq!(both.carry(&[7; 8193]), None);
        assert!(Conversation::new(u32::MAX).is_none());
    }
}
