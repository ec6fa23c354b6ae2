//! The rows of the table of limits.

use super::{FAR, Limit};
use crate::contest::BASE;
use crate::pin::Pin;
use crate::record::{BesideFloor, Record, Times};
use crate::sample::Sample;
use crate::statistics::Spread;
use crate::work::structure::VEC_BYTES;

/// The limits so far.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    records: &'a [Record],
    limits: Vec<Limit>,
}

/// Which records are meant.
#[derive(Clone, Copy, Debug)]
struct Place<'a> {
    work: &'a str,
    variant: &'a str,
    pin: Pin,
    size: usize,
    threads: usize,
}

/// Eight bytes, one client, unpinned.
fn place<'a>(work: &'a str, variant: &'a str) -> Place<'a> {
    Place {
        work,
        variant,
        pin: Pin::Unpinned,
        size: 8,
        threads: 1,
    }
}

/// The structure, unpinned.
fn structure() -> Place<'static> {
    Place {
        size: Sample::size().unwrap_or_default(),
        ..place("struct", "")
    }
}

impl<'a> Rows<'a> {
    pub(super) fn new(records: &'a [Record]) -> Self {
        Self {
            records,
            limits: Vec::new(),
        }
    }

    pub(super) fn near(mut self) -> Vec<Limit> {
        self.calls();
        self.pauses();
        self.values();
        self.crowds();
        self.quiet();
        self.limits
    }

    /// Beside a peer that spins as well.
    pub(super) fn far(mut self) -> Vec<Limit> {
        let null = self.beside_spinning(place("null", ""), FAR);
        self.at_most("null, p50 / iceoryx2 polling", null, 0.25);
        for (size, bound) in [(64 << 10, 1.0), (1 << 20, 1.2), (16 << 20, 1.0)] {
            let echo = place("echo", "");
            let far = self.beside_spinning(Place { size, ..echo }, FAR);
            let what = format!("echo {}, p50 / iceoryx2 slices", crate::text::bytes(size));
            self.at_most(what, far, bound);
        }
        let values = self.beside_spinning_by(structure(), "doors rkyv", FAR);
        self.at_most("struct, doors rkyv, p50 / iceoryx2 polling", values, 0.7);
        self.limits
    }

    fn at(&self, place: Place<'_>, peer: &str) -> Option<&Record> {
        self.records.iter().find(|record| {
            record.work == place.work
                && record.variant == place.variant
                && record.pin == place.pin
                && record.size == place.size
                && record.threads == place.threads
                && record.peer == peer
        })
    }

    fn times(&self, place: Place<'_>, peer: &str) -> Option<&Times> {
        self.at(place, peer)?.times.as_ref()
    }

    fn p50(&self, place: Place<'_>, peer: &str) -> Option<f64> {
        Some(self.times(place, peer)?.p50.median)
    }

    /// Doors' p50 beside that of a peer that looks without a pause: its floor is what it does with a processor for each side, since
    /// nothing moves two sides apart that wait for each other on the same one.
    fn beside_spinning(&self, place: Place<'_>, peer: &str) -> Option<f64> {
        self.beside_spinning_by(place, "doors", peer)
    }

    /// The same of another way to call doors.
    fn beside_spinning_by(&self, place: Place<'_>, ours: &str, peer: &str) -> Option<f64> {
        let apart = Place {
            pin: Pin::OneEach,
            ..place
        };
        let floors = [self.p50(place, peer), self.p50(apart, peer)];
        let floor = floors.into_iter().flatten().reduce(f64::min)?;
        Some(self.p50(place, ours)? / floor)
    }

    /// p50 and p99 of a peer beside the unix stream's, of the same rounds.
    fn ratios(&self, place: Place<'_>, peer: &str) -> [Option<f64>; 2] {
        let times = self.times(place, peer);
        [
            times.and_then(|times| Some(times.ratio?.median)),
            times.and_then(|times| Some(times.ratio_p99?.median)),
        ]
    }

    fn at_most(&mut self, what: impl Into<String>, measured: Option<f64>, bound: f64) {
        self.limits.push(Limit {
            what: what.into(),
            measured,
            bound,
            floor: None,
            beside_floor: None,
            at_least: false,
            not_seen: false,
        });
    }

    fn at_least(&mut self, what: impl Into<String>, measured: Option<f64>, bound: f64) {
        self.at_most(what, measured, bound);
        if let Some(last) = self.limits.last_mut() {
            last.at_least = true;
        }
    }

    /// What the floor of the last limit measured, and how that was beside it.
    fn floor(&mut self, measured: Option<f64>, beside: Option<f64>) {
        if let Some(last) = self.limits.last_mut() {
            last.floor = measured;
            last.beside_floor = beside;
        }
    }

