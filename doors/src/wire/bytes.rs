//! The bytes of a packet before its payload, while they are put together: on the stack, since every first call and every
//! reply to one has some.

use std::ops::Deref;

/// Room for the header and the fields of any type; `message.rs` checks that it is enough.
pub(super) const ROOM: usize = 128;

/// A header and its fields.
pub(crate) struct Bytes {
    bytes: [u8; ROOM],
    len: usize,
}

impl Bytes {
    pub(super) fn new() -> Self {
        Self {
            bytes: [0; ROOM],
            len: 0,
        }
    }

    /// Appends a part, which fits.
    #[inline]
    pub(super) fn put(&mut self, part: &[u8]) {
        let end = self.len.saturating_add(part.len());
        let room = self.bytes.get_mut(self.len..end);
        debug_assert!(room.is_some(), "a part that does not fit");
        if let Some(room) = room {
            room.copy_from_slice(part);
            self.len = end;
        }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}
