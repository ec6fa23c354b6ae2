//! A server and a client that have nothing to do.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::thread;
use std::time::Duration;

use crate::Result;
use crate::actor::Actor;
use crate::contest::Setting;
use crate::job::{Job, Kind, Pace};
use crate::peer::{DOORS, Peer, STREAM};
use crate::process::{switches, switches_between};
use crate::record::Record;
use crate::role::Role;
use crate::statistics::nanos;
use crate::suite::Suite;

/// After the last call threads look around for a moment, and surplus ones end (pools retire theirs after 10 s).
const SETTLE: Duration = Duration::from_secs(12);
const SETTLE_QUICK: Duration = Duration::from_secs(2);

pub(crate) fn run(suite: &Suite) -> Result<Vec<Record>> {
    let watch = suite
        .plan
        .pick(Duration::from_secs(10), Duration::from_secs(1));
    let settle = suite.plan.pick(SETTLE, SETTLE_QUICK);
    let ours: [&'static dyn Peer; 2] = [&DOORS, &STREAM];
    let mut pairs = Vec::new();
    for peer in ours.iter().chain(suite.more) {
        let job = Job {
            place: suite.room()?,
            peer: peer.name().to_owned(),
            size: 8,
            kind: Kind::Echo,
            pace: Pace::Closed,
            first: 0,
            lines: 1,
            crowd: 1,
            apart_from: None,
            slice: Duration::ZERO,
        };
        // One that polls is busy as soon as it is there.
        if peer.spins() || !peer.does(&job) {
            continue;
        }
        let server = Actor::start(&Role::Server(job.clone()))?;
        let client = Actor::start(&Role::Holder(job))?;
        pairs.push((peer.name(), server, client));
    }
    thread::sleep(settle);
    let all = |pairs: &[(&'static str, Actor, Actor)]| {
        let looks = pairs
            .iter()
            .map(|(_, server, client)| Ok((look(server)?, look(client)?)));
        looks.collect::<Result<Vec<_>>>()
    };
    let before = all(&pairs)?;
    thread::sleep(watch);
    let after = all(&pairs)?;
    // Some peers leave files of their own behind if their processes are killed.
    for (_, server, client) in &mut pairs {
        client.end();
        server.end();
    }
    let mut records = Vec::new();
    for ((pair, before), after) in pairs.iter().zip(before).zip(after) {
        let mut record = Setting {
            variant: format!("{} s", watch.as_secs()),
            ..Setting::new("idle", suite)
        }
        .record(pair.0, 1);
        let (server, client) = ((before.0, after.0), (before.1, after.1));
        record.also = BTreeMap::from([
            (
                "server_switches",
                switches_between(&server.0.0, &server.1.0),
            ),
            (
                "client_switches",
                switches_between(&client.0.0, &client.1.0),
            ),
            (
                "server_cpu_ns",
                nanos(server.1.1.saturating_sub(server.0.1)),
            ),
            (
                "client_cpu_ns",
                nanos(client.1.1.saturating_sub(client.0.1)),
            ),
        ]);
        records.push(record);
    }
    Ok(records)
}

/// Context switches and processor time so far.
fn look(actor: &Actor) -> Result<(BTreeMap<OsString, u64>, Duration)> {
    Ok((switches(actor.pid())?, actor.busy()?))
}
