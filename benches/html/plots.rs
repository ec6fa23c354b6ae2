//! Which plots a work has.

use std::collections::BTreeMap;

use super::axis::Axis;
use super::plot::{Plot, Series};
use crate::pin::Pin;
use crate::record::{Record, Times};
use crate::statistics::float;

/// The plots of the records of one work.
pub(super) fn plots(records: &[Record]) -> Vec<Plot> {
    match records.first().map(|record| record.work) {
        Some("echo") => vec![
            curve(
                records,
                "latency (p50), by size",
                size,
                Axis::Bytes,
                |_, times| Some(times.p50.median),
                Axis::Nanos,
            ),
            curve(
                records,
                "throughput each way, by size",
                size,
                Axis::Bytes,
                |record, times| Some(size(record) / (times.p50.median / 1e9)),
                Axis::PerSecond("B/s"),
            ),
        ],
        Some("mt") => ["threads", "processes"]
            .iter()
            .map(|variant| {
                let some = records.iter().filter(|record| record.variant == *variant);
                let some: Vec<Record> = some.cloned().collect();
                curve(
                    &some,
                    &format!("calls per second of {variant} that call at once"),
                    |record| count(record.threads),
                    Axis::Count("callers at once"),
                    |_, times| Some(times.calls_per_s?.median),
                    Axis::PerSecond("calls/s"),
                )
            })
            .collect(),
        Some("scale") => vec![scale(records)],
        _ => distributions(records),
    }
}

fn count(number: usize) -> f64 {
    float(u64::try_from(number).unwrap_or(u64::MAX))
}

fn size(record: &Record) -> f64 {
    count(record.size)
}

/// One line for each peer.
fn curve(
    records: &[Record],
    title: &str,
    x: fn(&Record) -> f64,
    x_axis: Axis,
    y: fn(&Record, &Times) -> Option<f64>,
    y_axis: Axis,
) -> Plot {
    let mut series: Vec<Series> = Vec::new();
    // Some sizes are measured in other places as well.
    let free = records.iter().filter(|record| record.pin == Pin::Unpinned);
    for record in free {
        let Some(y) = record.times.as_ref().and_then(|times| y(record, times)) else {
            continue;
        };
        let point = (x(record), y);
        match series.iter_mut().find(|one| one.name == record.peer) {
            Some(one) => one.points.push(point),
            None => series.push(Series {
                name: record.peer.into(),
                points: vec![point],
            }),
        }
    }
    Plot {
        title: title.into(),
        x: x_axis,
        y: y_axis,
        series,
        marks: true,
    }
}

/// Latency beside the number that each variant begins with.
fn scale(records: &[Record]) -> Plot {
    let mut lines: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for record in records {
        let Some(times) = &record.times else {
            continue;
        };
        if let Some((number, what)) = record.variant.split_once(' ')
            && let Ok(number) = number.parse()
        {
            let line = lines.entry(what.to_owned()).or_default();
            line.push((number, times.p50.median));
        }
    }
    let series = lines.into_iter();
    Plot {
        title: "latency (p50) beside quiet clients, or of doors in turn".into(),
        x: Axis::Count("quiet clients, or doors"),
        y: Axis::Nanos,
        series: series
            .map(|(name, points)| Series { name, points })
            .collect(),
        marks: true,
    }
}

/// One plot for each title, with the distribution of each peer.
fn distributions(records: &[Record]) -> Vec<Plot> {
    let mut plots: Vec<Plot> = Vec::new();
    for record in records {
        let Some(times) = &record.times else {
            continue;
        };
        let series = Series {
            name: record.peer.into(),
            points: thinned(distribution(times)),
        };
        let title = record.title();
        match plots.last_mut().filter(|plot| plot.title == title) {
            Some(plot) => plot.series.push(series),
            None => plots.push(Plot {
                title,
                x: Axis::Nanos,
                y: Axis::Part,
                series: vec![series],
                marks: false,
            }),
        }
    }
    plots
}

/// Of so many calls the slowest says nothing about more than these.
fn distribution(times: &Times) -> Vec<(f64, f64)> {
    let most = 1.0 - 1.0 / float(times.all.len().max(1));
    let points = times.all.distribution().into_iter();
    points.map(|(time, part)| (time, part.min(most))).collect()
}

/// Points that can be told apart in a plot: so many steps of the part, more towards the end.
fn thinned(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> = Vec::new();
    for point in points {
        let near = kept.last().is_some_and(|last| {
            let step = (1.0 - last.1).max(1e-4) / 40.0;
            point.1 - last.1 < step && point.0 < last.0 * 1.02
        });
        if !near {
            kept.push(point);
        }
    }
    kept
}
