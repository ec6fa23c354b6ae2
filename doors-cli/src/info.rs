//! `doors info`: what one door tells about itself.

use std::fmt::Write;
use std::path::Path;

use doors::DoorInfo;

use crate::arguments::Info;
use crate::failure::{Failure, Outcome};
use crate::figures::{below, count, duration};
use crate::open::open;
use crate::output::print;
use crate::printable;
use crate::survey;

pub(crate) fn run(arguments: &Info) -> Outcome {
    let path = arguments.path.as_path();
    let info = open(path)?
        .info()
        .map_err(|error| Failure::door("ask", path, &error))?;
    let uid = info.target.and_then(survey::user_of);
    let text = if arguments.json {
        let mut told = survey::json(path, uid, &info);
        if let Some(told) = told.as_object_mut() {
            let histogram = info.figures.map(|figures| figures.histogram);
            told.insert("histogram".into(), histogram.into());
        }
        format!("{told}\n")
    } else {
        for_people(path, uid, &info)
    };
    print(text)
}

fn for_people(path: &Path, uid: Option<u32>, info: &DoorInfo) -> String {
    let server = match (info.target, uid) {
        (Some(pid), Some(uid)) => format!("process {pid} ({}) of user {uid}", command(pid)),
        (Some(pid), None) => format!("process {pid}"),
        (None, _) => "has exited".into(),
    };
    let attributes = survey::names(info.attributes);
    let attributes = if attributes.is_empty() {
        "none".into()
    } else {
        attributes.join(", ")
    };
    let mut lines = vec![
        ("door", path.display().to_string()),
        ("id", format!("{:016x}", info.id)),
        ("server", server),
        ("attributes", attributes),
    ];
    if let Some(figures) = &info.figures {
        let timed = figures
            .histogram
            .iter()
            .fold(0_u64, |sum, n| sum.saturating_add(*n));
        let running = if figures.active == 0 {
            "none running".into()
        } else {
            format!(
                "{} running, the oldest for {}",
                figures.active,
                duration(figures.oldest_call)
            )
        };
        lines.push((
            "calls",
            format!(
                "{} executed, {running}, {} callers refused",
                count(figures.calls),
                count(figures.refused)
            ),
        ));
        lines.push((
            "time",
            format!(
                "p50 {}, p99 {} in the server procedure ({} timed)",
                below(&figures.histogram, 50),
                below(&figures.histogram, 99),
                count(timed)
            ),
        ));
        lines.push((
            "sessions",
            format!("{} (of all doors of the process)", figures.sessions),
        ));
        lines.push((
            "references",
            format!(
                "{} (names, connections and descriptors, this look among them)",
                figures.references
            ),
        ));
        lines.push(("threads", figures.threads.to_string()));
    }
    let params = &info.params;
    let bytes = if params.data_max == u64::MAX {
        "any number of bytes".into()
    } else {
        format!("at most {} bytes", count(params.data_max))
    };
    let fewest = if params.data_min == 0 {
        String::new()
    } else {
        format!(", at least {}", count(params.data_min))
    };
    let descriptors = match params.desc_max {
        0 => "no descriptors".into(),
        // What any call may bring is less than this.
        max if max >= 1024 => "up to 1,024 descriptors".to_owned(),
        max => format!("up to {max} descriptors"),
    };
    lines.push((
        "a call may bring",
        format!("{bytes}{fewest}, {descriptors}"),
    ));
    lines
        .into_iter()
        .fold(String::new(), |mut text, (name, value)| {
            let _infallible = writeln!(text, "{name:<18}{value}");
            text
        })
}

/// The name of a process; it chose it itself.
fn command(pid: i32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).map_or_else(
        |_| "unknown".into(),
        |name| printable::line(name.trim_end()),
    )
}
