//! The same exchange over a door and over a unix stream socket, in turns.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use doors::Door;

use crate::failure::{Failure, Outcome};

/// Of one message.
pub(crate) const BYTES: usize = 8;
const ROUNDS: usize = 5;
const CALLS: usize = 2_000;

/// Half of the round trips, and 99 of 100, took less: the medians of all rounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latency {
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

/// Measures in this process, between it and the server.
pub(crate) fn compare(door: &Path, stream: &Path) -> Outcome<[Latency; 2]> {
    let open = Door::open(door).map_err(|error| Failure::door("open", door, &error))?;
    let mut connection =
        UnixStream::connect(stream).map_err(|error| Failure::file("connect to", stream, &error))?;
    let mut results = Vec::with_capacity(BYTES);
    let (mut doors, mut streams) = (Vec::new(), Vec::new());
    // One round more than counts: the first finds everything cold.
    for round in 0..=ROUNDS {
        let by_door = measure(|| {
            results.clear();
            let called = open.call_into(&[1; BYTES], Vec::new(), None, &mut results);
            called
                .map(drop)
                .map_err(|error| Failure::call(door, &error))
        })?;
        let by_stream = measure(|| {
            let mut bytes = [1; BYTES];
            let sent = connection.write_all(&bytes);
            sent.and_then(|()| connection.read_exact(&mut bytes))
                .map_err(|error| Failure::file("talk to", stream, &error))
        })?;
        if round > 0 {
            doors.push(by_door);
            streams.push(by_stream);
        }
    }
    Ok([median(&doors), median(&streams)])
}

fn measure(mut exchange: impl FnMut() -> Outcome) -> Outcome<Latency> {
    let mut times = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let since = Instant::now();
        exchange()?;
        times.push(since.elapsed());
    }
    times.sort_unstable();
    Ok(Latency {
        p50: at(&times, 50),
        p99: at(&times, 99),
    })
}

fn median(rounds: &[Latency]) -> Latency {
    let middle = |pick: fn(&Latency) -> Duration| {
        let mut times: Vec<_> = rounds.iter().map(pick).collect();
        times.sort_unstable();
        at(&times, 50)
    };
    Latency {
        p50: middle(|latency| latency.p50),
        p99: middle(|latency| latency.p99),
    }
}

/// The time at a percentile of sorted times.
fn at(times: &[Duration], percent: usize) -> Duration {
    let index = times.len().saturating_mul(percent).div_euclid(100);
    times.get(index).copied().unwrap_or_default()
}
