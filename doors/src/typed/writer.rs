//! The values of a message, put one after the other.

use serde::{Serialize, Serializer};

use super::encode::{Encoder, Unwritable};

/// Puts values one after the other.
///
/// What cannot be put is remembered by its name; the call is then not made.
#[derive(Debug)]
pub struct Writer<'out> {
    out: &'out mut Vec<u8>,
    failed: Option<&'static str>,
}

impl<'out> Writer<'out> {
    pub(super) fn new(out: &'out mut Vec<u8>) -> Self {
        Self { out, failed: None }
    }

    /// Puts a value. It can fail only where its `Serialize` does.
    #[inline]
    pub fn put<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) {
        if self.failed.is_none() && put(self.out, value).is_err() {
            self.failed = Some(name);
        }
    }

    /// Puts bytes as `put` would, all at once: serde takes a plain slice of bytes for a sequence.
    pub fn put_bytes(&mut self, name: &'static str, value: &[u8]) {
        self.put(name, &Bytes(value));
    }

    /// What could not be put.
    pub(super) fn failed(&self) -> Option<&'static str> {
        self.failed
    }
}

#[inline]
pub(super) fn put<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<(), Unwritable> {
    value.serialize(&mut Encoder(out))
}

pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}
