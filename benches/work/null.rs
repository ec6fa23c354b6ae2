//! A call that does nothing, in a closed loop.

use super::{ALL, ASLEEP};
use crate::Result;
use crate::contest::{self, Setting};
use crate::pin::Pin;
use crate::record::Record;
use crate::suite::Suite;

pub(crate) fn run(suite: &Suite) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    for pin in [Pin::Unpinned, Pin::OneCpu, Pin::OneEach] {
        if suite.plan.compared && pin == Pin::OneCpu {
            continue;
        }
        let setting = Setting {
            pin,
            ..Setting::new("null", suite)
        };
        // On one processor, or where there is but one, a spinning side waits for the end of its own time slice.
        let apart = pin != Pin::OneCpu && suite.processors.all().len() > 1;
        let peers = if apart { ALL } else { ASLEEP };
        records.extend(contest::run(suite, &setting, peers)?);
    }
    Ok(records)
}
