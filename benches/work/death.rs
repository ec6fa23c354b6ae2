//! From SIGKILL of the server to the error of a caller that waits.

use std::io::BufRead;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use crate::Result;
use crate::actor::Actor;
use crate::client::monotonic;
use crate::contest::{BASE, Setting};
use crate::drive::Across;
use crate::job::{HANG, Job, Kind, Pace};
use crate::peer::{DOORS, PIPE, Peer, SEQPACKET, STREAM};
use crate::record::{Record, Times};
use crate::role::{Role, say};
use crate::statistics::{Latencies, Round};
use crate::suite::Suite;

/// Long enough for the caller to have fallen asleep.
const FALL_ASLEEP: Duration = Duration::from_millis(5);

/// Servers killed in one round, of each peer.
const KILLS_FULL: usize = 150;
const KILLS_QUICK: usize = 5;

const PEERS: [&dyn Peer; 4] = [&DOORS, &STREAM, &SEQPACKET, &PIPE];

pub(crate) fn run(suite: &Suite) -> Result<Vec<Record>> {
    let setting = Setting {
        kind: Kind::Hang,
        size: HANG.len(),
        ..Setting::new("death", suite)
    };
    let kills = suite.plan.pick(KILLS_FULL, KILLS_QUICK);
    // Who polls does not notice.
    let more = suite.more.iter().filter(|peer| !peer.spins());
    let peers = PEERS.iter().chain(more).copied();
    let peers: Vec<&'static dyn Peer> = peers
        .filter(|peer| peer.does(&job(&setting, *peer, PathBuf::new())))
        .collect();
    let mut rounds: Vec<Vec<Round>> = peers.iter().map(|_| Vec::new()).collect();
    for _ in 0..suite.plan.rounds {
        for (peer, rounds) in peers.iter().zip(&mut rounds) {
            let round = round(suite, &setting, *peer, kills);
            rounds.push(round.map_err(|error| format!("{}: {error}", peer.name()))?);
        }
    }
    let base = peers.iter().position(|peer| peer.name() == BASE);
    let base = base.and_then(|place| rounds.get(place));
    let base = base.map(Vec::as_slice);
    let mut records = Vec::new();
    for (peer, rounds) in peers.iter().zip(&rounds) {
        let mut record = setting.record(peer.name(), rounds.len());
        record.times = Some(Times::of(rounds, base)?.without_load());
        records.push(record);
    }
    Ok(records)
}

fn job(setting: &Setting, peer: &dyn Peer, place: PathBuf) -> Job {
    Job {
        place,
        peer: peer.name().to_owned(),
        size: setting.size,
        kind: setting.kind,
        pace: Pace::Closed,
        first: 0,
        lines: 1,
        crowd: 1,
        apart_from: None,
        slice: Duration::ZERO,
    }
}

fn round(suite: &Suite, setting: &Setting, peer: &'static dyn Peer, kills: usize) -> Result<Round> {
    let mut latencies = Latencies::new()?;
    for _ in 0..kills {
        let job = job(setting, peer, suite.room()?);
        let mut server = Actor::start(&Role::Server(job.clone()))?;
        let mut mourner = Actor::start(&Role::Mourner(job.clone()))?;
        mourner.tell("")?;
        server.hear("hanging")?;
        thread::sleep(FALL_ASLEEP);
        let killed = monotonic()?;
        server.kill()?;
        let heard = Duration::from_nanos(mourner.listen()?.parse()?);
        let nanos = heard.saturating_sub(killed).as_nanos();
        latencies.record(u64::try_from(nanos)?)?;
        std::fs::remove_dir_all(job.place())?;
    }
    Ok(Round {
        latencies,
        elapsed: Duration::ZERO,
        client_busy: Duration::ZERO,
        server_busy: Duration::ZERO,
        others: 0.0,
        across: Across::default(),
    })
}

/// The client process: makes a call that never returns, and says when it has failed.
pub(crate) fn mourn(peer: &'static dyn Peer, job: &Job) -> Result<()> {
    let mut callers = peer.connect(job)?;
    let caller = callers.first_mut().ok_or("no caller")?;
    let mut results = Vec::new();
    caller.call(&[0; HANG.len()], &mut results)?;
    say("ready")?;
    for line in std::io::stdin().lock().lines() {
        line?;
        if caller.call(HANG, &mut results).is_ok() {
            return Err("a call that never returns has returned".into());
        }
        say(&monotonic()?.as_nanos().to_string())?;
    }
    Ok(())
}
