//! Data so small that they travel on the cache line of the turn they belong to.
//!
//! Each cache line that both sides touch costs a transfer between their processors, some 50 ns. An area is another line than
//! the words, in both directions.

use crate::wire::layout::{SMALL_CALL_WORDS, SMALL_REPLY_WORDS};

/// Arguments.
pub(crate) type SmallCall = [u64; SMALL_CALL_WORDS];
/// Results.
pub(crate) type SmallReply = [u64; SMALL_REPLY_WORDS];

/// The words that hold the data, which fit.
#[inline]
pub(crate) fn pack<const WORDS: usize>(data: &[u8]) -> [u64; WORDS] {
    let mut words = [0; WORDS];
    let (whole, rest) = data.as_chunks();
    let mut to = words.iter_mut();
    // The chunks come first: a zip that ends has taken one more from its first side.
    for (chunk, word) in whole.iter().zip(to.by_ref()) {
        *word = u64::from_ne_bytes(*chunk);
    }
    if !rest.is_empty()
        && let Some(word) = to.next()
    {
        let mut bytes = [0; size_of::<u64>()];
        for (to, from) in bytes.iter_mut().zip(rest) {
            *to = *from;
        }
        *word = u64::from_ne_bytes(bytes);
    }
    words
}

/// Appends `len` bytes out of the words. False (nothing appended) if they do not hold so many, or memory is short.
#[inline(always)]
#[expect(clippy::inline_always, reason = "one run of code: `server/desk.rs`")]
#[must_use]
pub(crate) fn unpack<const WORDS: usize>(
    words: &[u64; WORDS],
    len: usize,
    into: &mut Vec<u8>,
) -> bool {
    // All are appended and those beyond `len` taken off again: a copy whose size is known takes a few instructions.
    let all = size_of_val(words);
    let room = into.capacity().wrapping_sub(into.len());
    if len > all || (room < all && into.try_reserve(all).is_err()) {
        return false;
    }
    let end = into.len().saturating_add(len);
    into.extend(words.map(u64::to_ne_bytes).as_flattened());
    into.truncate(end);
    true
}

#[cfg(test)]
mod tests {
    use super::{SmallReply, pack, unpack};

    #[test]
    fn what_is_packed_comes_out() {
        let data: Vec<u8> = (1..=24).collect();
        for len in 0..=24 {
            let words: SmallReply = pack(&data[..len]);
            let mut out = vec![99];
            assert!(unpack(&words, len, &mut out));
            assert_eq!(out[1..], data[..len]);
        }
    }

    #[test]
    fn more_than_the_words_hold_does_not_come_out() {
        let mut out = Vec::new();
        assert!(!unpack(&[0_u64; 2], 17, &mut out));
        assert!(!unpack(&[0_u64; 2], usize::MAX, &mut out));
        assert!(out.is_empty());
    }
}
