//! The fields of a control packet: little-endian numbers without padding.

use super::bytes::Bytes;
use super::violation::Violation;

/// A number of fixed size. Its default, zero, stands for a field that an older sender does not know.
pub(super) trait Field: Sized + Default {
    /// Appends the field.
    fn put(&self, into: &mut Bytes);
    /// Takes the field off the front; `None` (and nothing taken) if there are too few bytes.
    fn take(from: &mut &[u8]) -> Option<Self>;

    /// Takes a field that exists since the minor version `since`, out of a packet of the minor version `sent`.
    fn take_since(from: &mut &[u8], since: u8, sent: u8) -> Result<Self, Violation> {
        if sent < since {
            return Ok(Self::default());
        }
        Self::take(from).ok_or(Violation::Short)
    }
}

macro_rules! number_field {
    ($($number:ty),+) => { $(
        impl Field for $number {
            fn put(&self, into: &mut Bytes) {
                into.put(&self.to_le_bytes());
            }
            fn take(from: &mut &[u8]) -> Option<Self> {
                let (bytes, rest) = from.split_first_chunk()?;
                *from = rest;
                Some(Self::from_le_bytes(*bytes))
            }
        }
    )+ };
}
number_field!(u16, u32, u64, u128);
