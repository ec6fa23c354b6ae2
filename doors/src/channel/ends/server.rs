//! The server's end of a channel.

use super::{CallHead, End, ReplyHead, low};
use crate::channel::small::SmallCall;
use crate::channel::state;
use crate::primitive::AtomicU32;
use crate::sys::cpu;
use crate::wire::layout::{AWAY, SMALL_CALL_BYTES, SMALL_REPLY_BYTES, call, presence, reply};

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
        let is_small = total <= SMALL_CALL_BYTES;
        CallHead {
            small: if is_small {
                end.ask_all(call::SMALL)
            } else {
                SmallCall::default()
            },
            step: end.ask(call::MOVE),
            generation: end.ask_long(call::GENERATION),
            registration: end.ask_long(call::REGISTRATION),
            total,
            part: end.ask(call::PART),
            part_at: if is_small { 0 } else { end.ask(call::PART_AT) },
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

    /// Publishes the answer to a turn; says whether we look away now. True: the client slept, and was woken.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "one run of code: `server/desk.rs`")]
    pub(crate) fn publish(&self, head: &ReplyHead, turn: u64, away: bool) -> bool {
        let end = &self.0;
        end.tell(reply::ANSWER, head.answer);
        end.tell_long(reply::GENERATION, head.generation);
        end.tell_long(reply::TOTAL, head.total);
        end.tell(reply::PART, head.part);
        end.tell(reply::DESCRIPTORS, head.descriptors);
        end.tell(reply::CODE, head.code);
        if head.total <= SMALL_REPLY_BYTES {
            end.tell_all(reply::SMALL, &head.small);
        } else {
            end.tell(reply::PART_AT, head.part_at);
        }
        let cpu = cpu::current() & !AWAY;
        let away = if away { AWAY } else { 0 };
        end.tell(reply::CPU, cpu | away);
        let waits = state::publish(end.own(reply::TURN), low(turn), end.peer(call::WAITING)) != 0;
        if waits {
            self.wake(cpu);
        }
        waits
    }

    /// Wakes a client that sleeps, from this processor.
    #[cold]
    fn wake(&self, cpu: u32) {
        let apart = self.peer_cpu() != cpu;
        self.0.wake(reply::WOKE_AT, reply::TURN, apart);
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
    #[inline]
    pub(crate) fn say_cpu(&self, cpu: u32) {
        self.0.tell(reply::CPU, cpu & !AWAY);
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
