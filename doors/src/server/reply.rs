//! Results on their way through a channel.

use std::time::{Duration, Instant};

use super::duty::{Duty, Progress, Sending, Unsent};
use super::session::Paid;
use crate::channel::ends::{CallHead, ReplyHead, low};
use crate::channel::parts::{Cut, Place};
use crate::channel::small::pack;
use crate::channel::wait::{Peer, Spent};
use crate::desc::DoorDesc;
use crate::error::ReturnError;
use crate::pieces::Pieces;
use crate::sys::{cpu, futex};
use crate::wire::code::{Answer, Failure, Move};
use crate::wire::layout::{SMALL_REPLY_BYTES, presence};
use crate::wire::message::Violation;

/// A caller that takes no part of its results is not waited for, but for about as long as it takes to put the rest aside:
/// a page that is touched for the first time costs 0.25 to 1 us.
const ASIDE_FROM: Duration = Duration::from_micros(100);
/// The same, for each byte.
const ASIDE_NS_PER_BYTE: u64 = 1;

/// A reply that was handed over and not yet published.
pub(crate) struct Prepared {
    /// What is to be published when the procedure has returned; nothing where the caller has the next move.
    head: Option<ReplyHead>,
    /// What is not in the area.
    rest: Option<Box<Sending>>,
}

/// What came of waiting for the caller.
enum Next {
    /// It has taken all that was published, and wants more.
    Wanted,
    /// The same, in another area: what lies in the one before is lost.
    Elsewhere,
    /// Nothing, for too long.
    Late,
    /// It will want none: the session is over, or the call given up.
    Gone,
}

