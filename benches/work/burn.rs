//! A call that does nothing, while every processor is busy with something else.

use std::time::Duration;

use super::ASLEEP;
use crate::Result;
use crate::actor::Actor;
use crate::contest::{self, Setting};
use crate::record::Record;
use crate::role::Role;
use crate::suite::Suite;

pub(crate) fn run(suite: &Suite) -> Result<Vec<Record>> {
    let processors = suite.processors.all().iter();
    let burners = processors.map(|one| Actor::start(&Role::Burner(*one)));
    let burners: Vec<Actor> = burners.collect::<Result<_>>()?;
    let setting = Setting {
        variant: format!("{} busy processes", burners.len()),
        // Many of the scheduler's time slices.
        slice: suite
            .plan
            .pick(Duration::from_secs(2), Duration::from_millis(100)),
        ..Setting::new("burn", suite)
    };
    contest::run(suite, &setting, ASLEEP)
}
