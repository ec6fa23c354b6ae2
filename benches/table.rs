//! Results as tables of text.

use std::fmt::Write;

use crate::grid::{Grid, grids};
use crate::limits::Limit;
use crate::record::Record;

/// Records of the same title together, one line each, for a terminal.
#[must_use]
pub fn table(records: &[Record]) -> String {
    let mut text = String::new();
    for grid in grids(records) {
        // Writing to a string does not fail, here and below.
        let _written = write!(text, "\n{}\n{}", grid.title, plain(&grid));
    }
    text
}

/// Columns of even width.
pub(crate) fn plain(grid: &Grid) -> String {
    let lines = || std::iter::once(&grid.head).chain(&grid.rows);
    let mut widths = vec![0; grid.head.len()];
    for line in lines() {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for line in lines() {
        let mut padded = String::new();
        for (number, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let _written = if number == 0 {
                write!(padded, "  {cell:<width$}")
            } else {
                write!(padded, "  {cell:>width$}")
            };
        }
        text.push_str(padded.trim_end());
        text.push('\n');
    }
    for note in &grid.notes {
        let _written = writeln!(text, "  {note}");
    }
    text
}

/// The same as a page of Markdown: where and when, how limits were kept, then all tables.
#[must_use]
pub fn markdown(how: &str, header: &str, limits: &[Limit], records: &[Record]) -> String {
    let mut page = format!("# Measurements\n\n{how}\n\n{header}\n");
    if !limits.is_empty() {
        page.push_str("\n| limit | measured | bound | |\n|---|--:|--:|---|\n");
        for limit in limits {
            let _written = writeln!(page, "| {} |", limit.cells().join(" | "));
        }
    }
    for work in crate::work::WORKS {
        let of_work = records.iter().filter(|record| record.work == work.name);
        let of_work: Vec<Record> = of_work.cloned().collect();
        if of_work.is_empty() {
            continue;
        }
        let _written = writeln!(page, "\n## {}\n\n{}", work.name, work.about);
        for grid in grids(&of_work) {
            let rules = grid.head.iter().enumerate();
            let rules = rules.map(|(number, _)| if number == 0 { "---" } else { "--:" });
            let rules: Vec<&str> = rules.collect();
            let _written = write!(
                page,
                "\n**{}**\n\n| {} |\n|{}|\n",
                grid.title,
                grid.head.join(" | "),
                rules.join("|")
            );
            for row in &grid.rows {
                let _written = writeln!(page, "| {} |", row.join(" | "));
            }
            for note in &grid.notes {
                let _written = writeln!(page, "\n{note}");
            }
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let cells = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect();
        let grid = Grid {
            title: "title".into(),
            head: cells(&["", "p50", "mean"]),
            rows: vec![cells(&["doors", "1.00 us", "2 s"]), cells(&["a", "-", "-"])],
            notes: vec!["a note".into()],
        };
        assert_eq!(
            plain(&grid),
            concat!(
                "             p50  mean\n",
                "  doors  1.00 us   2 s\n",
                "  a            -     -\n",
                "  a note\n"
            )
        );
    }
}
