//! Who is next, of those who wait for a thread.
//!
//! There is a line for each server. Lines take turns, and within a line whoever came first is first. A line may have another piece of work
//! begun while it has fewer that go on than there are threads left over: the first that takes all it can get has half of them, whoever comes
//! next half of the rest. Once all of them end calls, they have the same share each.
//!
//! Each piece is in one place, and each way out of a line is taken under the lock that this is in, so that no two take the same piece:
//!
//! | place | comes there by | leaves by |
//! |---|---|---|
//! | in its line | [`Lines::push`] | [`Lines::next`] to the thread that begins it, [`Lines::remove`] to whoever does not want it any more, [`Lines::late`] to the one that says that its time is over |
//! | going on: a number in its line | [`Lines::next`] | [`Lines::done`] |
//!
//! A line is there while it has either.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use crate::door::Origin;

/// One that waits.
#[derive(Clone, Debug)]
pub(super) struct Ticket {
    pub(super) origin: Origin,
    number: u64,
}

#[derive(Debug)]
struct Waiting<P> {
    piece: P,
    until: Option<Instant>,
}

#[derive(Debug)]
struct Line<P> {
    /// By their tickets' numbers, which grow.
    waiting: BTreeMap<u64, Waiting<P>>,
    /// Where it is among the turns, if somebody waits.
    turn: u64,
    going: usize,
}

/// Pieces of work that wait, and how many go on.
#[derive(Debug)]
pub(super) struct Lines<P> {
    /// How many threads there may be for all.
    threads: usize,
    /// How many may wait in one line.
    most: usize,
    all: HashMap<Origin, Line<P>>,
    /// Those in which somebody waits, each once, in the order of their turns.
    turns: BTreeMap<u64, Origin>,
    /// Of those who wait.
    deadlines: BTreeMap<(Instant, u64), Origin>,
    going: usize,
    waiting: usize,
    /// Tickets and turns that there were.
    issued: u64,
}

impl<P> Lines<P> {
    pub(super) fn new(threads: usize, most: usize) -> Self {
        Self {
            threads,
            most,
            all: HashMap::new(),
            turns: BTreeMap::new(),
            deadlines: BTreeMap::new(),
            going: 0,
            waiting: 0,
            issued: 0,
        }
    }

    /// Puts a piece at the end of its line; gives it back if that is as long as it may be.
    pub(super) fn push(
        &mut self,
        origin: &Origin,
        until: Option<Instant>,
        piece: P,
    ) -> Result<Ticket, P> {
        let line = self.all.entry(origin.clone()).or_insert_with(|| Line {
            waiting: BTreeMap::new(),
            turn: 0,
            going: 0,
        });
        if line.waiting.len() >= self.most {
            return Err(piece);
        }
        self.issued = self.issued.wrapping_add(1);
        let number = self.issued;
        if line.waiting.is_empty() {
            line.turn = number;
            self.turns.insert(number, origin.clone());
        }
        line.waiting.insert(number, Waiting { piece, until });
        self.waiting = self.waiting.saturating_add(1);
        if let Some(until) = until {
            self.deadlines.insert((until, number), origin.clone());
        }
        Ok(Ticket {
            origin: origin.clone(),
            number,
        })
    }

    /// Takes a piece out of its line, if it still waits there.
    pub(super) fn remove(&mut self, ticket: &Ticket) -> Option<P> {
        let Ticket { origin, number } = ticket;
        let line = self.all.get_mut(origin)?;
        let Waiting { piece, until } = line.waiting.remove(number)?;
        if line.waiting.is_empty() {
            self.turns.remove(&line.turn);
            if line.going == 0 {
                self.all.remove(origin);
            }
        }
        self.waiting = self.waiting.saturating_sub(1);
        if let Some(until) = until {
            self.deadlines.remove(&(until, *number));
        }
        Some(piece)
    }

    /// Whose turn it is, if so many more went on, all of them in each line.
    fn turn(&self, more: usize) -> Option<u64> {
        let left = self.threads.saturating_sub(self.going).saturating_sub(more);
        // From here on a line that may not has something going on, so that few of them are looked at in vain.
        if left <= more {
            return None;
        }
        let may = |origin: &Origin| {
            let line = self.all.get(origin);
            line.is_some_and(|line| line.going.saturating_add(more) < left)
        };
        let mut turns = self.turns.iter();
        turns.find(|(_, origin)| may(origin)).map(|(turn, _)| *turn)
    }

    /// Whether a piece may begin beside so many others that are about to, whichever these are.
    pub(super) fn may_begin_beside(&self, others: usize) -> bool {
        self.turn(others).is_some()
    }

    /// Takes the piece that may begin now; it goes on from here until it is [`done`](Self::done).
    pub(super) fn next(&mut self) -> Option<(Origin, P)> {
        let origin = self.turns.remove(&self.turn(0)?)?;
        let line = self.all.get_mut(&origin)?;
        let (number, Waiting { piece, until }) = line.waiting.pop_first()?;
        line.going = line.going.saturating_add(1);
        if !line.waiting.is_empty() {
            self.issued = self.issued.wrapping_add(1);
            line.turn = self.issued;
            self.turns.insert(line.turn, origin.clone());
        }
        self.going = self.going.saturating_add(1);
        self.waiting = self.waiting.saturating_sub(1);
        if let Some(until) = until {
            self.deadlines.remove(&(until, number));
        }
        Some((origin, piece))
    }

    /// A piece of this line does not go on any more.
    pub(super) fn done(&mut self, origin: &Origin) {
        self.going = self.going.saturating_sub(1);
        if let Some(line) = self.all.get_mut(origin) {
            line.going = line.going.saturating_sub(1);
            if line.going == 0 && line.waiting.is_empty() {
                self.all.remove(origin);
            }
        }
    }

    /// Takes one whose time is over.
    pub(super) fn late(&mut self, now: Instant) -> Option<P> {
        let (&(until, number), origin) = self.deadlines.first_key_value()?;
        if until > now {
            return None;
        }
        let origin = origin.clone();
        self.remove(&Ticket { origin, number })
    }

    /// When the time of the next one is over.
    pub(super) fn first_deadline(&self) -> Option<Instant> {
        let (&(until, _), _) = self.deadlines.first_key_value()?;
        Some(until)
    }

    /// How many go on.
    pub(super) fn going(&self) -> usize {
        self.going
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }
}

#[cfg(test)]
mod tests;
