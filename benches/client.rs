//! A client process: its lines, and the rounds that it measures.

use std::io::BufRead;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use crate::Result;
use crate::drive::{Drive, Leg};
use crate::job::{Job, Pace};
use crate::peer::Peer;
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
    begin: Sender<Duration>,
    end: Receiver<std::result::Result<Leg, String>>,
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
        let mut hands = Vec::new();
        for caller in callers {
            let mut drive = Drive::new(job, caller)?;
            let (begin, begins) = channel();
            let (ended, end) = channel();
            thread::spawn(move || {
                for begin in begins {
                    let leg = drive.round(begin).map_err(|error| error.to_string());
                    if ended.send(leg).is_err() {
                        return;
                    }
                }
            });
            hands.push(Hand { begin, end });
        }
        Ok(Self::Threads(hands))
    }

    fn round(&mut self, begin: Duration) -> Result<Sighting> {
        let before: Duration = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?.into();
        let legs = match self {
            Self::Alone(drive) => vec![drive.round(begin)?],
            Self::Threads(hands) => {
                for hand in &*hands {
                    hand.begin.send(begin)?;
                }
                let legs = hands.iter().map(|hand| Ok(hand.end.recv()??));
                legs.collect::<Result<_>>()?
            }
        };
        let after: Duration = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?.into();
        let mut all = Latencies::new()?;
        let mut elapsed = Duration::ZERO;
        for leg in legs {
            all.merge(&leg.latencies)?;
            elapsed = elapsed.max(leg.elapsed);
        }
        Ok(Sighting {
            counts: all.counts(),
            elapsed,
            busy: after.saturating_sub(before),
        })
    }
}
