//! Where the words and areas of a window pair lie.
//!
//! Both windows of a pair have the same layout: first the words of each channel, 256 bytes a channel, rounded up
//! to a page; then the area of each channel. An area pair has no words and one area.

use super::limits::{LARGEST_AREA_BYTES, SESSION_CHANNELS};

/// Bytes of the words of one channel: four cache lines.
pub(crate) const WORDS_BYTES: usize = 256;
const PAGE: usize = 4096;
/// What is left of the cache line of a call's words.
pub(crate) const SMALL_CALL_WORDS: usize = 2;
/// What is left of the cache line of a reply's words.
pub(crate) const SMALL_REPLY_WORDS: usize = 3;
/// Arguments of so many bytes in all, or fewer, lie among the words.
pub(crate) const SMALL_CALL_BYTES: u64 = 16;
/// Results of so many bytes in all, or fewer, lie among the words.
pub(crate) const SMALL_REPLY_BYTES: u64 = 24;
const _: () = assert!(SMALL_CALL_WORDS * 8 == 16 && call::SMALL + 16 == call::WAITING);
const _: () = assert!(SMALL_REPLY_WORDS * 8 == 24 && reply::SMALL + 24 == reply::PRESENCE);

/// The words that the client stores, by byte offset from the channel's first.
pub(crate) mod call {
    /// u32: low half of the turn number; stored last (the futex of a waiting server thread).
    pub(crate) const TURN: usize = 0;
    /// u32: the [`Move`](crate::wire::code::Move).
    pub(crate) const MOVE: usize = 4;
    /// u64: the turn with which this call began.
    pub(crate) const GENERATION: usize = 8;
    /// u64: the registration of the door that is called.
    pub(crate) const REGISTRATION: usize = 16;
    /// u64: bytes of the arguments in all.
    pub(crate) const TOTAL: usize = 24;
    /// u32: bytes of this part, in the area.
    pub(crate) const PART: usize = 32;
    /// u32: the pair whose area this turn uses in both directions.
    pub(crate) const PAIR: usize = 36;
    /// u32: descriptors that were sent on the channel's socket before this turn.
    pub(crate) const DESCRIPTORS: usize = 40;
    /// u32: the processor that the client's thread ran on.
    pub(crate) const CPU: usize = 44;
    /// [`SMALL_CALL_WORDS`](super::SMALL_CALL_WORDS) u64: the arguments, if they are so small.
    pub(crate) const SMALL: usize = 48;
    /// u32, in their place if there are more: where this part lies in the area.
    pub(crate) const PART_AT: usize = 48;
    /// u32, on a line of its own: 1 while the client's thread sleeps on the answer.
    pub(crate) const WAITING: usize = 64;
    /// u64, on that line: the generation that the client has given up.
    pub(crate) const ABANDONED: usize = 72;
    /// u32, on that line: when the client last woke a sleeping server thread; microseconds, low half.
    pub(crate) const WOKE_AT: usize = 80;
}

/// The words that the server stores, by byte offset from the channel's first.
pub(crate) mod reply {
    /// u32: low half of the turn that is answered; stored last (the futex of a waiting client thread).
    pub(crate) const TURN: usize = 0;
    /// u32: the [`Answer`](crate::wire::code::Answer).
    pub(crate) const ANSWER: usize = 4;
    /// u64: the generation that the answer belongs to.
    pub(crate) const GENERATION: usize = 8;
    /// u64: bytes of the results in all.
    pub(crate) const TOTAL: usize = 16;
    /// u32: bytes of this part, in the area.
    pub(crate) const PART: usize = 24;
    /// u32: descriptors that were sent on the channel's socket before this turn.
    pub(crate) const DESCRIPTORS: usize = 28;
    /// u32: the [`Failure`](crate::wire::code::Failure), with `Answer::Failed`.
    pub(crate) const CODE: usize = 32;
    /// u32: the processor that the server's thread ran on, and [`AWAY`](super::AWAY).
    pub(crate) const CPU: usize = 36;
    /// [`SMALL_REPLY_WORDS`](super::SMALL_REPLY_WORDS) u64: the results, if they are so small.
    pub(crate) const SMALL: usize = 40;
    /// u32, in their place if there are more: where this part lies in the area.
    pub(crate) const PART_AT: usize = 40;
    /// u32, on a line of its own: one of `presence`.
    pub(crate) const PRESENCE: usize = 64;
    /// u32, on that line: when the server last woke a sleeping client thread; microseconds, low half.
    pub(crate) const WOKE_AT: usize = 68;
    /// u64, on a line of its own: the generation that the server has begun to execute.
    pub(crate) const TAKEN: usize = 128;
}

