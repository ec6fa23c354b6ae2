//! Data that lie in two places.

/// Data in one piece, or in two of which one follows the other.
///
/// A value of many bytes is not copied to where what goes with it was put together: it is sent from where it is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pieces<'a> {
    /// Small data are in this one alone.
    first: &'a [u8],
    then: &'a [u8],
}

/// Smaller data are in one piece: to copy them costs less than to look for the second one.
#[cfg(any(feature = "derive", test))]
pub(crate) const LARGE: usize = 16 * 1024;

impl<'a> Pieces<'a> {
    #[inline]
    pub(crate) fn one(first: &'a [u8]) -> Self {
        Self { first, then: &[] }
    }

    /// The second one follows the first, which is [`LARGE`].
    #[cfg(any(feature = "derive", test))]
    #[inline]
    pub(crate) fn two(first: &'a [u8], then: &'a [u8]) -> Self {
        debug_assert!(first.len() >= LARGE || then.is_empty());
        Self { first, then }
    }

    #[inline]
    pub(crate) fn len(self) -> usize {
        // Both are in memory, so there are no more.
        self.first.len().wrapping_add(self.then.len())
    }

    #[inline]
    pub(crate) fn is_empty(self) -> bool {
        self.first.is_empty() && self.then.is_empty()
    }

    /// Small data: all of them.
    #[inline]
    pub(crate) fn small(self) -> &'a [u8] {
        self.first
    }

    /// Both pieces.
    #[inline]
    pub(crate) fn both(self) -> [&'a [u8]; 2] {
        [self.first, self.then]
    }

    /// Both pieces of the first `len` bytes; `None` if there are not so many.
    #[inline]
    pub(crate) fn begin(self, len: usize) -> Option<[&'a [u8]; 2]> {
        if let Some(first) = self.first.get(..len) {
            return Some([first, &[]]);
        }
        let rest = len.checked_sub(self.first.len())?;
        Some([self.first, self.then.get(..rest)?])
    }

    /// What is left after the first `len` bytes.
    #[inline]
    pub(crate) fn after(self, len: usize) -> Self {
        if let Some(first) = self.first.get(len..) {
            return Self { first, ..self };
        }
        let rest = len.saturating_sub(self.first.len());
        Self::one(self.then.get(rest..).unwrap_or_default())
    }

    /// Appends all of it to memory that has room.
    pub(crate) fn append_to(self, memory: &mut Vec<u8>) {
        memory.extend_from_slice(self.first);
        memory.extend_from_slice(self.then);
    }
}

#[cfg(test)]
mod tests {
    use super::{LARGE, Pieces};

    #[test]
    fn two_pieces_are_as_one() {
        let all: Vec<u8> = (0..=250).cycle().take(LARGE + 7).collect();
        for cut in [LARGE, LARGE + 6, LARGE + 7] {
            let (first, then) = all.split_at(cut);
            let pieces = Pieces::two(first, then);
            assert_eq!(pieces.len(), all.len());
            for at in [0, 1, cut.saturating_sub(1), cut, cut + 1, all.len()] {
                let at = at.min(all.len());
                assert_eq!(pieces.begin(at).unwrap().concat(), all[..at]);
                assert_eq!(pieces.after(at).both().concat(), all[at..]);
                assert_eq!(pieces.after(at).is_empty(), at == all.len());
            }
            assert!(pieces.begin(all.len() + 1).is_none());
            assert!(pieces.after(usize::MAX).is_empty());
            let mut copy = vec![9];
            pieces.append_to(&mut copy);
            assert_eq!(copy[1..], all);
        }
    }
}
