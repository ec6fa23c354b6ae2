//! One line of the results.

use std::collections::BTreeMap;

use crate::Result;
use crate::pin::Pin;
use crate::statistics::{Latencies, Round, Spread};

/// What one peer did in one work.
#[derive(Clone, Debug)]
pub struct Record {
    /// The name of the work.
    pub work: &'static str,
    /// Which form of it; empty if there is only one.
    pub variant: String,
    /// Bytes of a call.
    pub size: usize,
    /// Threads that call at once, of all client processes.
    pub threads: usize,
    /// Where the two sides run.
    pub pin: Pin,
    /// The peer.
    pub peer: &'static str,
    /// How many rounds count.
    pub rounds: usize,
    /// Latencies; nothing for a work that has none.
    pub times: Option<Times>,
    /// Other figures of this work.
    pub also: BTreeMap<&'static str, f64>,
    /// What has to be known to read them; mostly nothing.
    pub note: String,
}

/// The figures of calls: medians of rounds.
#[derive(Clone, Debug)]
pub struct Times {
    /// Nanoseconds that half of the calls did not exceed.
    pub p50: Spread,
    /// The same for 99 of 100.
    pub p99: Spread,
    /// The same for 999 of 1000.
    pub p999: Spread,
    /// The arithmetic mean in nanoseconds.
    pub mean: Spread,
    /// Calls per second, of all threads; nothing where calls are not all that is done.
    pub calls_per_s: Option<Spread>,
    /// Processor time of the clients per call, in nanoseconds.
    pub client_cpu: Option<Spread>,
    /// Processor time of the server per call, in nanoseconds.
    pub server_cpu: Option<Spread>,
    /// p50 beside the unix stream's in the same round, if that took part.
    pub ratio: Option<Spread>,
    /// p99 beside the unix stream's in the same round, if that took part.
    pub ratio_p99: Option<Spread>,
    /// The same beside a floor, if one took part.
    pub beside_floor: Option<BesideFloor>,
    /// The same in rounds in which the unix stream's sides were on different processors, if it tells.
    pub across: Option<BesideAcross>,
    /// All rounds together.
    pub all: Latencies,
}

/// Figures beside those of a floor in the same round: a host whose speed changes between rounds changes both.
#[derive(Clone, Copy, Debug)]
pub struct BesideFloor {
    /// p50.
    pub p50: Spread,
    /// Processor time of the server per call.
    pub server_cpu: Spread,
}

/// Figures beside the unix stream's where the scheduler has put its two sides on different processors.
#[derive(Clone, Copy, Debug)]
pub struct BesideAcross {
    /// In so many rounds it did.
    pub rounds: usize,
    /// p50 in these, if there were any.
    pub p50: Option<Spread>,
}

impl BesideFloor {
    pub(crate) fn of(rounds: &[Round], floor: &[Round]) -> Self {
        let beside = |pick: &dyn Fn(&Round) -> f64| {
            let pairs = rounds.iter().zip(floor);
            Spread::of(pairs.map(|(round, floor)| pick(round) / pick(floor).max(1.0)))
        };
        Self {
            p50: beside(&|round| round.latencies.at(0.5)),
            server_cpu: beside(&|round| round.per_call(round.server_busy)),
        }
    }
}

impl Times {
    pub(crate) fn of(rounds: &[Round], base: Option<&[Round]>) -> Result<Self> {
        let mut all = Latencies::new()?;
        for round in rounds {
            all.merge(&round.latencies)?;
        }
        let of = |pick: &dyn Fn(&Round) -> f64| Spread::of(rounds.iter().map(pick));
        let at = |part: f64| of(&|round| round.latencies.at(part));
        let ratio = |part: f64| {
            let pairs = base.map(|base| rounds.iter().zip(base));
            pairs.map(|pairs| {
                Spread::of(pairs.map(|(round, base)| {
                    round.latencies.at(part) / base.latencies.at(part).max(1.0)
                }))
            })
        };
        Ok(Self {
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
            mean: of(&|round| round.latencies.mean()),
            calls_per_s: Some(of(&Round::calls_per_second)),
            client_cpu: Some(of(&|round| round.per_call(round.client_busy))),
            server_cpu: Some(of(&|round| round.per_call(round.server_busy))),
            ratio: ratio(0.5),
            ratio_p99: ratio(0.99),
            beside_floor: None,
            across: None,
            all,
        })
    }

    /// Of rounds in which more is done than calls, so that only their latencies mean something.
    pub(crate) fn without_load(self) -> Self {
        Self {
            calls_per_s: None,
            client_cpu: None,
            server_cpu: None,
            ..self
        }
    }
}

impl Record {
    /// What is measured, without the peer: records of one contest have the same.
    #[must_use]
    pub fn title(&self) -> String {
        let mut title = self.work.to_owned();
        let mut add = |part: String| {
            title.push_str(", ");
            title.push_str(&part);
        };
        if !self.variant.is_empty() {
            add(self.variant.clone());
        }
        add(crate::text::bytes(self.size));
        if self.threads > 1 {
            add(format!("{} threads", self.threads));
        }
        add(self.pin.name().to_owned());
        title
    }
}