impl Duty {
    #[inline]
    pub(super) fn put_reply(
        &mut self,
        data: Pieces<'_>,
        descriptors: &[DoorDesc<'_>],
    ) -> Result<(), ReturnError> {
        if self.reply.is_some() {
            return Err(ReturnError::AlreadyReplied);
        }
        let total = u64::try_from(data.len()).unwrap_or(u64::MAX);
        let count = u32::try_from(descriptors.len()).unwrap_or(0);
        let mut head = ReplyHead {
            answer: Answer::Returned.number(),
            generation: self.generation,
            total,
            descriptors: count,
            ..ReplyHead::default()
        };
        let mut left = Pieces::default();
        if total <= SMALL_REPLY_BYTES {
            head.small = pack(data.small());
            head.part = u32::try_from(data.len()).unwrap_or(0);
        } else {
            left = self.put_first(&mut head, data)?;
        }
        let aside = if left.is_empty() {
            None
        } else {
            Some(self.aside(left.len(), total, count)?)
        };
        // Last of what can fail: the caller would take them for those of the reply that is tried instead.
        if !descriptors.is_empty() {
            self.channel
                .send_descriptors(self.generation, descriptors)?;
        }
        self.reply = Some(match aside {
            None => Prepared {
                head: Some(head),
                rest: None,
            },
            Some(aside) => self.put_parts(head, left, aside),
        });
        Ok(())
    }

    /// Puts the first part of results down that are not small; what is left. (Apart: what is inlined into a program's own code finds
    /// our words by a detour.)
    #[inline(never)]
    fn put_first<'d>(
        &mut self,
        head: &mut ReplyHead,
        data: Pieces<'d>,
    ) -> Result<Pieces<'d>, ReturnError> {
        let place = self.put_part(self.cut(head.total), data);
        Ok(head.name(place.ok_or(ReturnError::NoRoom)?, data))
    }

    /// The caller is told that there was a reply and that it is lost.
    pub(super) fn lose_reply(&mut self) {
        let head = ReplyHead {
            answer: Answer::Failed.number(),
            generation: self.generation,
            code: Failure::ReplyLost.number(),
            ..ReplyHead::default()
        };
        self.reply = Some(Prepared {
            head: Some(head),
            rest: None,
        });
    }

    /// Memory for what the caller does not take at once, until it does. Reserved and paid for before anything is
    /// published: from then on nothing may fail.
    #[cold]
    fn aside(
        &self,
        bytes: usize,
        total: u64,
        descriptors: u32,
    ) -> Result<Box<Sending>, ReturnError> {
        let mut paid = Paid::nothing(&self.channel.session);
        let mut rest = Vec::new();
        if !paid.cover(bytes) || rest.try_reserve_exact(bytes).is_err() {
            return Err(ReturnError::NoRoom);
        }
        Ok(Box::new(Sending {
            rest,
            _paid: paid,
            _unsent: Unsent::begun(&self.channel.session.runtime),
            sent: 0,
            total,
            descriptors,
        }))
    }

    /// Publishes one part after another as fast as the caller takes them, while the next one is being put down, up to the
    /// last: with that the caller may go on, so it is published when the procedure has returned. What a slow caller does
    /// not take is put aside.
    fn put_parts(
        &mut self,
        mut head: ReplyHead,
        mut left: Pieces<'_>,
        mut aside: Box<Sending>,
    ) -> Prepared {
        let mut cut = self.cut(head.total);
        let last = head;
        head.descriptors = 0;
        head.answer = Answer::Part.number();
        if self.has_left || !cut.overlaps() {
            left.append_to(&mut aside.rest);
            return Prepared {
                head: Some(head),
                rest: Some(aside),
            };
        }
        let bytes = u64::try_from(left.len()).unwrap_or(u64::MAX);
        let copied = Duration::from_nanos(bytes.saturating_mul(ASIDE_NS_PER_BYTE));
        let until = Instant::now().checked_add(ASIDE_FROM.saturating_add(copied));
        loop {
            self.answer(&head);
            let mut place = self.put_part(cut, left);
            match self.await_next(until) {
                Next::Wanted => {}
                Next::Elsewhere => {
                    cut = self.cut(head.total);
                    place = self.put_part(cut, left);
                }
                Next::Late => {
                    left.append_to(&mut aside.rest);
                    return Prepared {
                        head: None,
                        rest: Some(aside),
                    };
                }
                Next::Gone => {
                    return Prepared {
                        head: None,
                        rest: None,
                    };
                }
            }
            let Some(place) = place else {
                // Not inside its own area: it cannot be.
                self.channel.session.close();
                return Prepared {
                    head: None,
                    rest: None,
                };
            };
            left = head.name(place, left);
            if left.is_empty() {
                head.answer = last.answer;
                head.descriptors = last.descriptors;
                return Prepared {
                    head: Some(head),
                    rest: None,
                };
            }
        }
    }

    /// Waits until the caller has taken the part that was published.
    fn await_next(&mut self, until: Option<Instant>) -> Next {
        let channel = std::sync::Arc::clone(&self.channel);
        let (end, session) = (&channel.end, &channel.session);
        let before = low(self.turn);
        while end.turn() == before {
            let spent = self.patience.spend(
                || (cpu::current(), end.peer_cpu()),
                || end.turn() != before,
                || session.is_dead(),
                Peer::Awake,
            );
            if matches!(spent, Spent::Seen | Spent::Yielded { .. }) {
                break;
            }
            if session.is_dead() {
                return Next::Gone;
            }
            if until.is_none_or(|until| until <= Instant::now()) {
                return Next::Late;
            }
            if end.say_presence(presence::SLEEPING, self.turn) {
                futex::wait(end.sleep_word(), before, until);
            }
            end.say_awake();
        }
        let area = self.area.number;
        let head = end.read();
        let wanted = end.turn() == low(self.turn.wrapping_add(1))
            && Move::from_number(head.step) == Some(Move::Next)
            && head.generation == self.generation
            && self.choose_area(&head);
        if !wanted {
            // A caller that has given up may call anew. Whatever it is, whoever serves the next turn looks at it.
            Next::Gone
        } else if self.area.number == area {
            Next::Wanted
        } else {
            Next::Elsewhere
        }
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "one run of code: `server/desk.rs`")]
    pub(super) fn finish(&mut self, without: Failure) {
        if self.callback_set {
            self.callback_set = false;
            self.channel.clear_on_cancel();
        }
        match self.reply.take() {
            Some(Prepared { head, rest }) => {
                if let Some(rest) = rest {
                    self.progress = Progress::Sending(rest);
                }
                if let Some(head) = head {
                    self.answer(&head);
                }
            }
            None => self.fail(without),
        }
    }

    /// Sends the next part of the results that were put aside.
    pub(crate) fn send_next(&mut self, head: &CallHead) -> Result<(), Violation> {
        if head.generation != self.generation || !self.choose_area(head) {
            return Err(Violation::Value);
        }
        if self.was_forgotten() {
            self.fail(Failure::Abandoned);
            return Ok(());
        }
        let Progress::Sending(mut sending) = std::mem::replace(&mut self.progress, Progress::Idle)
        else {
            return Err(Violation::Turn);
        };
        let left = Pieces::one(&sending.rest).after(sending.sent);
        let place = self.put_part(self.cut(sending.total), left);
        let place = place.ok_or(Violation::Value)?;
        let mut reply = ReplyHead {
            answer: Answer::Part.number(),
            generation: self.generation,
            total: sending.total,
            ..ReplyHead::default()
        };
        let last = reply.name(place, left).is_empty();
        if last {
            reply.answer = Answer::Returned.number();
            reply.descriptors = sending.descriptors;
        } else {
            sending.sent = sending.sent.saturating_add(place.len);
            self.progress = Progress::Sending(sending);
        }
        self.answer(&reply);
        Ok(())
    }

    /// How results are cut into parts.
    #[inline]
    fn cut(&self, total: u64) -> Cut {
        let apart = self.channel.end.peer_cpu() != cpu::current();
        let total = usize::try_from(total).unwrap_or(usize::MAX);
        Cut::new(total, self.area_bytes(), apart)
    }

    /// Copies the next part into the area; `None` if it does not fit.
    #[inline]
    fn put_part(&mut self, cut: Cut, left: Pieces<'_>) -> Option<Place> {
        let place = self.cursor.place(cut, left.len());
        let part = left.begin(place.len)?;
        let at = self.area_at().saturating_add(place.at);
        self.area.ours.store_all(at, part).then_some(place)
    }
}

impl ReplyHead {
    /// Names a part that lies in the area; returns what is left after it.
    #[inline]
    fn name<'d>(&mut self, place: Place, left: Pieces<'d>) -> Pieces<'d> {
        self.part = u32::try_from(place.len).unwrap_or(0);
        self.part_at = u32::try_from(place.at).unwrap_or(0);
        left.after(place.len)
    }
}
