//! Many quiet clients of one server; many doors of one server in one client.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;
use crate::actor::Actor;
use crate::cgroup::Cgroup;
use crate::contest::{Pair, Setting};
use crate::job::{Job, Kind, Pace};
use crate::nursery::users;
use crate::peer::{DOORS, QUIET_CALLS};
use crate::process::{descriptor_limit, entries};
use crate::record::{Record, Times};
use crate::role::Role;
use crate::statistics::float;
use crate::suite::Suite;

/// How many, in steps.
const FULL: &[usize] = &[1, 10, 100, 1_000, 10_000];
const QUICK: &[usize] = &[1, 10, 100];

/// Of fewer clients the memory is told of the last step only: what the kernel charges in advance, and what the server needs for
/// its first clients and keeps, would be most of it.
const MANY: usize = 1000;

/// So many clients come at once: a server closes connections of a user who has too many that have not called yet.
const BATCH: usize = 32;

/// They are all there by then.
const PATIENCE: Duration = Duration::from_secs(30);

/// Threads that served the first calls of many clients at once have ended by then: a pool keeps them for 10 s.
const RETIRED: Duration = Duration::from_secs(30);

pub(crate) fn run(suite: &Suite) -> Result<Vec<Record>> {
    let mut records = sessions(suite, "sessions", QUIET_CALLS)?;
    // A client that has called once has no session: its connection is all that the server keeps.
    records.extend(sessions(suite, "connections", 1)?);
    records.extend(doors(suite)?);
    Ok(records)
}

/// What the server keeps.
#[derive(Clone, Copy, Debug)]
struct Holding {
    memory: Option<f64>,
    descriptors: f64,
    threads: f64,
}

/// A null call while so many other clients, each a process of its own, are quiet.
fn sessions(suite: &Suite, what: &str, calls: usize) -> Result<Vec<Record>> {
    let mut setting = Setting::new("scale", suite);
    let mut pair = Pair::start(suite, &setting, &DOORS)?;
    if !users().is_empty() {
        // They are not who has made these.
        let may = |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode));
        may(suite.stage.path(), 0o711)?;
        may(&pair.place, 0o711)?;
        may(&pair.place.join("door"), 0o666)?;
    }
    // Steps are minutes apart, so each is measured beside a server that has no other client.
    let mut alone = Pair::start(suite, &setting, &DOORS)?;
    let cgroup = Cgroup::new().and_then(|group| {
        group.enter(pair.server.pid())?;
        Ok(group)
    });
    if let Err(error) = &cgroup {
        eprintln!(
            "scale: memory is not measured, since there is no cgroup for the server: {error}"
        );
    }
    let cgroup = cgroup.ok();
    let mut nursery = Actor::start(&Role::Nursery(Job {
        place: pair.place.clone(),
        peer: DOORS_NAME.to_owned(),
        size: setting.size,
        kind: Kind::Doors(calls),
        pace: Pace::Closed,
        first: 0,
        lines: 1,
        crowd: 1,
        apart_from: None,
        slice: Duration::ZERO,
    }))?;
    // The first round finds everything cold.
    pair.round()?;
    alone.round()?;
    let empty = holding(&pair, cgroup.as_ref())?;
    let limit = descriptor_limit(pair.server.pid())?;
    let mut records = Vec::new();
    let mut there = 0_usize;
    let steps = suite.plan.pick(FULL, QUICK);
    for wanted in steps {
        let stopped = grow(&mut nursery, *wanted, &mut there)?;
        setting.variant = format!("{there} quiet {what}");
        let mut record = beside(suite, &setting, &mut pair, &mut alone, "beside_none_quiet")?;
        retired(&pair, empty.threads)?;
        let now = holding(&pair, cgroup.as_ref())?;
        let each =
            |now: f64, empty: f64| (now - empty) / float(there.max(1).try_into().unwrap_or(1));
        record
            .also
            .insert(what_key(what), float(u64::try_from(there)?));
        record
            .also
            .insert("descriptors_each", each(now.descriptors, empty.descriptors));
        let threads = now.threads - empty.threads;
        record.also.insert("threads_more", threads.max(0.0));
        let is_last = stopped.is_some() || Some(wanted) == steps.last();
        if (there >= MANY || is_last)
            && let (Some(now), Some(empty)) = (now.memory, empty.memory)
        {
            record.also.insert("memory_each", each(now, empty));
        }
        let stopped = stopped.map(|reason| {
            format!(
                "stopped at {there} {what} of {wanted}: {reason}; the server may have {limit} descriptors \
                 (the hard RLIMIT_NOFILE), and the clients are {}",
                whose()
            )
        });
        if is_last {
            let notes = stopped.into_iter().chain([COUNTED.to_owned()]);
            record.note = notes.collect::<Vec<_>>().join("\n  ");
        }
        records.push(record);
        if is_last {
            break;
        }
    }
    // The cgroup goes after its only process.
    drop(nursery);
    drop(pair);
    drop(cgroup);
    drop(alone);
    Ok(records)
}

