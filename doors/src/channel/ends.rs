//! The two ends of a channel: its words, by name, on the client's and on the server's side.
//!
//! Each word of the peer is loaded once per turn, into a private [`CallHead`] or [`ReplyHead`]; everything later
//! uses that copy.

use std::sync::Arc;

use super::pair::Pair;
use super::small::{SmallCall, SmallReply};
use super::state;
use crate::primitive::{AtomicU32, LongWord, Ordering, Word};
use crate::sys::{clock, cpu, futex};
use crate::wire::layout::{SMALL_CALL_BYTES, SMALL_REPLY_BYTES, Shape, call, presence, reply};

/// What the client says with a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CallHead {
    pub(crate) step: u32,
    pub(crate) generation: u64,
    pub(crate) registration: u64,
    pub(crate) total: u64,
    pub(crate) part: u32,
    pub(crate) pair: u32,
    pub(crate) descriptors: u32,
    /// The arguments of a call with at most [`SMALL_CALL_BYTES`] in all.
    pub(crate) small: SmallCall,
}

/// What the server says with a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReplyHead {
    pub(crate) answer: u32,
    pub(crate) generation: u64,
    pub(crate) total: u64,
    pub(crate) part: u32,
    pub(crate) descriptors: u32,
    pub(crate) code: u32,
    /// The results of a reply with at most [`SMALL_REPLY_BYTES`] in all.
    pub(crate) small: SmallReply,
}

/// The low half of a turn number: what the futex words hold, compared for equality only.
#[inline]
pub(crate) fn low(turn: u64) -> u32 {
    let [b0, b1, b2, b3, ..] = turn.to_le_bytes();
    u32::from_le_bytes([b0, b1, b2, b3])
}

/// The words of one channel in one pair.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pair: Arc<Pair>,
    words: usize,
    place: u32,
}

impl End {
    /// The channel at `place` in the pair.
    pub(crate) fn new(pair: Arc<Pair>, place: u32) -> Self {
        Self {
            pair,
            words: Shape::words_at(place),
            place,
        }
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
        self.pair.ours.word(self.words.saturating_add(offset))
    }

    #[inline]
    fn peer(&self, offset: usize) -> &AtomicU32 {
        self.pair.theirs.word(self.words.saturating_add(offset))
    }

    #[inline]
    fn own_long(&self, offset: usize) -> &impl LongWord {
        self.pair.ours.long_word(self.words.saturating_add(offset))
    }

