//! The three ways to answer a call.

use crate::Result;
use crate::contest::{self, Setting};
use crate::peer::{DOORS, DOORS_REPLY, DOORS_REPLY_NOW, STREAM};
use crate::record::Record;
use crate::suite::Suite;

pub(crate) fn run(suite: &Suite) -> Result<Vec<Record>> {
    let setting = Setting::new("reply", suite);
    contest::run(
        suite,
        &setting,
        &[&DOORS, &DOORS_REPLY, &DOORS_REPLY_NOW, &STREAM],
    )
}
