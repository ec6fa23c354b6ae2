//! Open, call, close.

use crate::Result;
use crate::contest::{self, Setting};
use crate::job::Pace;
use crate::peer::{DOORS, FIRST_CONTACT, SEQPACKET, STREAM};
use crate::pin::Pin;
use crate::record::Record;
use crate::suite::Suite;

pub(crate) fn run(suite: &Suite) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    for pin in [Pin::Unpinned, Pin::OneCpu] {
        let setting = Setting {
            pace: Pace::Connect,
            pin,
            floors: &[("doors", "first contact")],
            ..Setting::new("connect", suite)
        };
        records.extend(contest::run(
            suite,
            &setting,
            &[&DOORS, &FIRST_CONTACT, &STREAM, &SEQPACKET],
        )?);
    }
    Ok(records)
}
