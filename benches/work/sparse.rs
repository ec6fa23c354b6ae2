//! Calls with pauses between them.

use std::time::Duration;

use super::{ALL, ASLEEP};
use crate::Result;
use crate::contest::{self, Setting};
use crate::job::Pace;
use crate::peer::{DOORS, DOORS_LEAF, HANDOFF, HANDOFF_WIDE, Peer, STREAM};
use crate::pin::Pin;
use crate::record::Record;
use crate::suite::Suite;

/// Calls of a round at least, about.
const CALLS_FULL: u32 = 1000;
const CALLS_QUICK: u32 = 30;
/// What does as few system calls as each of ours has to.
const FLOORS: &[(&str, &str)] = &[("doors leaf", "hand-off"), ("doors", "hand-off wide")];

pub(crate) fn run(suite: &Suite) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    let apart = suite.processors.all().len() > 1;
    let mut peers = if apart { ALL } else { ASLEEP }.to_vec();
    peers.push(&DOORS_LEAF);
    peers.push(&HANDOFF);
    peers.push(&HANDOFF_WIDE);
    for micros in [300, 1000] {
        for asleep in [false, true] {
            let pause = Duration::from_micros(micros);
            let manner = if asleep { "asleep" } else { "busy" };
            let mut setting = Setting {
                variant: format!("{} {manner}", crate::text::time(pause.as_secs_f64() * 1e9)),
                pace: Pace::Gap { pause, asleep },
                slice: suite.plan.slice(
                    pause.saturating_mul(CALLS_FULL),
                    pause.saturating_mul(CALLS_QUICK),
                ),
                floors: FLOORS,
                ..Setting::new("sparse", suite)
            };
            // The limits are about these.
            if !asleep && micros == 300 {
                records.extend(contest::run_in_passes(suite, &[setting], &peers)?);
                continue;
            }
            records.extend(contest::run(suite, &setting, &peers)?);
            if asleep && micros == 1000 && apart {
                // Where the scheduler would put them if it put them apart.
                setting.pin = Pin::OneEach;
                records.extend(contest::run(suite, &setting, &peers)?);
                // And begun there, so that it is the scheduler's doing if they do not stay.
                setting.pin = Pin::BegunApart;
                let few: [&dyn Peer; 3] = [&DOORS, &DOORS_LEAF, &STREAM];
                records.extend(contest::run(suite, &setting, &few)?);
            }
        }
    }
    Ok(records)
}
