//! Many clients at once.

use std::time::Duration;

use super::ASLEEP;
use crate::Result;
use crate::contest::{self, Setting};
use crate::record::Record;
use crate::suite::Suite;

pub(crate) fn run(suite: &Suite) -> Result<Vec<Record>> {
    let mut settings = Vec::new();
    let counts: &[usize] = suite.plan.pick(&[1, 2, 4, 8, 16, 64], &[1, 2, 8, 64]);
    for as_processes in [false, true] {
        for count in counts {
            let (processes, threads) = if as_processes {
                (*count, 1)
            } else {
                (1, *count)
            };
            settings.push(Setting {
                variant: if as_processes { "processes" } else { "threads" }.into(),
                processes,
                threads,
                // Shorter ones, since there are more.
                slice: suite
                    .plan
                    .pick(Duration::from_millis(150), suite.plan.slice),
                ..Setting::new("mt", suite)
            });
        }
    }
    contest::run_in_passes(suite, &settings, ASLEEP)
}
