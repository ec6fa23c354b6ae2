//! Many callers.

use super::{Place, Rows, place};
use crate::contest::BASE;

impl Rows<'_> {
    pub(super) fn crowds(&mut self) {
        for variant in ["threads", "processes"] {
            let rate = |rows: &Self, threads: usize, peer: &str| {
                let crowd = Place {
                    threads,
                    ..place("mt", variant)
                };
                Some(rows.times(crowd, peer)?.calls_per_s?.median)
            };
            for threads in [2, 4, 8] {
                let doors = rate(self, threads, "doors");
                let base = rate(self, threads, BASE);
                let ratio = doors.and_then(|doors| Some(doors / base?));
                self.at_least(
                    format!("mt {threads} {variant}, calls/s / unix stream"),
                    ratio,
                    10.0,
                );
            }
            let eight = rate(self, 8, "doors");
            for threads in [16, 64] {
                let doors = rate(self, threads, "doors");
                let ratio = doors.and_then(|doors| Some(doors / eight?));
                self.at_least(
                    format!("mt {threads} {variant}, calls/s / with 8"),
                    ratio,
                    0.5,
                );
            }
        }
    }
}
