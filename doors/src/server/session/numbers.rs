//! A table by numbers that we give ourselves, one after another.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A table by numbers that nobody else chooses.
pub(super) type ByNumber<T> = HashMap<u64, T, BuildHasherDefault<OwnNumber>>;

/// The number itself, where the table takes its place from it: neighbours lie side by side, and share their cache lines. The upper bits, by
/// which the table tells those apart that would lie at one place, are those of a product. Whoever could choose the numbers could make all of
/// them meet.
#[derive(Debug, Default)]
pub(super) struct OwnNumber(u64);

const UPPER: u64 = 0xff << 56;

impl Hasher for OwnNumber {
    #[inline]
    fn write_u64(&mut self, number: u64) {
        // The golden ratio, as Knuth has it.
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = (number & !UPPER) | (mixed & UPPER);
    }

    #[cold]
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0.rotate_left(8) ^ u64::from(*byte));
        }
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::ByNumber;

    #[test]
    fn numbers_are_found_until_they_are_taken_out() {
        let mut table = ByNumber::default();
        for number in 1..=10_000_u64 {
            table.insert(number, number);
            // Few at a time, and never one again: doors that come and go.
            if number > 100 {
                assert_eq!(table.remove(&(number - 100)), Some(number - 100));
            }
        }
        assert_eq!(table.len(), 100);
        for number in 0..20_000 {
            let there = (9_901..=10_000).contains(&number);
            assert_eq!(table.get(&number).copied(), there.then_some(number));
        }
        for number in [u64::MAX, 10_000 + (1 << 56), 10_000 + (1 << 63)] {
            assert_eq!(table.get(&number), None);
        }
    }
}
