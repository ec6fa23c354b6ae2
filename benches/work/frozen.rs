//! Data that a procedure reads once, all of them, carried by the call or in frozen memory.

use crate::Result;
use crate::contest::{self, Setting};
use crate::job::Kind;
use crate::peer::{DOORS, FROZEN, FROZEN_BEFORE, Peer};
use crate::record::Record;
use crate::suite::Suite;

const FULL: &[usize] = &[4 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20];
const QUICK: &[usize] = &[4 << 10, 1 << 20];

pub(crate) fn run(suite: &Suite) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    for size in suite.plan.pick(FULL, QUICK) {
        let setting = Setting {
            kind: Kind::Sum,
            size: *size,
            ..Setting::new("frozen", suite)
        };
        let peers: [&dyn Peer; 3] = [&DOORS, &FROZEN, &FROZEN_BEFORE];
        records.extend(contest::run(suite, &setting, &peers)?);
    }
    Ok(records)
}
