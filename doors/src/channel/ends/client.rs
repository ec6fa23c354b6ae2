//! The client's end of a channel.

use super::{CallHead, End, ReplyHead, low};
use crate::channel::small::SmallReply;
use crate::channel::state;
use crate::primitive::AtomicU32;
use crate::sys::cpu;
use crate::wire::layout::{AWAY, SMALL_CALL_BYTES, SMALL_REPLY_BYTES, call, presence, reply};

/// Whether a server thread is at the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// One is, awake.
    Awake,
    /// One was asleep.
    Woken,
    /// None is: ring the session socket.
    Quiet,
}

/// The client's end.
#[derive(Clone, Debug)]
pub(crate) struct ClientEnd(pub(crate) End);

impl ClientEnd {
    /// Publishes a turn, from this processor, and wakes a sleeping server thread.
    #[inline]
    pub(crate) fn publish(&self, head: &CallHead, turn: u64, cpu: u32) -> Presence {
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
        } else {
            end.tell(call::PART_AT, head.part_at);
        }
        end.tell(call::CPU, cpu);
        let presence = state::publish(end.own(call::TURN), low(turn), end.peer(reply::PRESENCE));
        self.rouse(presence, cpu)
    }

    /// Wakes a server thread that says it sleeps, from this processor.
    #[inline]
    fn rouse(&self, presence: u32, cpu: u32) -> Presence {
        match presence {
            presence::AWAKE => Presence::Awake,
            presence::SLEEPING => {
                let apart = self.peer_cpu() != cpu;
                self.0.wake(call::WOKE_AT, call::TURN, apart);
                Presence::Woken
            }
            // Quiet, or a value that means nothing: a ring too many is harmless.
            _ => Presence::Quiet,
        }
    }

    /// Whether no server thread has come since a turn was published; wakes one that sleeps.
    pub(crate) fn is_quiet(&self) -> bool {
        let presence = state::look(self.0.peer(reply::PRESENCE));
        self.rouse(presence, cpu::current()) == Presence::Quiet
    }

    /// Whether the answer to a turn is there.
    #[inline]
    pub(crate) fn answered(&self, turn: u64) -> bool {
        state::look(self.0.peer(reply::TURN)) == low(turn)
    }

    /// The words of the answer, each loaded once. The line of the next call is fetched from a server that looks away.
    #[inline]
    pub(crate) fn read(&self) -> ReplyHead {
        let end = &self.0;
        if end.ask(reply::CPU) & AWAY != 0 {
            end.ours.fetch(call::TURN);
        }
        let total = end.ask_long(reply::TOTAL);
        let is_small = total <= SMALL_REPLY_BYTES;
        ReplyHead {
            answer: end.ask(reply::ANSWER),
            generation: end.ask_long(reply::GENERATION),
            total,
            small: if is_small {
                end.ask_all(reply::SMALL)
            } else {
                SmallReply::default()
            },
            part: end.ask(reply::PART),
            part_at: if is_small { 0 } else { end.ask(reply::PART_AT) },
            descriptors: end.ask(reply::DESCRIPTORS),
            code: end.ask(reply::CODE),
        }
    }

    /// The processor that the server's thread said it runs on.
    #[inline]
    pub(crate) fn peer_cpu(&self) -> u32 {
        self.0.ask(reply::CPU) & !AWAY
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
