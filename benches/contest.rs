//! Peers measured in turn: every round has one slice of each.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::Result;
use crate::actor::Actor;
use crate::client::monotonic;
use crate::job::{Job, Kind, Pace};
use crate::peer::Peer;
use crate::pin::{Pin, to_processors};
use crate::record::{BesideAcross, BesideFloor, Record, Times};
use crate::role::Role;
use crate::statistics::{Round, Sighting, Spread};
use crate::suite::Suite;

/// The peer to which others are compared.
pub(crate) const BASE: &str = "unix stream";

/// Clients get this long to be there when a common round begins.
const GATHER: Duration = Duration::from_millis(10);

/// What is measured.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) work: &'static str,
    pub(crate) variant: String,
    pub(crate) kind: Kind,
    pub(crate) pace: Pace,
    pub(crate) size: usize,
    pub(crate) pin: Pin,
    /// Client processes.
    pub(crate) processes: usize,
    /// Calling threads of each.
    pub(crate) threads: usize,
    /// A round of one peer.
    pub(crate) slice: Duration,
    /// Peers, each with the floor that it is measured beside.
    pub(crate) floors: &'static [(&'static str, &'static str)],
}

impl Setting {
    /// Eight bytes in a closed loop, one client, wherever the scheduler likes.
    pub(crate) fn new(work: &'static str, suite: &Suite) -> Self {
        Self {
            work,
            variant: String::new(),
            kind: Kind::Echo,
            pace: Pace::Closed,
            size: 8,
            pin: Pin::Unpinned,
            processes: 1,
            threads: 1,
            slice: suite.plan.slice,
            floors: &[],
        }
    }

    fn lines(&self) -> usize {
        self.processes.saturating_mul(self.threads)
    }

    fn job(&self, suite: &Suite, peer: &'static dyn Peer) -> Job {
        Job {
            place: suite.stage.path().to_owned(),
            peer: peer.name().to_owned(),
            size: self.size,
            kind: self.kind,
            pace: self.pace,
            first: 0,
            lines: self.lines(),
            crowd: self.lines(),
            apart_from: None,
            slice: self.slice,
        }
    }

    /// A record without figures yet.
    pub(crate) fn record(&self, peer: &'static str, rounds: usize) -> Record {
        Record {
            work: self.work,
            variant: self.variant.clone(),
            size: self.size,
            threads: self.lines(),
            pin: self.pin,
            peer,
            rounds,
            times: None,
            also: BTreeMap::new(),
            note: String::new(),
        }
    }
}

/// One peer: a server process, client processes, the rounds so far.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) peer: &'static str,
    pub(crate) place: PathBuf,
    pub(crate) server: Actor,
    pub(crate) clients: Vec<Actor>,
    pub(crate) rounds: Vec<Round>,
}

impl Pair {
    /// Starts both sides.
    pub(crate) fn start(suite: &Suite, setting: &Setting, peer: &'static dyn Peer) -> Result<Self> {
        let mut job = setting.job(suite, peer);
        let place = suite.room()?;
        job.place.clone_from(&place);
        let processors = &suite.processors;
        to_processors(processors.for_server(setting.pin))?;
        let server = Actor::start(&Role::Server(job.clone()));
        to_processors(processors.for_client(setting.pin))?;
        let clients = server.and_then(|mut server| {
            job.lines = setting.threads;
            if setting.pin == Pin::BegunApart {
                job.apart_from = Some(server.pid().as_raw());
            }
            let mut clients = Vec::new();
            for number in 0..setting.processes {
                job.first = number.saturating_mul(setting.threads);
                clients.push(Actor::start_beside(
                    &Role::Client(job.clone()),
                    &mut server,
                )?);
            }
            Ok((server, clients))
        });
        to_processors(processors.all())?;
        let (server, clients) = clients?;
        Ok(Self {
            peer: peer.name(),
            place,
            server,
            clients,
            rounds: Vec::new(),
        })
    }

    /// One slice.
    pub(crate) fn round(&mut self) -> Result<Round> {
        self.round_beside(&[])
    }

    /// One slice, beside busy processes.
    fn round_beside(&mut self, burners: &[Actor]) -> Result<Round> {
        let begin = if self.clients.len() > 1 {
            monotonic()?.saturating_add(GATHER)
        } else {
            Duration::ZERO
        };
        let others = busy(burners)?;
        let start = monotonic()?;
        let before = self.server.busy()?;
        for client in &mut self.clients {
            client.tell(&begin.as_nanos().to_string())?;
        }
        let mut sightings = Vec::new();
        for client in &mut self.clients {
            let said = client.listen_beside(&mut self.server)?;
            sightings.push(serde_json::from_str::<Sighting>(&said)?);
        }
        let after = self.server.busy()?;
        let passed = monotonic()?.saturating_sub(start);
        let others = busy(burners)?.saturating_sub(others);
        let mut round = Round::of(&sightings, after.saturating_sub(before))?;
        round.others = others.as_secs_f64() / passed.as_secs_f64().max(1e-9);
        Ok(round)
    }
}

/// Processor time of all of them so far.
fn busy(actors: &[Actor]) -> Result<Duration> {
    let times = actors.iter().map(Actor::busy);
    times.sum()
}

impl Drop for Pair {
    /// Some peers leave files of their own behind if their processes are killed.
    fn drop(&mut self) {
        for client in &mut self.clients {
            client.end();
        }
        self.server.end();
    }
}

