//! A call that does nothing, while every processor is busy with something else.

use std::time::Duration;

use super::ASLEEP;
use crate::Result;
use crate::actor::Actor;
use crate::contest::{self, Setting};
use crate::peer::{DOORS_BLOCK, DOORS_HANDOFF, DOORS_SPIN};
use crate::pin::Pin;
use crate::record::{Record, Times};
use crate::role::Role;
use crate::suite::Suite;

pub(crate) fn run(suite: &Suite) -> Result<Vec<Record>> {
    // Many of the scheduler's time slices.
    let unpinned = suite
        .plan
        .slice(Duration::from_secs(2), Duration::from_millis(100));
    let mut records = beside(suite, suite.processors.all(), Pin::Unpinned, unpinned)?;
    // Where somebody looks without a pause, the other two have a third of the processor each.
    let one = suite.processors.for_client(Pin::OneCpu);
    let pinned = suite
        .plan
        .slice(Duration::from_secs(1), Duration::from_millis(100));
    records.extend(beside(suite, one, Pin::OneCpu, pinned)?);
    Ok(records)
}

/// With a busy process on each of these processors.
fn beside(suite: &Suite, processors: &[usize], pin: Pin, slice: Duration) -> Result<Vec<Record>> {
    let burners = processors
        .iter()
        .map(|one| Actor::start(&Role::Burner(*one)));
    let burners: Vec<Actor> = burners.collect::<Result<_>>()?;
    let plural = if burners.len() == 1 { "" } else { "es" };
    let setting = Setting {
        variant: format!("{} busy process{plural}", burners.len()),
        pin,
        slice,
        ..Setting::new("burn", suite)
    };
    // In every policy the busy processes must keep most of the processors.
    let mut peers = ASLEEP.to_vec();
    peers.push(&DOORS_SPIN);
    peers.push(&DOORS_HANDOFF);
    peers.push(&DOORS_BLOCK);
    let mut records = contest::run_beside(suite, &setting, &peers, &burners)?;
    for record in &mut records {
        if let Some(used) = record.times.as_ref().and_then(processors_used) {
            record.also.insert("processors_used", used);
        }
    }
    Ok(records)
}

/// How many processors both sides had, on average; the busy processes had the others.
fn processors_used(times: &Times) -> Option<f64> {
    let each = times.client_cpu?.median + times.server_cpu?.median;
    Some(times.calls_per_s?.median * each / 1e9)
}
