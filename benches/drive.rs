//! One thread's calls of one round.

use std::fmt;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::client::monotonic;
use crate::job::{Job, Kind, Pace, sum};
use crate::peer::{Caller, Peer, Scratch};
use crate::pin::begin_apart;
use crate::sample::Sample;
use crate::statistics::{Latencies, float};

/// No call of any peer is shorter, so that there is room for those of a whole slice.
const SHORTEST: Duration = Duration::from_nanos(100);
/// Room for so many calls of one thread in any case, and at most: 64 KiB and 32 MiB.
const ROOM: (usize, usize) = (1 << 14, 1 << 23);
/// Calls that a round has in any case.
const CALLS_MIN: usize = 3;

/// What one thread saw in one round.
#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) latencies: Latencies,
    pub(crate) elapsed: Duration,
    /// Processor time that went into the figures themselves.
    pub(crate) counting: Duration,
    pub(crate) across: Across,
}

/// Calls of which it is known where the two sides were.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Across {
    pub(crate) known: u64,
    /// Those with a processor for each side.
    pub(crate) across: u64,
}

impl Across {
    pub(crate) fn add(&mut self, other: Self) {
        self.known = self.known.saturating_add(other.known);
        self.across = self.across.saturating_add(other.across);
    }

    /// Their part of all, if any is known.
    pub(crate) fn share(self) -> Option<f64> {
        (self.known > 0).then(|| float(self.across) / float(self.known))
    }
}

/// One calling thread.
pub(crate) struct Drive {
    exchange: Exchange,
    pace: Pace,
    slice: Duration,
    times: Times,
    /// The server's process, if rounds begin apart.
    apart_from: Option<i32>,
    across: Across,
}

/// Durations of a round in nanoseconds: a store each, into pages that are there. What does not fit is counted in the
/// middle of the round, between two calls.
#[derive(Debug)]
struct Times {
    some: Vec<u32>,
    counted: Latencies,
    counting: Duration,
}

impl Times {
    /// For a share of what the threads of a measurement can do together.
    fn new(job: &Job) -> Result<Self> {
        let shortest = match job.pace {
            Pace::Gap { pause, .. } => pause.max(SHORTEST),
            Pace::Closed | Pace::Connect => SHORTEST,
        };
        let calls = job.slice.as_nanos().div_ceil(shortest.as_nanos());
        let crowd = u128::try_from(job.crowd.max(1))?;
        // Some get twice as much as others.
        let share = usize::try_from(calls.saturating_mul(2).div_ceil(crowd.saturating_add(1)))?;
        // Not zeros: those would be pages that the kernel makes when they are written, in the middle of a round.
        let mut some = vec![u32::MAX; share.clamp(ROOM.0, ROOM.1)];
        some.clear();
        Ok(Self {
            some,
            counted: Latencies::new()?,
            counting: Duration::ZERO,
        })
    }

    #[inline]
    fn push(&mut self, before: Instant, after: Instant) -> Result<()> {
        let time = after.saturating_duration_since(before).as_nanos();
        match u32::try_from(time) {
            Ok(nanos) => self.some.push(nanos),
            Err(_) => self.counted.record(u64::try_from(time)?)?,
        }
        Ok(())
    }

    #[inline]
    fn is_full(&self) -> bool {
        self.some.len() >= self.some.capacity()
    }

    #[inline]
    fn len(&self) -> usize {
        self.some.len()
    }

    #[cold]
    fn count(&mut self) -> Result<()> {
        let clock = ClockId::CLOCK_THREAD_CPUTIME_ID;
        let before: Duration = clock_gettime(clock)?.into();
        for nanos in self.some.drain(..) {
            self.counted.record(nanos.into())?;
        }
        let after: Duration = clock_gettime(clock)?.into();
        self.counting = self.counting.saturating_add(after.saturating_sub(before));
        Ok(())
    }

    /// What a round was; the next one begins with nothing.
    fn take(&mut self, elapsed: Duration) -> Result<Leg> {
        self.count()?;
        Ok(Leg {
            latencies: std::mem::replace(&mut self.counted, Latencies::new()?),
            elapsed,
            counting: std::mem::take(&mut self.counting),
            across: Across::default(),
        })
    }
}

/// What is done once and measured.
enum Exchange {
    Call(Box<dyn Caller>, Content),
    Connect(&'static dyn Peer, Job, Content),
}

/// What travels.
struct Content {
    kind: Kind,
    data: Vec<u8>,
    sum: [u8; 8],
    given: Vec<OwnedFd>,
    sample: Sample,
    scratch: Scratch,
}

impl fmt::Debug for Drive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drive")
            .field("pace", &self.pace)
            .field("slice", &self.slice)
            .finish_non_exhaustive()
    }
}

impl Content {
    fn new(job: &Job) -> Result<Self> {
        let count = match job.kind {
            Kind::Descriptors(count) => count,
            _ => 0,
        };
        let open = |_| -> Result<OwnedFd> { Ok(File::open("/dev/null")?.into()) };
        let data = vec![7; job.size];
        Ok(Self {
            kind: job.kind,
            sum: sum(&data),
            data,
            given: (0..count).map(open).collect::<Result<_>>()?,
            sample: Sample::new(),
            scratch: Scratch::default(),
        })
    }