    #[inline]
    fn peer_long(&self, offset: usize) -> &impl LongWord {
        self.pair
            .theirs
            .long_word(self.words.saturating_add(offset))
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

    /// Wakes the peer, and says when: it learns how long that takes.
    #[cold]
    fn wake(&self, woke_at: usize, turn: usize) {
        self.tell(woke_at, clock::micros());
        futex::wake(self.own(turn));
    }

    /// How long ago the peer says it woke us, in microseconds. Any number if it did not, or lies.
    #[cold]
    fn woken_for_us(&self, woke_at: usize) -> u32 {
        clock::micros().wrapping_sub(self.ask(woke_at))
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

/// The client's end.
#[derive(Clone, Debug)]
pub(crate) struct ClientEnd(pub(crate) End);

impl ClientEnd {
    /// Publishes a turn and wakes a sleeping server thread. True: the channel is quiet, ring the session socket.
    #[inline]
    pub(crate) fn publish(&self, head: &CallHead, turn: u64) -> bool {
        let end = &self.0;
        end.tell(call::MOVE, head.step);
        end.tell_long(call::GENERATION, head.generation);
        end.tell_long(call::REGISTRATION, head.registration);
        end.tell_long(call::TOTAL, head.total);
        end.tell(call::PART, head.part);
        end.tell(call::PAIR, head.pair);
        end.tell(call::DESCRIPTORS, head.descriptors);
        if head.total <= SMALL_CALL_BYTES {
            end.tell_all(call::SMALL, &head.small);
        }
        end.tell(call::CPU, cpu::current());
        let presence = state::publish(end.own(call::TURN), low(turn), end.peer(reply::PRESENCE));
        self.rouse(presence)
    }

    /// Wakes a server thread that says it sleeps. True: none is here.
    #[inline]
    fn rouse(&self, presence: u32) -> bool {
        match presence {
            presence::AWAKE => false,
            presence::SLEEPING => {
                self.0.wake(call::WOKE_AT, call::TURN);
                false
            }
            // Quiet, or a value that means nothing: a ring too many is harmless.
            _ => true,
        }
    }

    /// Whether no server thread has come since a turn was published; wakes one that sleeps.
    pub(crate) fn is_quiet(&self) -> bool {
        self.rouse(state::look(self.0.peer(reply::PRESENCE)))
    }

    /// Whether the answer to a turn is there.
    #[inline]
    pub(crate) fn answered(&self, turn: u64) -> bool {
        state::look(self.0.peer(reply::TURN)) == low(turn)
    }

    /// The words of the answer, each loaded once.
    #[inline]
    pub(crate) fn read(&self) -> ReplyHead {
        let end = &self.0;
        let total = end.ask_long(reply::TOTAL);
        ReplyHead {
            answer: end.ask(reply::ANSWER),
            generation: end.ask_long(reply::GENERATION),
            total,
            small: if total <= SMALL_REPLY_BYTES {
                end.ask_all(reply::SMALL)
            } else {
                SmallReply::default()
            },
            part: end.ask(reply::PART),
            descriptors: end.ask(reply::DESCRIPTORS),
            code: end.ask(reply::CODE),
        }
    }

    /// The processor that the server's thread said it runs on.
    #[inline]
    pub(crate) fn peer_cpu(&self) -> u32 {
        self.0.ask(reply::CPU)
    }

    /// As [`End::woken_for_us`], of the server.
    pub(crate) fn woken_for_us(&self) -> u32 {
        self.0.woken_for_us(reply::WOKE_AT)
    }

    /// Says that we sleep (or do not any more) on the answer. True: it is still not there, and its
    /// publisher will wake us.
    pub(crate) fn say_waiting(&self, waiting: bool, last: u32) -> bool {
        let end = &self.0;
        state::stop_looking(
            end.own(call::WAITING),
            u32::from(waiting),
            end.peer(reply::TURN),
            last,
        )
    }

    /// The word that a client thread sleeps on.
    pub(crate) fn sleep_word(&self) -> &AtomicU32 {
        self.0.peer(reply::TURN)
    }

    /// Gives a call up. True: the server may have taken it.
    pub(crate) fn give_up(&self, generation: u64) -> bool {
        state::give_up(
            self.0.own_long(call::ABANDONED),
            generation,
            self.0.peer_long(reply::TAKEN),
        )
    }

    /// Whether the server had taken a call.
    #[cfg(test)]
    pub(crate) fn was_taken(&self, generation: u64) -> bool {
        state::look_long(self.0.peer_long(reply::TAKEN)) == generation
    }
}

/// The server's end.
#[derive(Clone, Debug)]
pub(crate) struct ServerEnd(pub(crate) End);

impl ServerEnd {
    /// The number of the turn that the client published last.
    #[inline]
    pub(crate) fn turn(&self) -> u32 {
        state::look(self.0.peer(call::TURN))
    }

    /// The words of a turn, each loaded once.
    #[inline]
    pub(crate) fn read(&self) -> CallHead {
        let end = &self.0;
        let total = end.ask_long(call::TOTAL);
        CallHead {
            small: if total <= SMALL_CALL_BYTES {
                end.ask_all(call::SMALL)
            } else {
                SmallCall::default()
            },
            step: end.ask(call::MOVE),
            generation: end.ask_long(call::GENERATION),
            registration: end.ask_long(call::REGISTRATION),
            total,
            part: end.ask(call::PART),
            pair: end.ask(call::PAIR),
            descriptors: end.ask(call::DESCRIPTORS),
        }
    }

    /// The processor that the client's thread said it ran on.
    #[inline]
    pub(crate) fn peer_cpu(&self) -> u32 {
        self.0.ask(call::CPU)
    }

    /// Takes a call. False: it was given up before and must not run.
    #[inline]
    pub(crate) fn take(&self, generation: u64) -> bool {
        state::take(
            self.0.own_long(reply::TAKEN),
            generation,
            self.0.peer_long(call::ABANDONED),
        )
    }

    /// Publishes the answer to a turn and wakes a sleeping client.
    #[inline]
    pub(crate) fn publish(&self, head: &ReplyHead, turn: u64) {
        let end = &self.0;
        end.tell(reply::ANSWER, head.answer);
        end.tell_long(reply::GENERATION, head.generation);
        end.tell_long(reply::TOTAL, head.total);
        end.tell(reply::PART, head.part);
        end.tell(reply::DESCRIPTORS, head.descriptors);
        end.tell(reply::CODE, head.code);
        if head.total <= SMALL_REPLY_BYTES {
            end.tell_all(reply::SMALL, &head.small);
        }
        end.tell(reply::CPU, cpu::current());
        if state::publish(end.own(reply::TURN), low(turn), end.peer(call::WAITING)) != 0 {
            end.wake(reply::WOKE_AT, reply::TURN);
        }
    }

    /// Says whether a thread is here. True: the client's turn is still `last`.
    #[inline]
    pub(crate) fn say_presence(&self, presence: u32, last: u64) -> bool {
        let end = &self.0;
        state::stop_looking(
            end.own(reply::PRESENCE),
            presence,
            end.peer(call::TURN),
            low(last),
        )
    }

    /// As [`End::woken_for_us`], of the client.
    pub(crate) fn woken_for_us(&self) -> u32 {
        self.0.woken_for_us(call::WOKE_AT)
    }

    /// Says on which processor this thread is.
    pub(crate) fn say_cpu(&self) {
        self.0.tell(reply::CPU, cpu::current());
    }

    /// Says that a thread is here, where nothing has to be looked at afterwards.
    #[inline]
    pub(crate) fn say_awake(&self) {
        self.0.tell(reply::PRESENCE, presence::AWAKE);
    }

    /// Says that no thread is here; the owner of the channel puts its state down, passes a fence and looks.
    pub(crate) fn say_quiet(&self) {
        self.0.tell(reply::PRESENCE, presence::QUIET);
    }

    /// The word that a server thread sleeps on.
    pub(crate) fn sleep_word(&self) -> &AtomicU32 {
        self.0.peer(call::TURN)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{CallHead, ClientEnd, End, ReplyHead, ServerEnd, low};
    use crate::channel::pair::Pair;
    use crate::sys::memfd;
    use crate::wire::layout::Shape;

    /// Both ends of the channel of a fresh pair.
    fn channel() -> (ClientEnd, ServerEnd) {
        let shape = Shape::new(1, 4096).unwrap();
        let call = memfd::create(c"call", shape.window_bytes()).unwrap();
        let reply = memfd::create(c"reply", shape.window_bytes()).unwrap();
        let ours = Pair::map_own(shape, &reply).unwrap();
        let client = Pair::map(0, shape, &call, &reply).unwrap();
        let server = Pair::with_peer(0, shape, ours, &call).unwrap();
        let end = |pair| End::new(Arc::new(pair), 0);
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
                client.publish(&head, turn);
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
                server.publish(&reply, turn);
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
