//! One thread's calls of one round.

use std::fmt;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;
use crate::client::monotonic;
use crate::job::{Job, Kind, Pace};
use crate::peer::{Caller, Peer, Scratch};
use crate::sample::Sample;
use crate::statistics::Latencies;

/// Calls of one thread in one round at most.
const CALLS_MAX: usize = 100_000;
/// Calls that a round has in any case.
const CALLS_MIN: usize = 3;

/// What one thread saw in one round.
#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) latencies: Latencies,
    pub(crate) elapsed: Duration,
}

/// One calling thread.
pub(crate) struct Drive {
    exchange: Exchange,
    pace: Pace,
    slice: Duration,
    /// Durations of a round; kept, so that its pages are there.
    times: Vec<u64>,
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
        Ok(Self {
            kind: job.kind,
            data: vec![7; job.size],
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
                if caller.call_struct(&self.sample, scratch)? != self.sample {
                    return Err("another structure came back".into());
                }
                return Ok(());
            }
            Kind::Descriptors(_) => {
                caller.call_with(&self.data, &self.given, &mut scratch.results)?;
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

impl Drive {
    pub(crate) fn new(job: &Job, mut caller: Box<dyn Caller>) -> Result<Self> {
        let mut content = Content::new(job)?;
        // A peer that cannot do the job says so before anything is measured.
        content.call(&mut *caller)?;
        caller.rest()?;
        Ok(Self::of(Exchange::Call(caller, content), job))
    }

    /// Each exchange connects anew.
    pub(crate) fn connecting(peer: &'static dyn Peer, job: &Job) -> Result<Self> {
        let content = Content::new(job)?;
        let mut exchange = Exchange::Connect(peer, job.clone(), content);
        exchange.once()?;
        Ok(Self::of(exchange, job))
    }

    fn of(exchange: Exchange, job: &Job) -> Self {
        Self {
            exchange,
            pace: job.pace,
            slice: job.slice,
            times: Vec::with_capacity(CALLS_MAX),
        }
    }

    /// Calls from `begin` on (of the monotonic clock) until the slice is over.
    pub(crate) fn round(&mut self, begin: Duration) -> Result<Leg> {
        self.times.clear();
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
        let mut latencies = Latencies::new()?;
        for time in &self.times {
            latencies.record(*time)?;
        }
        let elapsed = last.saturating_duration_since(start);
        Ok(Leg { latencies, elapsed })
    }

    /// One after another: the end of one call is the beginning of the next, so that the clock is read once per call.
    fn closed(&mut self, start: Instant, end: Instant) -> Result<Instant> {
        let mut before = start;
        while self.goes_on(before, end) {
            self.exchange.once()?;
            let after = Instant::now();
            self.times.push(nanos(before, after));
            before = after;
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
            self.times.push(nanos(before, last));
        }
        Ok(last)
    }

    fn goes_on(&self, now: Instant, end: Instant) -> bool {
        let calls = self.times.len();
        calls < CALLS_MIN || (now < end && calls < CALLS_MAX)
    }
}

fn nanos(before: Instant, after: Instant) -> u64 {
    let time = after.saturating_duration_since(before);
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
