//! A structure, which is written and read by both sides.

use crate::Result;
use crate::contest::{self, Setting};
use crate::job::Kind;
use crate::peer::{DOORS, FUTEX, STREAM};
use crate::record::Record;
use crate::sample::Sample;
use crate::suite::Suite;

pub(crate) fn run(suite: &Suite) -> Result<Vec<Record>> {
    let setting = Setting {
        kind: Kind::Struct,
        size: Sample::size()?,
        ..Setting::new("struct", suite)
    };
    contest::run(suite, &setting, &[&DOORS, &FUTEX, &STREAM])
}
