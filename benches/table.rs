//! Results as a table for a terminal.

use std::fmt::Write;

use crate::contest::BASE;
use crate::record::{Record, Times};
use crate::statistics::Spread;
use crate::text;

/// Records of the same title together, one line each.
#[must_use]
pub fn table(records: &[Record]) -> String {
    let mut text = String::new();
    let mut title = String::new();
    for record in records {
        if record.title() != title {
            title = record.title();
            // Writing to a string does not fail, here and below.
            let _written = write!(text, "\n{title}\n{}\n", head());
        }
        text.push_str(line(record).trim_end());
        text.push('\n');
    }
    text
}

fn head() -> String {
    format!(
        "  {:<15} {:>9} {:<21} {:>9} {:>9} {:>9} {:>8} {:>10} {:>10}  p50 / {BASE}",
        "", "p50", "(min - max)", "p99", "p99.9", "mean", "calls/s", "client CPU", "server CPU"
    )
}

fn line(record: &Record) -> String {
    let figures = record.times.as_ref().map(times).unwrap_or_default();
    let mut line = format!("  {:<15} {figures}", record.peer);
    for (name, value) in &record.also {
        let (name, figure) = (name.replace('_', " "), also(name, *value));
        let _written = write!(line, "  {name} {figure}");
    }
    line
}

/// A figure that only one work has.
#[must_use]
pub(crate) fn also(name: &str, value: f64) -> String {
    if name.ends_with("_ns") {
        text::time(value)
    } else if name.starts_with("memory") {
        format!("{:.1} KiB", value / 1024.0)
    } else {
        text::count(value)
    }
}

fn times(times: &Times) -> String {
    let time = |spread: &Spread| text::time(spread.median);
    format!(
        "{:>9} {:<21} {:>9} {:>9} {:>9} {:>8} {:>10} {:>10}  {}",
        time(&times.p50),
        format!(
            "({} - {})",
            text::time(times.p50.min),
            text::time(times.p50.max)
        ),
        time(&times.p99),
        time(&times.p999),
        time(&times.mean),
        text::count(times.calls_per_s.median),
        time(&times.client_cpu),
        time(&times.server_cpu),
        times.ratio.as_ref().map(ratio).unwrap_or_default()
    )
}

fn ratio(spread: &Spread) -> String {
    format!(
        "{:.3} ({:.3} - {:.3})",
        spread.median, spread.min, spread.max
    )
}
