//! Many clients at once.

use super::ASLEEP;
use crate::Result;
use crate::contest::{self, Setting};
use crate::record::Record;
use crate::suite::Suite;

pub(crate) fn run(suite: &Suite) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    let counts: &[usize] = suite.plan.pick(&[1, 2, 4, 8, 16, 64], &[1, 2, 8, 64]);
    for as_processes in [false, true] {
        for count in counts {
            let (processes, threads) = if as_processes {
                (*count, 1)
            } else {
                (1, *count)
            };
            let setting = Setting {
                variant: if as_processes { "processes" } else { "threads" }.into(),
                processes,
                threads,
                ..Setting::new("mt", suite)
            };
            records.extend(contest::run(suite, &setting, ASLEEP)?);
        }
    }
    Ok(records)
}