/// In the word that names the server's processor: its thread looks away until about when the next call comes.
pub(crate) const AWAY: u32 = 1 << 31;

/// Whether a server thread is at the channel. Fresh memory says that none is.
pub(crate) mod presence {
    /// None is: ring the session socket.
    pub(crate) const QUIET: u32 = 0;
    /// One looks at the turn word, or serves.
    pub(crate) const AWAKE: u32 = 1;
    /// One sleeps on the turn word: wake it.
    pub(crate) const SLEEPING: u32 = 2;
}

/// The shape of a window pair, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    channels: u32,
    area_bytes: usize,
}

impl Shape {
    /// A shape with `channels` channels (none: an area pair); `None` if it is not one that the protocol allows.
    pub(crate) fn new(channels: u32, area_bytes: u64) -> Option<Self> {
        let area_bytes = usize::try_from(area_bytes).ok()?;
        let allowed = channels <= SESSION_CHANNELS
            && (PAGE..=LARGEST_AREA_BYTES).contains(&area_bytes)
            && area_bytes.is_multiple_of(PAGE);
        allowed.then_some(Self {
            channels,
            area_bytes,
        })
    }

    /// How many channels have their words here.
    pub(crate) fn channels(self) -> u32 {
        self.channels
    }

    /// Bytes of each area.
    pub(crate) fn area_bytes(self) -> usize {
        self.area_bytes
    }

    /// Bytes of one window of the pair.
    pub(crate) fn window_bytes(self) -> usize {
        let areas = usize_of(self.channels.max(1));
        self.areas_at()
            .saturating_add(areas.saturating_mul(self.area_bytes))
    }

    /// Bytes of both windows of the pair.
    pub(crate) fn pair_bytes(self) -> usize {
        self.window_bytes().saturating_mul(2)
    }

    /// Where the words of the channel at `place` in this pair begin.
    pub(crate) fn words_at(place: u32) -> usize {
        usize_of(place).saturating_mul(WORDS_BYTES)
    }

    /// Where the area of the channel at `place` in this pair begins.
    pub(crate) fn area_at(self, place: u32) -> usize {
        self.areas_at()
            .saturating_add(usize_of(place).saturating_mul(self.area_bytes))
    }

    fn areas_at(self) -> usize {
        usize_of(self.channels)
            .saturating_mul(WORDS_BYTES)
            .next_multiple_of(PAGE)
    }
}

/// A 32-bit count as a size: never loses anything on the platforms we have (64 bits).
pub(crate) fn usize_of(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Shape, WORDS_BYTES};

    #[test]
    fn areas_never_overlap_words_or_each_other() {
        let shape = Shape::new(4, 16384).unwrap();
        assert!(shape.area_at(0) >= 4 * WORDS_BYTES);
        assert_eq!(shape.area_at(1) - shape.area_at(0), 16384);
        assert_eq!(shape.area_at(3) + 16384, shape.window_bytes());
    }

    #[test]
    fn an_area_pair_is_one_area() {
        let shape = Shape::new(0, 1 << 20).unwrap();
        assert_eq!((shape.area_at(0), shape.window_bytes()), (0, 1 << 20));
    }

    #[test]
    fn shapes_outside_the_limits_are_refused() {
        assert!(Shape::new(u32::MAX, 4096).is_none());
        assert!(Shape::new(1, u64::MAX).is_none());
        assert!(Shape::new(1, 0).is_none());
        assert!(Shape::new(1, 4097).is_none());
    }
}