    /// A figure beside that of the floor.
    fn beside(
        &self,
        place: Place<'_>,
        peer: &str,
        figure: impl Fn(BesideFloor) -> Spread,
    ) -> Option<f64> {
        Some(figure(self.times(place, peer)?.beside_floor?).median)
    }

    /// Calls one after another.
    fn calls(&mut self) {
        let null = place("null", "");
        let one_cpu = Pin::OneCpu;
        let micros = self.p50(null, "doors").map(|p50| p50 / 1e3);
        self.at_most("null, p50 (us)", micros, 2.0);
        let spin = self.beside_spinning(null, "spin");
        self.at_most("null, p50 / spin", spin, 2.0);
        let [p50, _] = self.ratios(
            Place {
                pin: one_cpu,
                ..null
            },
            "doors",
        );
        self.at_most("null on one CPU, p50 / unix stream", p50, 0.4);
        let [p50, _] = self.ratios(place("fd", "1 per call"), "doors");
        self.at_most("fd, 1 per call, p50 / unix stream", p50, 0.35);
        for (pin, what, bound) in [
            (Pin::Unpinned, "connect, p50 / unix stream", 1.3),
            (one_cpu, "connect on one CPU, p50 / unix stream", 1.0),
        ] {
            let connect = Place {
                pin,
                ..place("connect", "")
            };
            let [p50, _] = self.ratios(connect, "doors");
            let [floor, _] = self.ratios(connect, "first contact");
            let beside = self.beside(connect, "doors", |beside| beside.p50);
            self.at_most(what, p50, bound);
            self.floor(floor, beside);
        }
    }

    /// Calls with pauses, or beside other work.
    fn pauses(&mut self) {
        let busy = place("sparse", "300 us busy");
        for (peer, floor, p50_bound, cpu_bound) in [
            ("doors leaf", "hand-off", 0.08, 5.0),
            ("doors", "hand-off wide", 0.2, 8.0),
        ] {
            let [p50, p99] = self.ratios(busy, peer);
            let [floor_p50, _] = self.ratios(busy, floor);
            self.at_most(
                format!("sparse 300 us busy, {peer}, p50 / unix stream"),
                p50,
                p50_bound,
            );
            let beside = self.beside(busy, peer, |beside| beside.p50);
            self.floor(floor_p50, beside);
            self.at_most(
                format!("sparse 300 us busy, {peer}, p99 / unix stream"),
                p99,
                0.5,
            );
            let cpu = |rows: &Self, peer| {
                let times = rows.times(busy, peer)?;
                Some(times.server_cpu?.median / 1e3)
            };
            let (cpu, floor_cpu) = (cpu(self, peer), cpu(self, floor));
            self.at_most(
                format!("sparse 300 us busy, {peer}, server CPU (us)"),
                cpu,
                cpu_bound,
            );
            let beside = self.beside(busy, peer, |beside| beside.server_cpu);
            self.floor(floor_cpu, beside);
        }
        let asleep = place("sparse", "1.00 ms asleep");
        for (pin, where_to) in [(Pin::Unpinned, ""), (Pin::OneEach, " one each")] {
            for peer in ["doors", "doors leaf"] {
                let ratios = self.ratios(Place { pin, ..asleep }, peer);
                for (ratio, part) in ratios.into_iter().zip(["p50", "p99"]) {
                    self.at_most(
                        format!("sparse 1 ms asleep{where_to}, {peer}, {part} / unix stream, median round"),
                        ratio,
                        1.0,
                    );
                }
            }
        }
        // In rounds in which the scheduler has put the stream's sides on different processors, and all went where they liked.
        let begun_apart = Place {
            pin: Pin::BegunApart,
            ..asleep
        };
        let places = [asleep, begun_apart].map(|place| self.times(place, "doors"));
        let looked = places.map(|times| times.and_then(|times| times.across));
        let seen = looked.iter().flatten().find_map(|across| across.p50);
        self.at_most(
            "sparse 1 ms asleep, p50 / unix stream across processors, such rounds",
            seen.map(|ratio| ratio.median),
            0.2,
        );
        if let Some(last) = self.limits.last_mut() {
            last.not_seen = looked.iter().all(Option::is_some) && seen.is_none();
        }
        let burn = self.records.iter().find(|record| record.work == "burn");
        let burn = burn.map_or_else(String::new, |record| record.variant.clone());
        let [p50, p99] = self.ratios(place("burn", &burn), "doors");
        self.at_most("burn, p50 / unix stream", p50, 0.5);
        self.at_most("burn, p99 / unix stream", p99, 1.0);
    }

