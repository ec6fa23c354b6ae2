//! Data of many sizes, which come back.

use super::{ALL, ASLEEP};
use crate::Result;
use crate::contest::{self, Setting};
use crate::pin::Pin;
use crate::record::Record;
use crate::suite::Suite;

const FULL: &[usize] = &[
    64,
    256,
    1 << 10,
    4 << 10,
    16 << 10,
    64 << 10,
    256 << 10,
    1 << 20,
    4 << 20,
    16 << 20,
    64 << 20,
];

const QUICK: &[usize] = &[64, 4 << 10, 64 << 10, 1 << 20, 16 << 20];

/// What limits compare with a peer of the other workspace.
const COMPARED: [usize; 3] = [64 << 10, 1 << 20, 16 << 20];

pub(crate) fn run(suite: &Suite) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    let apart = suite.processors.all().len() > 1;
    let peers = if apart { ALL } else { ASLEEP };
    let sizes = if suite.plan.compared {
        &COMPARED
    } else {
        suite.plan.pick(FULL, QUICK)
    };
    for size in sizes {
        let mut setting = Setting {
            size: *size,
            ..Setting::new("echo", suite)
        };
        records.extend(contest::run(suite, &setting, peers)?);
        // The floor of a peer that spins has a processor for each side.
        if apart && COMPARED.contains(size) && suite.more.iter().any(|peer| peer.spins()) {
            setting.pin = Pin::OneEach;
            records.extend(contest::run(suite, &setting, peers)?);
        }
    }
    Ok(records)
}
