//! The rows of the table of limits.

mod calls;
mod crowds;
mod pauses;
mod quiet;
mod spinning;
mod values;

use super::Limit;
use crate::pin::Pin;
use crate::record::{BesideFloor, Record, Times};
use crate::sample::Sample;
use crate::statistics::Spread;

/// The limits so far.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    records: &'a [Record],
    limits: Vec<Limit>,
}

/// Which records are meant.
#[derive(Clone, Copy, Debug)]
struct Place<'a> {
    work: &'a str,
    variant: &'a str,
    pin: Pin,
    size: usize,
    threads: usize,
}

/// Eight bytes, one client, unpinned.
fn place<'a>(work: &'a str, variant: &'a str) -> Place<'a> {
    Place {
        work,
        variant,
        pin: Pin::Unpinned,
        size: 8,
        threads: 1,
    }
}

/// The structure, unpinned.
fn structure() -> Place<'static> {
    Place {
        size: Sample::size().unwrap_or_default(),
        ..place("struct", "")
    }
}

impl<'a> Rows<'a> {
    pub(super) fn new(records: &'a [Record]) -> Self {
        Self {
            records,
            limits: Vec::new(),
        }
    }

    /// Beside the floors.
    pub(super) fn near(mut self) -> Vec<Limit> {
        self.calls();
        self.pauses();
        self.values();
        self.crowds();
        self.quiet();
        self.limits
    }

    /// Beside a peer that spins as well.
    pub(super) fn far(mut self) -> Vec<Limit> {
        self.spinning();
        self.limits
    }

    fn at(&self, place: Place<'_>, peer: &str) -> Option<&Record> {
        self.records.iter().find(|record| {
            record.work == place.work
                && record.variant == place.variant
                && record.pin == place.pin
                && record.size == place.size
                && record.threads == place.threads
                && record.peer == peer
        })
    }

    fn times(&self, place: Place<'_>, peer: &str) -> Option<&Times> {
        self.at(place, peer)?.times.as_ref()
    }

    fn p50(&self, place: Place<'_>, peer: &str) -> Option<f64> {
        Some(self.times(place, peer)?.p50.median)
    }

    /// Doors' p50 beside that of a peer that looks without a pause: its floor is what it does with a processor for each side, since
    /// nothing moves two sides apart that wait for each other on the same one.
    fn beside_spinning(&self, place: Place<'_>, peer: &str) -> Option<f64> {
        self.beside_spinning_by(place, "doors", peer)
    }

    /// The same of another way to call doors.
    fn beside_spinning_by(&self, place: Place<'_>, ours: &str, peer: &str) -> Option<f64> {
        let apart = Place {
            pin: Pin::OneEach,
            ..place
        };
        let floors = [self.p50(place, peer), self.p50(apart, peer)];
        let floor = floors.into_iter().flatten().reduce(f64::min)?;
        Some(self.p50(place, ours)? / floor)
    }

    /// p50 and p99 of a peer beside the unix stream's, of the same rounds.
    fn ratios(&self, place: Place<'_>, peer: &str) -> [Option<f64>; 2] {
        let times = self.times(place, peer);
        [
            times.and_then(|times| Some(times.ratio?.median)),
            times.and_then(|times| Some(times.ratio_p99?.median)),
        ]
    }

    fn at_most(&mut self, what: impl Into<String>, measured: Option<f64>, bound: f64) {
        self.limits.push(Limit {
            what: what.into(),
            measured,
            bound,
            floor: None,
            beside_floor: None,
            at_least: false,
            not_seen: false,
        });
    }

    fn at_least(&mut self, what: impl Into<String>, measured: Option<f64>, bound: f64) {
        self.at_most(what, measured, bound);
        if let Some(last) = self.limits.last_mut() {
            last.at_least = true;
        }
    }

    /// What the floor of the last limit measured, and how that was beside it.
    fn floor(&mut self, measured: Option<f64>, beside: Option<f64>) {
        if let Some(last) = self.limits.last_mut() {
            last.floor = measured;
            last.beside_floor = beside;
        }
    }

    /// A figure beside that of the floor.
    fn beside(
        &self,
        place: Place<'_>,
        peer: &str,
        figure: impl Fn(BesideFloor) -> Spread,
    ) -> Option<f64> {
        Some(figure(self.times(place, peer)?.beside_floor?).median)
    }
}