    /// Values, beside the bytes of the same values.
    fn values(&mut self) {
        let bytes = self.p50(structure(), "doors bytes");
        for (peer, what, nanos, bound) in [
            ("doors", "struct, p50 above its bytes (us)", 1e3, 2.5),
            (
                "doors rkyv",
                "struct, doors rkyv, p50 above its bytes (ns)",
                1.0,
                250.0,
            ),
        ] {
            let values = self.p50(structure(), peer);
            let above = values.and_then(|values| Some((values - bytes?) / nanos));
            self.at_most(what, above, bound);
        }
        let large = Place {
            size: VEC_BYTES,
            ..place("struct", "Vec<u8>")
        };
        let beside = self.beside(large, "doors Vec<u8>", |beside| beside.p50);
        self.at_most("struct, 1 MiB Vec<u8>, p50 / its bytes", beside, 1.1);
    }

    /// Many callers.
    fn crowds(&mut self) {
        for variant in ["threads", "processes"] {
            let rate = |rows: &Self, threads: usize, peer: &str| {
                let crowd = Place {
                    threads,
                    ..place("mt", variant)
                };
                Some(rows.times(crowd, peer)?.calls_per_s?.median)
            };
            for threads in [2, 4, 8] {
                let doors = rate(self, threads, "doors");
                let base = rate(self, threads, BASE);
                let ratio = doors.and_then(|doors| Some(doors / base?));
                self.at_least(
                    format!("mt {threads} {variant}, calls/s / unix stream"),
                    ratio,
                    10.0,
                );
            }
            let eight = rate(self, 8, "doors");
            for threads in [16, 64] {
                let doors = rate(self, threads, "doors");
                let ratio = doors.and_then(|doors| Some(doors / eight?));
                self.at_least(
                    format!("mt {threads} {variant}, calls/s / with 8"),
                    ratio,
                    0.5,
                );
            }
        }
    }

    /// Whoever does nothing.
    fn quiet(&mut self) {
        let connection = self
            .records
            .iter()
            .rfind(|r| r.also.contains_key("connections"));
        let connection = connection.and_then(|record| record.also.get("descriptors_each"));
        let connection = connection.copied().unwrap_or_default();
        for (what, memory, without, besides) in [
            ("sessions", 160.0, connection, " besides the token"),
            ("connections", 8.0, 0.0, ""),
        ] {
            let steps: Vec<&Record> = self
                .records
                .iter()
                .filter(|r| r.also.contains_key(what))
                .collect();
            let flat = slope(&steps, "beside_none_quiet");
            let figure = |name| steps.last()?.also.get(name).copied();
            let count = figure(what).unwrap_or_default();
            let memory_each = figure("memory_each").map(|bytes| bytes / 1024.0);
            // The connection by which the door was opened is there with and without a session.
            let descriptors = figure("descriptors_each").map(|all| all - without);
            self.at_most(
                format!("scale to {count} {what}, slowest p50 / first"),
                flat,
                1.2,
            );
            self.at_most(
                format!("scale to {count} {what}, KiB each"),
                memory_each,
                memory,
            );
            self.at_most(
                format!("scale to {count} {what}, descriptors each{besides}"),
                descriptors,
                2.0,
            );
            self.at_most(
                format!("scale to {count} {what}, threads more"),
                figure("threads_more"),
                0.0,
            );
        }
        let steps: Vec<&Record> = self
            .records
            .iter()
            .filter(|r| r.also.contains_key("doors"))
            .collect();
        let count = steps
            .last()
            .and_then(|last| last.also.get("doors").copied());
        self.at_most(
            format!(
                "scale to {} doors, slowest p50 / first",
                count.unwrap_or_default()
            ),
            slope(&steps, "beside_one_door"),
            1.2,
        );
        for what in [
            "server_switches",
            "client_switches",
            "server_cpu_ns",
            "client_cpu_ns",
        ] {
            let idle = self
                .records
                .iter()
                .find(|r| r.work == "idle" && r.peer == "doors");
            let measured = idle.and_then(|record| record.also.get(what).copied());
            self.at_most(format!("idle, {}", what.replace('_', " ")), measured, 0.0);
        }
        let death = Place {
            size: 8,
            ..place("death", "")
        };
        let longest = self
            .times(death, "doors")
            .map(|times| times.all.at(0.999) / 1e6);
        self.at_most("death, p99.9 (ms)", longest, 50.0);
    }
}

/// The largest of steps beside the first.
fn slope(steps: &[&Record], figure: &str) -> Option<f64> {
    let mut figures = steps
        .iter()
        .filter_map(|record| record.also.get(figure).copied());
    let first = figures.next()?;
    Some(figures.fold(first, f64::max) / first)
}
