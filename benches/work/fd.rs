//! Descriptors that travel with a call.

use crate::Result;
use crate::contest::{self, Setting};
use crate::job::Kind;
use crate::peer::{DOORS, SEQPACKET, STREAM};
use crate::record::Record;
use crate::suite::Suite;

pub(crate) fn run(suite: &Suite) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    for count in [1, 8, 64] {
        let setting = Setting {
            variant: format!("{count} per call"),
            kind: Kind::Descriptors(count),
            ..Setting::new("fd", suite)
        };
        records.extend(contest::run(
            suite,
            &setting,
            &[&DOORS, &STREAM, &SEQPACKET],
        )?);
    }
    Ok(records)
}
