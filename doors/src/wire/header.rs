//! The 16 bytes before the fields of every control packet, the same in all versions.

use super::bytes::Bytes;
use super::field::Field;
use super::limits::MAJOR;
use super::violation::Violation;

/// Bytes of the header.
pub(super) const HEADER_BYTES: usize = 16;
const MAGIC: [u8; 4] = *b"door";

/// A header whose mark and major version are ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The minor version of the sender.
    pub(super) minor: u8,
    /// The number of the packet's type.
    pub(super) number: u16,
    fields_bytes: usize,
    payload_bytes: usize,
}

impl Header {
    /// The bytes of a header for so many bytes of fields and of payload. What is too much for any packet is stated
    /// as the largest number, which no receiver believes.
    pub(super) fn encode(minor: u8, number: u16, fields: usize, payload: usize) -> Bytes {
        let mut bytes = Bytes::new();
        bytes.put(&MAGIC);
        bytes.put(&[MAJOR, minor]);
        number.put(&mut bytes);
        let stated = |count| u32::try_from(count).unwrap_or(u32::MAX);
        stated(HEADER_BYTES.saturating_add(fields)).put(&mut bytes);
        stated(payload).put(&mut bytes);
        bytes
    }

    /// Takes the header off the front of a packet.
    pub(super) fn take(packet: &mut &[u8]) -> Result<Self, Violation> {
        let (header, rest) = packet
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or(Violation::Short)?;
        let [m0, m1, m2, m3, major, minor, ref numbers @ ..] = *header;
        if [m0, m1, m2, m3] != MAGIC {
            return Err(Violation::Magic);
        }
        if major != MAJOR {
            return Err(Violation::Version(major));
        }
        let mut numbers = numbers.as_slice();
        let number = u16::take(&mut numbers).ok_or(Violation::Short)?;
        let mut length = || {
            let stated = u32::take(&mut numbers).ok_or(Violation::Short)?;
            usize::try_from(stated).map_err(|_| Violation::Length)
        };
        let fields_bytes = length()?
            .checked_sub(HEADER_BYTES)
            .ok_or(Violation::Length)?;
        let payload_bytes = length()?;
        *packet = rest;
        Ok(Self {
            minor,
            number,
            fields_bytes,
            payload_bytes,
        })
    }

    /// Cuts what follows the header into fields and payload; all of it must be one of them.
    pub(super) fn split<'a>(&self, rest: &'a [u8]) -> Result<(&'a [u8], &'a [u8]), Violation> {
        let (fields, payload) = rest
            .split_at_checked(self.fields_bytes)
            .ok_or(Violation::Length)?;
        if payload.len() == self.payload_bytes {
            Ok((fields, payload))
        } else {
            Err(Violation::Length)
        }
    }
}
