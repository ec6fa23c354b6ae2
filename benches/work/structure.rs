//! A structure, which is written and read by both sides.

use super::{ALL, ASLEEP};
use crate::Result;
use crate::contest::{self, Setting};
use crate::job::Kind;
use crate::record::Record;
use crate::sample::Sample;
use crate::suite::Suite;

pub(crate) fn run(suite: &Suite) -> Result<Vec<Record>> {
    let setting = Setting {
        kind: Kind::Struct,
        size: Sample::size()?,
        ..Setting::new("struct", suite)
    };
    let apart = suite.processors.all().len() > 1;
    contest::run(suite, &setting, if apart { ALL } else { ASLEEP })
}
