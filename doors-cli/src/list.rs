//! `doors ls`: the live doors of this host.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::arguments::Ls;
use crate::failure::Outcome;
use crate::figures::{Align, count, table};
use crate::output::print;
use crate::printable;
use crate::survey::{self, Sight, look};

pub(crate) fn run(arguments: &Ls) -> Outcome {
    let sights = look()?;
    let text = if arguments.json {
        let all: Vec<Value> = sights.iter().map(for_programs).collect();
        format!("{:#}\n", Value::from(all))
    } else if sights.is_empty() {
        let _unheard = writeln!(io::stderr(), "doors: there are no live doors on this host");
        return Ok(());
    } else {
        for_people(&sights)
    };
    print(text)
}

fn for_people(sights: &[Sight]) -> String {
    let rows: Vec<_> = sights.iter().map(row).collect();
    let heads = [
        ("PATH", Align::Left),
        ("PID", Align::Right),
        ("UID", Align::Right),
        ("SESSIONS", Align::Right),
        ("CALLS", Align::Right),
        ("ATTRIBUTES", Align::Left),
    ];
    table(heads, &rows)
}

fn row(sight: &Sight) -> [String; 6] {
    let none = || "-".to_owned();
    let path = printable::path(&sight.path);
    let uid = sight.uid.map_or_else(none, |uid| uid.to_string());
    let [pid, sessions, calls, attributes] = match &sight.seen {
        Ok(info) => {
            let figures = info.figures.clone().unwrap_or_default();
            let attributes = survey::names(info.attributes);
            [
                info.target.map_or_else(none, |pid| pid.to_string()),
                figures.sessions.to_string(),
                count(figures.calls),
                if attributes.is_empty() {
                    none()
                } else {
                    attributes.join("|")
                },
            ]
        }
        Err(why) => [none(), none(), none(), format!("({why})")],
    };
    [path, pid, uid, sessions, calls, attributes]
}

fn for_programs(sight: &Sight) -> Value {
    match &sight.seen {
        Ok(info) => survey::json(&sight.path, sight.uid, info),
        Err(why) => json!({
            "path": sight.path.to_string_lossy(),
            "uid": sight.uid,
            "remark": why,
        }),
    }
}
