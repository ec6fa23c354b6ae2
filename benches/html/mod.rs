//! Results as one page with plots.

mod axis;
mod plot;
mod plots;

use std::fmt::Write;

use crate::record::Record;

const STYLE: &str = "\
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1c1c1c;background:#fff}
h1{font-size:1.5rem;margin-bottom:.2rem}h2{font-size:1.2rem;margin-top:2.5rem;border-top:1px solid #ddd;padding-top:1rem}
p.where{color:#555;margin-top:0}figure{margin:1rem 0;display:inline-block;vertical-align:top}
figcaption{font-size:.9rem;color:#333;margin-bottom:.2rem}svg{max-width:100%;height:auto}
svg text{font:12px system-ui,sans-serif;fill:#333}
pre{overflow-x:auto;font:12px/1.4 ui-monospace,monospace;background:#f6f6f6;padding:.8rem;border-radius:4px}
@media(prefers-color-scheme:dark){body{background:#fff}}";

/// A page that needs nothing else.
#[must_use]
pub fn html(header: &str, records: &[Record]) -> String {
    let mut page = String::new();
    // Writing to a string does not fail.
    let _written = write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <title>Doors: measurements</title><style>{STYLE}</style></head><body>\
         <h1>Doors: measurements</h1><p class=\"where\">{}</p>",
        escape(header)
    );
    page.push_str(
        "<p>Two processes each; peers measured in turn. Tables show medians of the rounds, with the smallest and \
         the largest; distributions are those of all rounds together.</p>",
    );
    for work in crate::work::WORKS {
        let of_work: Vec<Record> = records
            .iter()
            .filter(|record| record.work == work.name)
            .cloned()
            .collect();
        if of_work.is_empty() {
            continue;
        }
        let _written = write!(
            page,
            "<h2 id=\"{0}\">{0}</h2><p>{1}</p>",
            work.name,
            escape(work.about)
        );
        for plot in plots::plots(&of_work) {
            page.push_str(&plot.svg());
        }
        let table = crate::table::table(&of_work);
        let _written = write!(
            page,
            "<pre>{}</pre>",
            escape(table.trim_start_matches('\n'))
        );
    }
    page.push_str("</body></html>\n");
    page
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
        let page = html("a <machine>", &[record]);
        assert!(page.contains("a &lt;machine&gt;") && page.contains("id=\"idle\""));
        assert!(!page.contains("id=\"null\""));
        for outside in ["http:", "https:", "<script", "src=", "@import"] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
}
