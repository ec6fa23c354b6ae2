//! Results as rows and columns of text, however they are shown.

use crate::contest::BASE;
use crate::record::{Record, Times};
use crate::statistics::Spread;
use crate::text;

/// Records that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) title: String,
    /// Names of the columns; the first one's is empty.
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
    /// What has to be known to read it.
    pub(crate) notes: Vec<String>,
}

/// A name and the cells below it; cells that have no value are empty.
type Column = (String, Vec<String>);

/// Records of the same title together, and those of one work that differ in their form only.
pub(crate) fn grids(records: &[Record]) -> Vec<Grid> {
    let mut groups: Vec<Vec<&Record>> = Vec::new();
    let mut rest = records;
    while let Some(first) = rest.first() {
        let (title, key) = (first.title(), form(first));
        let same = |record: &&Record| record.title() == title;
        let count = rest.iter().take_while(same).count().max(1);
        let (now, later) = rest.split_at_checked(count).unwrap_or((rest, &[]));
        let group: Vec<&Record> = now.iter().collect();
        match groups.last_mut() {
            Some(last) if group.len() == 1 && is_series(last, &key) => last.extend(group),
            _ => groups.push(group),
        }
        rest = later;
    }
    groups.iter().map(|group| Grid::of(group)).collect()
}

/// What records that stand in one table have in common: everything but the number that their variant begins with.
fn form(record: &Record) -> (String, String) {
    let variant = record.variant.split_once(' ').map(|(_, what)| what);
    let plain = Record {
        variant: String::new(),
        ..record.clone()
    };
    (plain.title(), variant.unwrap_or_default().to_owned())
}

/// Whether these are steps of one peer, to which another of this form can be added.
fn is_series(records: &[&Record], wanted: &(String, String)) -> bool {
    let is_contest = matches!(records, [a, b, ..] if a.title() == b.title());
    !is_contest && records.iter().all(|record| form(record) == *wanted)
}

impl Grid {
    fn of(records: &[&Record]) -> Self {
        let by_peer = records.iter().all(|one| {
            records
                .first()
                .is_none_or(|first| first.title() == one.title())
        });
        let name = |record: &&Record| {
            let name = if by_peer {
                record.peer
            } else {
                &record.variant
            };
            name.to_owned()
        };
        let mut columns: Vec<Column> = vec![(String::new(), records.iter().map(name).collect())];
        columns.extend(times(records));
        columns.extend(others(records));
        // A column of a figure that nobody has says nothing.
        columns.retain(|(_, cells)| cells.iter().any(|cell| !cell.is_empty()));
        let row = |number: usize| {
            let cells = columns.iter().map(move |(_, cells)| cells.get(number));
            let cells = cells.map(|cell| cell.filter(|cell| !cell.is_empty()));
            cells.map(|cell| cell.map_or("-", String::as_str).to_owned())
        };
        let notes = records.iter().map(|record| &record.note);
        Self {
            title: title(records, by_peer),
            rows: (0..records.len())
                .map(|number| row(number).collect())
                .collect(),
            head: columns.iter().map(|(name, _)| name.clone()).collect(),
            notes: notes.filter(|note| !note.is_empty()).cloned().collect(),
        }
    }
}

fn title(records: &[&Record], by_peer: bool) -> String {
    let title = records.first().map(|record| {
        let mut record = (*record).clone();
        if !by_peer {
            record.variant = format!("{}, {}", form(&record).1, record.peer);
        }
        record.title()
    });
    title.unwrap_or_default()
}

/// The columns of calls.
fn times(records: &[&Record]) -> Vec<Column> {
    let column = |name: &str, cell: &dyn Fn(&Times) -> Option<String>| {
        let cells = records.iter().map(|record| {
            let cell = record.times.as_ref().and_then(cell);
            cell.unwrap_or_default()
        });
        (name.to_owned(), cells.collect())
    };
    let time = |spread: Spread| text::time(spread.median);
    vec![
        column("p50", &|times| Some(time(times.p50))),
        column("min - max", &|times| {
            let (min, max) = (text::time(times.p50.min), text::time(times.p50.max));
            Some(format!("{min} - {max}"))
        }),
        column("p99", &|times| Some(time(times.p99))),
        column("p99.9", &|times| Some(time(times.p999))),
        column("mean", &|times| Some(time(times.mean))),
        column("calls/s", &|times| {
            Some(text::count(times.calls_per_s?.median))
        }),
        column("client CPU", &|times| Some(time(times.client_cpu?))),
        column("server CPU", &|times| Some(time(times.server_cpu?))),
        column(&format!("p50 / {BASE}"), &|times| Some(ratio(times.ratio?))),
    ]
}

fn ratio(spread: Spread) -> String {
    format!(
        "{:.3} ({:.3} - {:.3})",
        spread.median, spread.min, spread.max
    )
}

/// The columns that only one work has.
fn others(records: &[&Record]) -> Vec<Column> {
    let mut names: Vec<&str> = records
        .iter()
        .flat_map(|one| one.also.keys().copied())
        .collect();
    // What a variant begins with is the name of its row.
    names.retain(|name| !["sessions", "connections", "doors"].contains(name));
    names.sort_unstable();
    names.dedup();
    let column = |name: &str| {
        let cells = records.iter().map(|record| record.also.get(name));
        let cells = cells.map(|value| value.map_or_else(String::new, |value| also(name, *value)));
        let name = name.trim_end_matches("_ns").replace('_', " ");
        (name.replace("cpu", "CPU"), cells.collect())
    };
    names.into_iter().map(column).collect()
}

fn also(name: &str, value: f64) -> String {
    if name.ends_with("_ns") {
        text::time(value)
    } else if name.starts_with("memory") {
        format!("{:.1} KiB", value / 1024.0)
    } else {
        text::count(value)
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::pin::Pin;

    fn record(variant: &str, peer: &'static str, also: &[(&'static str, f64)]) -> Record {
        Record {
            work: "work",
            variant: variant.into(),
            size: 8,
            threads: 1,
            pin: Pin::Unpinned,
            peer,
            rounds: 1,
            times: None,
            also: also.iter().copied().collect(),
            note: String::new(),
        }
    }

    #[test]
    fn peers_of_one_contest_are_rows() {
        let records = [
            record("a", "doors", &[("server_cpu_ns", 1000.0)]),
            record("a", "pipe", &[]),
        ];
        let grids = grids(&records);
        assert_eq!(grids.len(), 1);
        assert_eq!(grids[0].title, "work, a, 8 B, unpinned");
        assert_eq!(grids[0].head, ["", "server CPU"]);
        assert_eq!(grids[0].rows, [["doors", "1.00 us"], ["pipe", "-"]]);
    }

    #[test]
    fn steps_of_one_peer_are_rows() {
        let mut records = vec![
            record("1 sessions", "doors", &[("memory_each", 1024.0)]),
            record("10 sessions", "doors", &[("memory_each", 2048.0)]),
            record("1 doors", "doors", &[]),
        ];
        records[1].note = "stopped".into();
        let grids = grids(&records);
        assert_eq!(grids.len(), 2);
        assert_eq!(grids[0].title, "work, sessions, doors, 8 B, unpinned");
        assert_eq!(grids[0].rows.len(), 2);
        assert_eq!(grids[0].rows[1], ["10 sessions", "2.0 KiB"]);
        assert_eq!(grids[0].notes, ["stopped"]);
        assert_eq!(grids[1].rows, [["doors"]]);
    }
}
