//! The structure of the work `struct`.

use rkyv::Archive;
use serde::{Deserialize, Serialize};

use crate::Result;

/// A number, a name of 20 characters, 100 numbers of all magnitudes.
#[derive(
    Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Archive, rkyv::Serialize, rkyv::Deserialize,
)]
pub struct Sample {
    /// Who it is.
    pub id: u64,
    /// Twenty characters.
    pub name: String,
    /// A hundred numbers.
    pub values: Vec<u64>,
}

impl Sample {
    /// The one that is sent.
    #[must_use]
    pub fn new() -> Self {
        Self {
            id: 0x0123_4567_89ab_cdef,
            name: "twenty characters in".into(),
            // From one byte to ten in the usual encoding.
            values: (0_u32..100)
                .map(|n| u64::MAX.wrapping_shr(n.wrapping_mul(7)))
                .collect(),
        }
    }

    /// Its bytes.
    ///
    /// # Errors
    /// Never for what [`new`](Self::new) makes.
    pub fn to_bytes(&self, bytes: &mut Vec<u8>) -> Result<()> {
        bytes.clear();
        *bytes = postcard::to_extend(self, std::mem::take(bytes))?;
        Ok(())
    }

    /// How many bytes.
    ///
    /// # Errors
    /// As [`to_bytes`](Self::to_bytes).
    pub fn size() -> Result<usize> {
        let mut bytes = Vec::new();
        Self::new().to_bytes(&mut bytes)?;
        Ok(bytes.len())
    }

    /// What the bytes mean.
    ///
    /// # Errors
    /// Bytes that are no sample.
    pub fn of_bytes(bytes: &[u8]) -> Result<Self> {
        Ok(postcard::from_bytes(bytes)?)
    }
}

impl Default for Sample {
    fn default() -> Self {
        Self::new()
    }
}

/// Reads a sample and writes it again: what the server does.
pub(crate) fn again(data: &[u8], results: &mut Vec<u8>) -> Result<()> {
    Sample::of_bytes(data)?.to_bytes(results)
}