/// How to read the figures of each.
const COUNTED: &str = "descriptors each: the connection by which the door was opened is one of them, with a session and \
    without; memory each: from 1000 on and of the last step, since the kernel charges a cgroup in batches, and a server keeps \
    what its first clients need";

/// Whose clients share the server's descriptors.
fn whose() -> String {
    match users() {
        [] => "all of one user, who may have half of them".into(),
        some => format!(
            "of {} users in turn, each of whom may have half of them",
            some.len()
        ),
    }
}

const DOORS_NAME: &str = "doors";

fn what_key(what: &str) -> &'static str {
    if what == "sessions" {
        "sessions"
    } else {
        "connections"
    }
}

/// Clients until so many are there; why there are fewer, if there are.
fn grow(nursery: &mut Actor, wanted: usize, there: &mut usize) -> Result<Option<String>> {
    let mut stopped = None;
    while *there < wanted && stopped.is_none() {
        let batch = wanted.saturating_sub(*there).min(BATCH);
        nursery.tell(&batch.to_string())?;
        for _ in 0..batch {
            match nursery.listen_for(PATIENCE)?.strip_prefix("failed ") {
                None => *there = there.saturating_add(1),
                Some(reason) => stopped = Some(reason.to_owned()),
            }
        }
    }
    Ok(stopped)
}

/// Looks until the server has no more threads than it had, or does not get rid of them.
fn retired(pair: &Pair, threads: f64) -> Result<()> {
    let until = Instant::now().checked_add(RETIRED).ok_or("no end")?;
    while entries(pair.server.pid(), "task")? > threads && Instant::now() < until {
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn holding(pair: &Pair, cgroup: Option<&Cgroup>) -> Result<Holding> {
    let pid = pair.server.pid();
    Ok(Holding {
        memory: cgroup.map(Cgroup::bytes).transpose()?,
        descriptors: entries(pid, "fd")?,
        threads: entries(pid, "task")?,
    })
}

/// Calls of many doors in turn, all of one server, beside calls of one door.
fn doors(suite: &Suite) -> Result<Vec<Record>> {
    let setting = |count: usize| Setting {
        variant: format!("{count} doors in turn"),
        kind: Kind::Doors(count),
        ..Setting::new("scale", suite)
    };
    let mut records: Vec<Record> = Vec::new();
    let mut one = Pair::start(suite, &setting(1), &DOORS)?;
    one.round()?;
    for count in suite.plan.pick(FULL, QUICK) {
        let setting = setting(*count);
        let measured = Pair::start(suite, &setting, &DOORS).and_then(|mut pair| {
            pair.round()?;
            beside(suite, &setting, &mut pair, &mut one, "beside_one_door")
        });
        match measured {
            Ok(mut record) => {
                record.also.insert("doors", float(u64::try_from(*count)?));
                records.push(record);
            }
            Err(error) => {
                if let Some(last) = records.last_mut() {
                    last.note = format!("stopped before {count} doors: {error}");
                }
                break;
            }
        }
    }
    Ok(records)
}

/// The rounds of a pair, in turn with those of another, beside which it is.
fn beside(
    suite: &Suite,
    setting: &Setting,
    pair: &mut Pair,
    other: &mut Pair,
    name: &'static str,
) -> Result<Record> {
    let (mut rounds, mut others) = (Vec::new(), Vec::new());
    for _ in 0..suite.plan.rounds {
        rounds.push(pair.round()?);
        others.push(other.round()?);
    }
    let times = Times::of(&rounds, Some(&others))?;
    let mut record = setting.record(pair.peer, rounds.len());
    if let Some(ratio) = times.ratio {
        record.also.insert(name, ratio.median);
    }
    // The column of ratios is about the unix stream.
    record.times = Some(Times {
        ratio: None,
        ratio_p99: None,
        ..times
    });
    Ok(record)
}
