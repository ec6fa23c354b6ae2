//! Results as one page with plots.

mod axis;
mod plot;
mod plots;

use std::fmt::Write;

use crate::grid::{Grid, grids};
use crate::record::Record;

const STYLE: &str = include_str!("style.css");

/// A page that needs nothing else.
#[must_use]
pub fn html(header: &str, how: &str, records: &[Record]) -> String {
    let works = crate::work::WORKS.iter().filter_map(|work| {
        let records = records.iter().filter(|record| record.work == work.name);
        let records: Vec<Record> = records.cloned().collect();
        (!records.is_empty()).then_some((work, records))
    });
    let works: Vec<_> = works.collect();
    // A colour each, on all pages the same for doors and the floors.
    let mut peers: Vec<&str> = crate::work::ALL.iter().map(|peer| peer.name()).collect();
    for record in records {
        if !peers.contains(&record.peer) {
            peers.push(record.peer);
        }
    }
    let mut page = String::new();
    // Writing to a string does not fail, here and below.
    let _written = write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>Doors: measurements</title><style>{STYLE}</style></head><body>\
         <h1>Doors: measurements</h1><p class=\"where\">{}<br>{}</p>\
         <p>The two sides of a call are two processes; peers are measured in turn, a slice each per round. Tables show \
         medians of the rounds, with the smallest and the largest p50. The lines of a distribution are all calls of all \
         rounds together: where one crosses 99 %, 99 of 100 calls took no longer.</p><nav>",
        escape(header),
        escape(how)
    );
    for (work, _) in &works {
        let _written = write!(page, "<a href=\"#{0}\">{0}</a> ", work.name);
    }
    page.push_str("</nav>");
    for (work, records) in &works {
        let _written = write!(
            page,
            "<h2 id=\"{0}\">{0}</h2><p>{1}</p>",
            work.name,
            escape(work.about)
        );
        for plot in plots::plots(records) {
            page.push_str(&plot.svg(&peers));
        }
        for grid in grids(records) {
            page.push_str(&table(&grid));
        }
    }
    page.push_str("</body></html>\n");
    page
}

fn table(grid: &Grid) -> String {
    let cells = |cells: &[String], tag: &str| {
        let cells = cells
            .iter()
            .map(|cell| format!("<{tag}>{}</{tag}>", escape(cell)));
        format!("<tr>{}</tr>", cells.collect::<String>())
    };
    let rows = grid.rows.iter().map(|row| cells(row, "td"));
    let notes = grid
        .notes
        .iter()
        .map(|note| format!("<p>{}</p>", escape(note)));
    format!(
        "<div class=\"table\"><table><caption>{}</caption><thead>{}</thead><tbody>{}</tbody></table></div>{}",
        escape(&grid.title),
        cells(&grid.head, "th"),
        rows.collect::<String>(),
        notes.collect::<String>()
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::pin::Pin;

    #[test]
    fn a_page_has_its_works_and_needs_nothing_else() {
        let record = Record {
            work: "idle",
            variant: "1 s".into(),
            size: 8,
            threads: 1,
            pin: Pin::Unpinned,
            peer: "doors",
            rounds: 1,
            times: None,
            also: BTreeMap::from([("server_switches", 0.0)]),
            note: String::new(),
        };
        let page = html("a <machine>", "5 rounds", &[record]);
        assert!(page.contains("a &lt;machine&gt;") && page.contains("id=\"idle\""));
        assert!(!page.contains("id=\"null\""));
        for outside in ["http:", "https:", "<script", "src=", "@import"] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
}
