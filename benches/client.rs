//! A client process: its lines, and the rounds that it measures.

use std::io::BufRead;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use crate::Result;
use crate::drive::{Across, Drive, Leg};
use crate::job::{Job, Pace};
use crate::peer::{Caller, Peer};
use crate::role::say;
use crate::statistics::{Latencies, Sighting};

/// Measures a round for each line of input, which says when to begin (of the monotonic clock, in nanoseconds; 0: at
/// once).
pub(crate) fn run(peer: &'static dyn Peer, job: &Job) -> Result<()> {
    let mut crew = Crew::new(peer, job)?;
    say("ready")?;
    for line in std::io::stdin().lock().lines() {
        let begin = Duration::from_nanos(line?.parse()?);
        say(&serde_json::to_string(&crew.round(begin)?)?)?;
    }
    Ok(())
}

/// Now, as other processes see it, too.
pub(crate) fn monotonic() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_MONOTONIC)?.into())
}

/// The threads that call: one for each line; a single line is this thread's.
#[derive(Debug)]
enum Crew {
    Alone(Box<Drive>),
    Threads(Vec<Hand>),
}

/// A calling thread.
#[derive(Debug)]
struct Hand {
    /// Without it the thread ends.
    begin: Option<Sender<Duration>>,
    /// Says first that the thread is ready, then what each round was.
    end: Receiver<std::result::Result<Option<Leg>, String>>,
    thread: Option<JoinHandle<()>>,
}

impl Hand {
    /// The caller is used on its own thread from the first call on.
    fn new(job: &Job, caller: Box<dyn Caller>) -> Self {
        let job = job.clone();
        let (begin, begins) = channel();
        let (ended, end) = channel();
        let thread = thread::spawn(move || {
            let said = |error: crate::Error| error.to_string();
            let mut drive = match Drive::new(&job, caller) {
                Ok(drive) => drive,
                Err(error) => return ended.send(Err(said(error))).unwrap_or_default(),
            };
            let mut ready = ended.send(Ok(None));
            for begin in begins {
                if ready.is_err() {
                    return;
                }
                ready = ended.send(drive.round(begin).map(Some).map_err(said));
            }
        });
        Self {
            begin: Some(begin),
            end,
            thread: Some(thread),
        }
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        drop(self.begin.take());
        // What went wrong in it was said.
        let _ended = self.thread.take().map(JoinHandle::join);
    }
}

impl Crew {
    fn new(peer: &'static dyn Peer, job: &Job) -> Result<Self> {
        if job.pace == Pace::Connect {
            return Ok(Self::Alone(Box::new(Drive::connecting(peer, job)?)));
        }
        let mut callers = peer.connect(job)?;
        if job.lines == 1 {
            let caller = callers.pop().ok_or("no caller")?;
            return Ok(Self::Alone(Box::new(Drive::new(job, caller)?)));
        }
        let hands = callers.into_iter().map(|caller| Hand::new(job, caller));
        let hands: Vec<Hand> = hands.collect();
        for hand in &hands {
            hand.end.recv()??;
        }
        Ok(Self::Threads(hands))
    }

    fn round(&mut self, begin: Duration) -> Result<Sighting> {
        let before: Duration = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?.into();
        let legs = match self {
            Self::Alone(drive) => vec![drive.round(begin)?],
            Self::Threads(hands) => {
                for hand in &*hands {
                    let hand = hand.begin.as_ref().ok_or("no thread")?;
                    hand.send(begin)?;
                }
                let legs = hands.iter().map(|hand| {
                    let leg = hand.end.recv()??;
                    leg.ok_or_else(|| "a thread that is ready twice".into())
                });
                legs.collect::<Result<_>>()?
            }
        };
        let after: Duration = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?.into();
        let mut all = Latencies::new()?;
        let (mut elapsed, mut counting) = (Duration::ZERO, Duration::ZERO);
        let mut across = Across::default();
        for leg in legs {
            all.merge(&leg.latencies)?;
            elapsed = elapsed.max(leg.elapsed);
            counting = counting.saturating_add(leg.counting);
            across.add(leg.across);
        }
        Ok(Sighting {
            counts: all.counts(),
            elapsed,
            busy: after.saturating_sub(before).saturating_sub(counting),
            across,
        })
    }
}
