//! A table by numbers that we give out ourselves, one after the other: nobody can choose them to fall into one place, so they
//! need no hash that resists that.

use std::hash::{BuildHasherDefault, Hasher};

/// Builds the hashes of such a table.
pub(super) type ByKey = BuildHasherDefault<KeyHasher>;

/// Of one number.
#[derive(Debug, Default)]
pub(super) struct KeyHasher(u64);

/// Spreads neighbours over all bits: the table takes some from either end (2^64 divided by the golden ratio).
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(SPREAD);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::BuildHasher;

    use super::ByKey;

    #[test]
    fn neighbours_fall_into_places_of_their_own() {
        let places = |bits: fn(u64) -> u64| {
            let hashes = (1000_u64..1128).map(|key| bits(ByKey::default().hash_one(key)));
            hashes.collect::<HashSet<_>>().len()
        };
        assert_eq!(places(|hash| hash & 127), 128);
        assert!(places(|hash| hash >> 57) > 100);
    }
}