    /// One call, whose answer must be the right one.
    fn call(&mut self, caller: &mut dyn Caller) -> Result<()> {
        let scratch = &mut self.scratch;
        match self.kind {
            Kind::Struct => {
                if !caller.brings_back(&self.sample, scratch)? {
                    return Err("another structure came back".into());
                }
                return Ok(());
            }
            Kind::Descriptors(_) => {
                caller.call_with(&self.data, &self.given, &mut scratch.results)?;
            }
            Kind::Sum => {
                caller.call(&self.data, &mut scratch.results)?;
                return if scratch.results == self.sum {
                    Ok(())
                } else {
                    Err("another sum came back".into())
                };
            }
            _ => caller.call(&self.data, &mut scratch.results)?,
        }
        // The length, and the last byte that was copied: a full comparison would be measured, too.
        let same =
            scratch.results.len() == self.data.len() && scratch.results.last() == self.data.last();
        if same {
            Ok(())
        } else {
            Err("another answer came back".into())
        }
    }
}

impl Exchange {
    #[inline]
    fn once(&mut self) -> Result<()> {
        match self {
            Self::Call(caller, content) => content.call(&mut **caller),
            Self::Connect(peer, job, content) => {
                let mut callers = peer.connect(job)?;
                content.call(&mut **callers.first_mut().ok_or("no caller")?)
            }
        }
    }
}

impl Exchange {
    fn was_across(&self) -> Option<bool> {
        match self {
            Self::Call(caller, content) => caller.was_across(&content.scratch.results),
            Self::Connect(..) => None,
        }
    }
}

impl Drive {
    pub(crate) fn new(job: &Job, mut caller: Box<dyn Caller>) -> Result<Self> {
        let mut content = Content::new(job)?;
        // A peer that cannot do the job says so before anything is measured.
        content.call(&mut *caller)?;
        caller.rest()?;
        Self::of(Exchange::Call(caller, content), job)
    }

    /// Each exchange connects anew.
    pub(crate) fn connecting(peer: &'static dyn Peer, job: &Job) -> Result<Self> {
        let content = Content::new(job)?;
        let mut exchange = Exchange::Connect(peer, job.clone(), content);
        exchange.once()?;
        Self::of(exchange, job)
    }

    fn of(exchange: Exchange, job: &Job) -> Result<Self> {
        Ok(Self {
            exchange,
            pace: job.pace,
            slice: job.slice,
            times: Times::new(job)?,
            apart_from: job.apart_from,
            across: Across::default(),
        })
    }

    /// Calls from `begin` on (of the monotonic clock) until the slice is over.
    pub(crate) fn round(&mut self, begin: Duration) -> Result<Leg> {
        if let Some(server) = self.apart_from {
            begin_apart(server, || self.exchange.once())?;
        }
        thread::sleep(begin.saturating_sub(monotonic()?));
        let start = Instant::now();
        let end = start.checked_add(self.slice).ok_or("a round without end")?;
        let last = match self.pace {
            Pace::Closed | Pace::Connect => self.closed(start, end)?,
            Pace::Gap { pause, asleep } => self.gaps(start, end, pause, asleep)?,
        };
        if let Exchange::Call(caller, _) = &mut self.exchange {
            caller.rest()?;
        }
        Ok(Leg {
            across: std::mem::take(&mut self.across),
            ..self.times.take(last.saturating_duration_since(start))?
        })
    }

    /// One after another: the end of one call is the beginning of the next, so that the clock is read once per call.
    fn closed(&mut self, start: Instant, end: Instant) -> Result<Instant> {
        let mut before = start;
        while self.goes_on(before, end) {
            self.exchange.once()?;
            let after = Instant::now();
            self.times.push(before, after)?;
            before = after;
            if self.times.is_full() {
                self.times.count()?;
                before = Instant::now();
            }
        }
        Ok(before)
    }

    /// With pauses.
    fn gaps(
        &mut self,
        start: Instant,
        end: Instant,
        pause: Duration,
        asleep: bool,
    ) -> Result<Instant> {
        let mut last = start;
        while self.goes_on(last, end) {
            let next = last.checked_add(pause).ok_or("a pause without end")?;
            if asleep {
                thread::sleep(pause);
            } else {
                while Instant::now() < next {
                    std::hint::spin_loop();
                }
            }
            let before = Instant::now();
            self.exchange.once()?;
            last = Instant::now();
            self.times.push(before, last)?;
            if let Some(across) = self.exchange.was_across() {
                self.across.add(Across {
                    known: 1,
                    across: across.into(),
                });
            }
            if self.times.is_full() {
                self.times.count()?;
            }
        }
        Ok(last)
    }

    fn goes_on(&self, now: Instant, end: Instant) -> bool {
        now < end || self.times.len() < CALLS_MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_line() -> Job {
        Job {
            place: "/nowhere".into(),
            peer: "doors".into(),
            size: 8,
            kind: Kind::Echo,
            pace: Pace::Closed,
            first: 0,
            lines: 1,
            crowd: 1,
            apart_from: None,
            slice: Duration::ZERO,
        }
    }

    #[test]
    fn calls_that_do_not_fit_are_counted_in_between() {
        let mut times = Times::new(&one_line()).unwrap();
        let room = times.some.capacity();
        let start = Instant::now();
        let after = |nanos| start + Duration::from_nanos(nanos);
        for _ in 0..room {
            assert!(!times.is_full());
            times.push(start, after(500)).unwrap();
        }
        assert!(times.is_full());
        times.count().unwrap();
        assert_eq!((times.len(), times.some.capacity()), (0, room));
        // Longer than a word can say.
        times.push(start, after(7_000_000_000)).unwrap();
        times.push(start, after(500)).unwrap();
        let leg = times.take(Duration::from_secs(1)).unwrap();
        assert_eq!(leg.latencies.len(), u64::try_from(room).unwrap() + 2);
        assert!(leg.latencies.at(0.5) < 600.0 && leg.latencies.at(1.0) > 6.9e9);
        assert!(times.take(Duration::ZERO).unwrap().latencies.is_empty());
    }
}