/// Measures the peers that can do it.
pub(crate) fn run(
    suite: &Suite,
    setting: &Setting,
    peers: &[&'static dyn Peer],
) -> Result<Vec<Record>> {
    run_beside(suite, setting, peers, &[])
}

/// The same beside busy processes, whose share of the processors is a figure, too.
pub(crate) fn run_beside(
    suite: &Suite,
    setting: &Setting,
    peers: &[&'static dyn Peer],
    burners: &[Actor],
) -> Result<Vec<Record>> {
    let rounds = suite.plan.rounds;
    records(setting, &measure(suite, setting, peers, burners, rounds)?)
}

/// Measures several settings in turn, a round or a few of each at a time: a host that puts our processors far apart for half a minute, as some do,
/// has a part of the rounds of each setting then, rather than one setting whole.
pub(crate) fn run_in_passes(
    suite: &Suite,
    settings: &[Setting],
    peers: &[&'static dyn Peer],
) -> Result<Vec<Record>> {
    let mut all: Vec<Vec<Measured>> = settings.iter().map(|_| Vec::new()).collect();
    for rounds in suite.plan.passes {
        for (setting, so_far) in settings.iter().zip(&mut all) {
            let measured = measure(suite, setting, peers, &[], *rounds)?;
            for more in measured {
                match so_far.iter_mut().find(|known| known.peer == more.peer) {
                    Some(known) => known.rounds.extend(more.rounds),
                    None => so_far.push(more),
                }
            }
        }
    }
    let mut all_records = Vec::new();
    for (setting, measured) in settings.iter().zip(&all) {
        all_records.extend(records(setting, measured)?);
    }
    Ok(all_records)
}

/// What was measured of one peer.
#[derive(Debug)]
struct Measured {
    peer: &'static str,
    rounds: Vec<Round>,
}

/// So many rounds of each of the peers.
fn measure(
    suite: &Suite,
    setting: &Setting,
    peers: &[&'static dyn Peer],
    burners: &[Actor],
    rounds: usize,
) -> Result<Vec<Measured>> {
    let mut pairs = Vec::new();
    // Where ours do not spin others should not, either.
    let spins = peers.iter().any(|peer| peer.spins());
    let more = suite.more.iter().filter(|peer| spins || !peer.spins());
    for peer in peers.iter().chain(more) {
        if peer.does(&setting.job(suite, *peer)) {
            let pair = Pair::start(suite, setting, *peer);
            pairs.push(pair.map_err(|error| format!("{}: {error}", peer.name()))?);
        }
    }
    // One round more than counts: the first finds everything cold.
    for number in 0..=rounds {
        for pair in &mut pairs {
            let round = pair.round_beside(burners);
            let round = round.map_err(|error| format!("{}: {error}", pair.peer))?;
            if number > 0 {
                pair.rounds.push(round);
            }
        }
    }
    let measured = pairs.iter_mut().map(|pair| Measured {
        peer: pair.peer,
        rounds: std::mem::take(&mut pair.rounds),
    });
    Ok(measured.collect())
}

/// p50 beside the base's where most of the base's calls, so that its p50 is of one of them, had a processor for each side:
/// of those rounds, of which there may be none. Nothing if the base does not tell where its sides are.
fn beside_across(rounds: &[Round], base: &[Round]) -> Option<BesideAcross> {
    let known = base.iter().all(|base| base.across.share().is_some());
    let pairs = rounds.iter().zip(base);
    let seen = pairs.filter(|(_, base)| base.across.share().is_some_and(|share| share > 0.5));
    let ratios =
        seen.map(|(round, base)| round.latencies.at(0.5) / base.latencies.at(0.5).max(1.0));
    let ratios: Vec<f64> = ratios.collect();
    known.then(|| BesideAcross {
        rounds: ratios.len(),
        p50: (!ratios.is_empty()).then(|| Spread::of(ratios)),
    })
}

/// What came of it.
fn records(setting: &Setting, measured: &[Measured]) -> Result<Vec<Record>> {
    let base = measured.iter().find(|one| one.peer == BASE);
    let base = base.map(|one| one.rounds.as_slice());
    let mut records = Vec::new();
    for one in measured {
        let mut record = setting.record(one.peer, one.rounds.len());
        let mut times = Times::of(&one.rounds, base)?;
        let floor = setting.floors.iter().find(|(peer, _)| *peer == one.peer);
        let floor = floor.and_then(|(_, floor)| measured.iter().find(|one| one.peer == *floor));
        times.beside_floor = floor.map(|floor| BesideFloor::of(&one.rounds, &floor.rounds));
        // A median round's part of the calls whose sides were on different processors.
        let shares = one.rounds.iter().map(|round| round.across.share());
        if let Some(shares) = shares.collect::<Option<Vec<f64>>>()
            && !shares.is_empty()
        {
            let share = Spread::of(shares).median;
            record.also.insert("part_across", share);
        }
        if one.rounds.iter().any(|round| round.others > 0.0) {
            let others = |round: &Round| round.others;
            let had = Spread::of(one.rounds.iter().map(others)).median;
            record.also.insert("busy_processes_had", had);
            if let Some(base) = base {
                let pairs = one.rounds.iter().zip(base);
                let beside = pairs.map(|(round, base)| others(round) / others(base).max(1e-9));
                record
                    .also
                    .insert("that_beside_stream", Spread::of(beside).median);
            }
        }
        times.across = base.and_then(|base| beside_across(&one.rounds, base));
        record.times = Some(times);
        records.push(record);
    }
    Ok(records)
}
