//! Shared memory: one thread per line in the server, a word and a cache line each way.

use std::sync::Arc;

use super::{Caller, Peer, Service};
use crate::Result;
use crate::job::{Job, Kind, Pace};
use crate::pin::{Processors, processor};
use crate::shared::{Area, futex_wait, futex_wake};

/// How the two sides wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    /// By looking, without a pause: the floor of two cache lines that move.
    Spin,
    /// By sleeping; who sleeps sets a bit in the word, so that nobody is woken in vain.
    Futex,
    /// As before, but the server's thread follows the caller's processor before it sleeps, and the caller gives that away
    /// until the answer is there: the floor of handing a processor over.
    Handoff,
    /// As before, but the server's thread may run anywhere while it answers: two more system calls.
    HandoffWide,
}

impl Wait {
    fn hands_over(self) -> bool {
        matches!(self, Self::Handoff | Self::HandoffWide)
    }
}

#[derive(Debug)]
pub(crate) struct Memory(Wait);

pub(crate) const SPIN: Memory = Memory(Wait::Spin);
pub(crate) const FUTEX: Memory = Memory(Wait::Futex);
pub(crate) const HANDOFF: Memory = Memory(Wait::Handoff);
pub(crate) const HANDOFF_WIDE: Memory = Memory(Wait::HandoffWide);

/// In a word beside the turn: somebody sleeps here (futex), or the other side shall sleep (spin).
const FLAG: u32 = 1 << 31;

/// Words and what fits beside them: two lines each, since processors fetch lines in pairs.
const PAIR: usize = 128;
/// Data beside a word, in its own cache line.
const INLINE: usize = 56;
const WORD: usize = 8;
/// Where a caller says on which processor it runs: in the second line of its words.
const CPU: usize = 64;
/// So often a caller gives its processor away before it sleeps.
const YIELDS: u32 = 64;

impl Peer for Memory {
    fn name(&self) -> &'static str {
        match self.0 {
            Wait::Spin => "spin",
            Wait::Futex => "futex",
            Wait::Handoff => "hand-off",
            Wait::HandoffWide => "hand-off wide",
        }
    }

    fn does(&self, job: &Job) -> bool {
        let sensible = match self.0 {
            // More spinning threads than processors measure the scheduler.
            Wait::Spin => job.lines == 1,
            Wait::Futex | Wait::Handoff | Wait::HandoffWide => true,
        };
        // A futex does not tell that the other side has died.
        let possible = !matches!(job.kind, Kind::Doors(_) | Kind::Descriptors(_) | Kind::Hang);
        sensible && possible && job.pace != Pace::Connect
    }

    fn spins(&self) -> bool {
        self.0 == Wait::Spin
    }

    fn serve(&self, job: &Job) -> Result<Service> {
        let lines = job.first..job.first.saturating_add(job.lines);
        let area = Arc::new(Area::create(&job.path("memory"), room(job, lines.end))?);
        for line in lines {
            let line = Line::new(self.0, &area, job.size, line);
            let job = job.clone();
            std::thread::spawn(move || serve_one(&job, line));
        }
        Ok(Box::new(()))
    }

    fn connect(&self, job: &Job) -> Result<Vec<Box<dyn Caller>>> {
        let lines = job.first..job.first.saturating_add(job.lines);
        let area = Arc::new(Area::open(&job.path("memory"))?);
        let one = |line| -> Result<Box<dyn Caller>> {
            Ok(Box::new(Line::new(self.0, &area, job.size, line)))
        };
        lines.map(one).collect()
    }
}

/// Bytes of one line.
fn stride(size: usize) -> usize {
    let data = if size > INLINE { size } else { 0 };
    let both = data.next_multiple_of(PAIR).saturating_mul(2);
    both.saturating_add(PAIR.saturating_mul(2))
}

fn room(job: &Job, lines: usize) -> usize {
    stride(job.size).saturating_mul(lines)
}

/// One direction: where its word is, where its data are.
#[derive(Clone, Copy, Debug)]
struct Way {
    word: usize,
    data: usize,
}

#[derive(Debug)]
struct Line {
    wait: Wait,
    area: Arc<Area>,
    size: usize,
    call: Way,
    reply: Way,
    turn: u32,
    /// The processor that the server's thread has followed to.
    followed: Option<u32>,
    /// The server sleeps although it spins otherwise.
    resting: bool,
}

