//! Values into bytes.

use postcard::ser_flavors::Flavor;
use serde::{Serialize, Serializer};

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

    /// Puts a value. It can fail only where its `Serialize` does, or has a sequence of unknown length.
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

pub(super) fn put<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> postcard::Result<()> {
    postcard::serialize_with_flavor(value, Sink(out))
}

pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

struct Sink<'out>(&'out mut Vec<u8>);

impl Flavor for Sink<'_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}
