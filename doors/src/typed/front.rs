//! Bytes that lie before the values of a message.

/// Bytes before the values of a message, until a value takes them.
#[derive(Debug, Default)]
pub(super) enum Front<'data> {
    #[default]
    None,
    /// More follows them in the same memory.
    Lent(&'data [u8]),
    /// All that is in that memory.
    Whole(&'data mut Vec<u8>),
}

/// What stands behind them is copied, so that they have their memory for themselves, unless it is more than this.
const BEHIND_BYTES: usize = 64 * 1024;

impl<'data> Front<'data> {
    /// Parts the first `count` bytes of a message from what follows them.
    pub(super) fn part(
        message: &'data mut Vec<u8>,
        count: usize,
        behind: &'data mut Vec<u8>,
    ) -> (Self, &'data [u8]) {
        let rest = message.get(count..).unwrap_or_default();
        if rest.len() > BEHIND_BYTES {
            let (front, rest) = message.split_at_checked(count).unwrap_or_default();
            return (Self::Lent(front), rest);
        }
        behind.clear();
        behind.extend_from_slice(rest);
        message.truncate(count);
        (Self::Whole(message), behind)
    }

    #[inline]
    pub(super) fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    #[inline]
    pub(super) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// The same bytes twice: they stay in their memory.
    pub(super) fn twice(self) -> (Self, Self) {
        match self.lent() {
            None => (Self::None, Self::None),
            Some(bytes) => (Self::Lent(bytes), Self::Lent(bytes)),
        }
    }

    /// The bytes, for as long as the message lives.
    pub(super) fn lent(self) -> Option<&'data [u8]> {
        match self {
            Self::None => None,
            Self::Lent(bytes) => Some(bytes),
            Self::Whole(memory) => Some(memory),
        }
    }

    /// The bytes with their memory, if there is nothing else in it.
    pub(super) fn own(&mut self) -> Option<Vec<u8>> {
        match self.take() {
            Self::Whole(memory) => Some(std::mem::take(memory)),
            other => {
                *self = other;
                None
            }
        }
    }
}
