//! The two ends of a channel: its words, by name, on the client's and on the server's side.
//!
//! Each word of the peer is loaded once per turn, into a private [`CallHead`] or [`ReplyHead`]; everything later
//! uses that copy.

mod client;
mod server;

use std::sync::Arc;

pub(crate) use self::client::{ClientEnd, Presence};
pub(crate) use self::server::ServerEnd;
use super::pair::Pair;
use super::small::{SmallCall, SmallReply};
use crate::primitive::{AtomicU32, LongWord, Ordering, Word};
use crate::sys::words::Words;
use crate::sys::{clock, futex};
use crate::wire::layout::{Shape, WORDS_BYTES};

/// What the client says with a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CallHead {
    pub(crate) step: u32,
    pub(crate) generation: u64,
    pub(crate) registration: u64,
    pub(crate) total: u64,
    pub(crate) part: u32,
    /// Where the part lies in the area; of a call whose arguments are not among the words.
    pub(crate) part_at: u32,
    pub(crate) pair: u32,
    pub(crate) descriptors: u32,
    /// The arguments of a call with at most [`SMALL_CALL_BYTES`](crate::wire::layout::SMALL_CALL_BYTES) in all.
    pub(crate) small: SmallCall,
}

/// What the server says with a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReplyHead {
    pub(crate) answer: u32,
    pub(crate) generation: u64,
    pub(crate) total: u64,
    pub(crate) part: u32,
    /// Where the part lies in the area; of results that are not among the words.
    pub(crate) part_at: u32,
    pub(crate) descriptors: u32,
    pub(crate) code: u32,
    /// The results of a reply with at most [`SMALL_REPLY_BYTES`](crate::wire::layout::SMALL_REPLY_BYTES) in all.
    pub(crate) small: SmallReply,
}

/// The low half of a turn number: what the futex words hold, compared for equality only.
#[inline]
pub(crate) fn low(turn: u64) -> u32 {
    let [b0, b1, b2, b3, ..] = turn.to_le_bytes();
    u32::from_le_bytes([b0, b1, b2, b3])
}

/// The low half of the time in microseconds.
#[cold]
#[inline(never)]
fn micros_now() -> u32 {
    clock::micros(clock::now_ns())
}

/// The words of one channel in one pair.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pair: Arc<Pair>,
    ours: Words<WORDS_BYTES>,
    theirs: Words<WORDS_BYTES>,
    place: u32,
}

impl End {
    /// The channel at `place` in the pair; `None` if the pair has none there.
    pub(crate) fn new(pair: Arc<Pair>, place: u32) -> Option<Self> {
        let at = Shape::words_at(place);
        Some(Self {
            ours: Words::new(&pair.ours, at)?,
            theirs: Words::new(&pair.theirs, at)?,
            pair,
            place,
        })
    }

    /// The pair that holds the words, and the first area.
    pub(crate) fn pair(&self) -> &Arc<Pair> {
        &self.pair
    }

    /// The channel's place among the areas of its pair.
    pub(crate) fn place(&self) -> u32 {
        self.place
    }

    #[inline]
    fn own(&self, offset: usize) -> &AtomicU32 {
        self.ours.word(offset)
    }

    #[inline]
    fn peer(&self, offset: usize) -> &AtomicU32 {
        self.theirs.word(offset)
    }

    #[inline]
    fn own_long(&self, offset: usize) -> &impl LongWord {
        self.ours.long_word(offset)
    }

    #[inline]
    fn peer_long(&self, offset: usize) -> &impl LongWord {
        self.theirs.long_word(offset)
    }

    #[inline]
    fn tell(&self, offset: usize, value: u32) {
        Word::store(self.own(offset), value, Ordering::Relaxed);
    }

    #[inline]
    fn tell_all(&self, offset: usize, values: &[u64]) {
        for (value, at) in values.iter().zip((offset..).step_by(size_of::<u64>())) {
            self.tell_long(at, *value);
        }
    }

    #[inline]
    fn ask_all<const WORDS: usize>(&self, offset: usize) -> [u64; WORDS] {
        std::array::from_fn(|place| {
            self.ask_long(offset.saturating_add(place.saturating_mul(size_of::<u64>())))
        })
    }

    #[inline]
    fn tell_long(&self, offset: usize, value: u64) {
        self.own_long(offset).store(value, Ordering::Relaxed);
    }

    /// Wakes the peer. One that sleeps on another processor is told when: it learns how long that takes.
    #[inline]
    fn wake(&self, woke_at: usize, turn: usize, apart: bool) {
        let at = if apart { micros_now() } else { 0 };
        self.tell(woke_at, at);
        futex::wake(self.own(turn));
    }

    /// How long ago the peer says it woke us, in microseconds. Any number if it did not, or lies.
    #[cold]
    fn woken_for_us(&self, woke_at: usize) -> u32 {
        clock::micros(clock::now_ns()).wrapping_sub(self.ask(woke_at))
    }

    #[inline]
    fn ask(&self, offset: usize) -> u32 {
        Word::load(self.peer(offset), Ordering::Relaxed)
    }

    #[inline]
    fn ask_long(&self, offset: usize) -> u64 {
        self.peer_long(offset).load(Ordering::Relaxed)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use super::{CallHead, ClientEnd, End, ReplyHead, ServerEnd, low};
    use crate::channel::pair::Pair;
    use crate::sys::memfd;
    use crate::wire::layout::Shape;

    /// Both ends of the channel of a fresh pair.
    pub(crate) fn channel() -> (ClientEnd, ServerEnd) {
        let shape = Shape::new(1, 4096).unwrap();
        let call = memfd::create(c"call", shape.window_bytes()).unwrap();
        let reply = memfd::create(c"reply", shape.window_bytes()).unwrap();
        let ours = Pair::map_own(shape, &reply).unwrap();
        let client = Pair::map(0, shape, &call, &reply).unwrap();
        let server = Pair::with_peer(0, shape, ours, &call).unwrap();
        let end = |pair| End::new(Arc::new(pair), 0).unwrap();
        (ClientEnd(end(client)), ServerEnd(end(server)))
    }

    #[test]
    fn turns_go_on_where_either_half_of_their_number_wraps() {
        let (client, server) = channel();
        // 0 is no generation: it is what fresh words hold.
        let low_wraps = u64::from(u32::MAX) - 2..=u64::from(u32::MAX) + 2;
        let high_wraps = u64::MAX - 2..=u64::MAX;
        for turns in [low_wraps, high_wraps] {
            for turn in turns {
                let head = CallHead {
                    generation: turn,
                    ..CallHead::default()
                };
                client.publish(&head, turn, 0);
                assert_eq!(server.turn(), low(turn));
                assert_eq!(server.read().generation, turn);
                assert!(!client.was_taken(turn));
                assert!(server.take(turn));
                assert!(client.was_taken(turn));
                assert!(!client.answered(turn));
                let reply = ReplyHead {
                    generation: turn,
                    ..ReplyHead::default()
                };
                assert!(!server.publish(&reply, turn, false));
                assert!(client.answered(turn) && client.read().generation == turn);
                assert!(!client.answered(turn.wrapping_add(1)));
            }
        }
    }

    #[test]
    fn a_call_of_the_same_low_half_is_another_call() {
        let (client, server) = channel();
        assert!(!client.give_up(1 << 32));
        assert!(server.take(2 << 32));
        assert!(!server.take(1 << 32));
    }
}
