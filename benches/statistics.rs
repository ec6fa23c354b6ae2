//! Latencies of a round, summaries of rounds.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::drive::Across;

/// Latencies that can be added to each other, with three digits each.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

impl Latencies {
    /// None yet.
    ///
    /// # Errors
    /// Never with these bounds.
    pub fn new() -> Result<Self> {
        Ok(Self(Histogram::new(3)?))
    }

    /// One more; shorter than a nanosecond counts as one.
    ///
    /// # Errors
    /// Never: the bounds grow.
    pub fn record(&mut self, nanos: u64) -> Result<()> {
        Ok(self.0.record(nanos.max(1))?)
    }

    /// Those of another.
    ///
    /// # Errors
    /// Never: the bounds grow.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        Ok(self.0.add(&other.0)?)
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The time, in nanoseconds, that a part of all did not exceed.
    #[must_use]
    pub fn at(&self, part: f64) -> f64 {
        float(self.0.value_at_quantile(part))
    }

    /// The arithmetic mean in nanoseconds.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.0.mean()
    }

    /// Points of the cumulative distribution: nanoseconds, part of all.
    #[must_use]
    pub fn distribution(&self) -> Vec<(f64, f64)> {
        let all = float(self.len()).max(1.0);
        let mut sum = 0_u64;
        let steps = self.0.iter_recorded();
        steps
            .map(|step| {
                sum = sum.saturating_add(step.count_at_value());
                (float(step.value_iterated_to()), float(sum) / all)
            })
            .collect()
    }

    /// As numbers that travel between processes.
    #[must_use]
    pub(crate) fn counts(&self) -> Vec<(u64, u64)> {
        let steps = self.0.iter_recorded();
        steps
            .map(|step| (step.value_iterated_to(), step.count_at_value()))
            .collect()
    }

    /// The reverse of [`counts`](Self::counts).
    pub(crate) fn of_counts(counts: &[(u64, u64)]) -> Result<Self> {
        let mut all = Self::new()?;
        for (value, count) in counts {
            all.0.record_n(*value, *count)?;
        }
        Ok(all)
    }
}

/// What one client process saw in one round.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sighting {
    pub(crate) counts: Vec<(u64, u64)>,
    /// From the first call to the end of the last.
    pub(crate) elapsed: Duration,
    /// Processor time of the whole client process, without what its figures took.
    pub(crate) busy: Duration,
    pub(crate) across: Across,
}

/// One round of one peer: all its clients, and the server.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    pub(crate) latencies: Latencies,
    pub(crate) elapsed: Duration,
    pub(crate) client_busy: Duration,
    pub(crate) server_busy: Duration,
    /// How many processors the busy processes beside it had, on average.
    pub(crate) others: f64,
    /// Where the two sides were, if the peer tells.
    pub(crate) across: Across,
}

impl Round {
    pub(crate) fn of(sightings: &[Sighting], server_busy: Duration) -> Result<Self> {
        let mut round = Self {
            latencies: Latencies::new()?,
            elapsed: Duration::ZERO,
            client_busy: Duration::ZERO,
            server_busy,
            others: 0.0,
            across: Across::default(),
        };
        for sighting in sightings {
            let seen = Latencies::of_counts(&sighting.counts)?;
            round.latencies.merge(&seen)?;
            round.elapsed = round.elapsed.max(sighting.elapsed);
            round.across.add(sighting.across);
            round.client_busy = round.client_busy.saturating_add(sighting.busy);
        }
        Ok(round)
    }

    pub(crate) fn per_call(&self, time: Duration) -> f64 {
        nanos(time) / float(self.latencies.len()).max(1.0)
    }

    pub(crate) fn calls_per_second(&self) -> f64 {
        float(self.latencies.len()) / self.elapsed.as_secs_f64().max(1e-9)
    }
}

/// A value of several rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// The middle one.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// Of values in any order; zeros if there are none.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_unstable_by(f64::total_cmp);
        let at = |place: usize| values.get(place).copied().unwrap_or_default();
        let last = values.len().saturating_sub(1);
        // Of an even number the mean of the two in the middle.
        let median = f64::midpoint(at(last.div_euclid(2)), at(last.div_ceil(2)));
        Self {
            median,
            min: at(0),
            max: at(last),
        }
    }
}

/// A count as a number to calculate with; exact up to 2^53.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "no count here comes near 2^53, and the standard library has no other conversion"
)]
#[must_use]
pub fn float(count: u64) -> f64 {
    count as f64
}

pub(crate) fn nanos(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latencies(values: impl IntoIterator<Item = u64>) -> Latencies {
        let mut all = Latencies::new().unwrap();
        for value in values {
            all.record(value).unwrap();
        }
        all
    }

    fn near(found: f64, wanted: f64) -> bool {
        (found - wanted).abs() <= wanted / 1000.0
    }

    #[test]
    fn quantiles_have_three_digits() {
        let all = latencies(1..=100_000);
        assert!(near(all.at(0.5), 50_000.0), "{}", all.at(0.5));
        assert!(near(all.at(0.99), 99_000.0), "{}", all.at(0.99));
        assert!(near(all.at(0.999), 99_900.0), "{}", all.at(0.999));
        assert!(near(all.mean(), 50_000.5), "{}", all.mean());
    }

    #[test]
    fn latencies_of_two_clients_add_up() {
        let mut all = latencies([10, 20]);
        all.merge(&latencies([30, 40])).unwrap();
        assert_eq!(all.counts(), latencies([10, 20, 30, 40]).counts());
        assert_eq!(all.len(), 4);
    }

    #[test]
    fn latencies_travel_as_counts() {
        let all = latencies([1, 1, 500, 70_000, 3_000_000_000]);
        let again = Latencies::of_counts(&all.counts()).unwrap();
        assert_eq!(again.counts(), all.counts());
        assert_eq!(again.len(), 5);
    }

    #[test]
    fn a_distribution_ends_with_all() {
        let points = latencies([100, 100, 200, 400]).distribution();
        assert_eq!(points, [(100.0, 0.5), (200.0, 0.75), (400.0, 1.0)]);
    }

    #[test]
    fn a_spread_is_the_middle_and_the_ends() {
        let odd = Spread::of([5.0, 1.0, 3.0]);
        assert_eq!((odd.median, odd.min, odd.max), (3.0, 1.0, 5.0));
        let even = Spread::of([4.0, 1.0, 2.0, 3.0]);
        assert_eq!((even.median, even.min, even.max), (2.5, 1.0, 4.0));
        assert_eq!(Spread::of([]), Spread::default());
    }

    #[test]
    fn a_round_has_the_longest_time_and_all_calls() {
        let sighting = |nanos, millis| Sighting {
            counts: latencies([nanos, nanos]).counts(),
            elapsed: Duration::from_millis(millis),
            busy: Duration::from_nanos(400),
            across: Across {
                known: 2,
                across: millis - 1,
            },
        };
        let sightings = [sighting(100, 1), sighting(200, 2)];
        let round = Round::of(&sightings, Duration::from_nanos(40)).unwrap();
        assert_eq!(round.elapsed, Duration::from_millis(2));
        assert!(near(round.calls_per_second(), 2000.0));
        assert!(near(round.per_call(round.client_busy), 200.0));
        assert!(near(round.per_call(round.server_busy), 10.0));
        assert_eq!(round.across.share(), Some(0.25));
    }
}