impl Line {
    fn new(wait: Wait, area: &Arc<Area>, size: usize, number: usize) -> Self {
        let start = stride(size).saturating_mul(number);
        let way = |nth: usize| {
            let word = start.saturating_add(PAIR.saturating_mul(nth));
            let room = size.next_multiple_of(PAIR);
            let far = start
                .saturating_add(PAIR.saturating_mul(2))
                .saturating_add(room.saturating_mul(nth));
            let near = word.saturating_add(WORD);
            let data = if size > INLINE { far } else { near };
            Way { word, data }
        };
        Self {
            wait,
            area: Arc::clone(area),
            size,
            call: way(0),
            reply: way(1),
            turn: 0,
            followed: None,
            resting: false,
        }
    }

    /// Tells the other side that a turn is there.
    #[inline]
    fn publish(&self, way: Way, turn: u32) {
        match self.wait {
            Wait::Spin => self.area.store(way.word, turn),
            Wait::Futex | Wait::Handoff | Wait::HandoffWide => {
                // The bit goes with the old turn: who sets it again looks at the new one first.
                if self.area.swap(way.word, turn) & FLAG != 0 {
                    futex_wake(&self.area, way.word);
                }
            }
        }
    }

    /// Waits for a turn; the word, which may have the flag.
    #[inline]
    fn wait_for(&self, way: Way, turn: u32) -> u32 {
        loop {
            let word = self.area.load(way.word);
            if word & !FLAG == turn {
                return word;
            }
            match self.wait {
                Wait::Spin => std::hint::spin_loop(),
                Wait::Futex | Wait::Handoff | Wait::HandoffWide => {
                    let flagged = word | FLAG;
                    if word == flagged || self.area.exchange(way.word, word, flagged) {
                        futex_wait(&self.area, way.word, flagged);
                    }
                }
            }
        }
    }

    /// The server's thread goes where its caller was.
    fn follow(&mut self) {
        if self.wait.hands_over() {
            let cpu = self.area.load(self.call.word.saturating_add(CPU));
            // Zero before the first call.
            if let Some(number) = cpu.checked_sub(1)
                && self.followed.replace(cpu) != Some(cpu)
                && let Ok(number) = usize::try_from(number)
            {
                let _not_ours = crate::pin::to_processors(&[number]);
            }
        }
    }

    /// The server's thread may go anywhere again.
    fn widen(&mut self, whole: &Processors) {
        if self.wait == Wait::HandoffWide && self.followed.take().is_some() {
            let _not_ours = crate::pin::to_processors(whole.all());
        }
    }

    /// The caller lets the server's thread run.
    fn give_way(&self, turn: u32) {
        if self.wait.hands_over() {
            let mut left = YIELDS;
            while left > 0 && self.area.load(self.reply.word) & !FLAG != turn {
                std::thread::yield_now();
                left = left.saturating_sub(1);
            }
        }
    }

    fn next(&mut self) -> u32 {
        self.turn = self.turn.wrapping_add(1) & !FLAG;
        self.turn
    }
}

/// The processor under this thread, counted from 1.
fn cpu() -> u32 {
    processor().saturating_add(1)
}

fn serve_one(job: &Job, mut line: Line) {
    let mut data = Vec::with_capacity(job.size);
    let mut scratch = Vec::new();
    let whole = Processors::ours().unwrap_or_default();
    loop {
        let turn = line.next();
        line.follow();
        let word = line.wait_for(line.call, turn);
        line.widen(&whole);
        if line.wait == Wait::Spin && word & FLAG != 0 {
            line.publish(line.reply, turn);
            while line.area.load(line.call.word) == word {
                futex_wait(&line.area, line.call.word, word);
            }
            continue;
        }
        data.clear();
        line.area.read(line.call.data, line.size, &mut data);
        let Ok(results) = job.answer(&data, &mut scratch) else {
            return;
        };
        line.area.write(line.reply.data, results);
        line.publish(line.reply, turn);
    }
}

impl Caller for Line {
    fn call(&mut self, data: &[u8], results: &mut Vec<u8>) -> Result<()> {
        if data.len() != self.size {
            return Err("a message of another size".into());
        }
        let turn = self.next();
        self.area.write(self.call.data, data);
        if self.wait.hands_over() {
            self.area.store(self.call.word.saturating_add(CPU), cpu());
        }
        self.publish(self.call, turn);
        if std::mem::take(&mut self.resting) {
            futex_wake(&self.area, self.call.word);
        }
        self.give_way(turn);
        self.wait_for(self.reply, turn);
        results.clear();
        self.area.read(self.reply.data, self.size, results);
        Ok(())
    }

    fn rest(&mut self) -> Result<()> {
        if self.wait == Wait::Spin && !self.resting {
            let turn = self.next();
            self.publish(self.call, turn | FLAG);
            self.wait_for(self.reply, turn);
            self.resting = true;
        }
        Ok(())
    }
}
