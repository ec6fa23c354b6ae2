//! `doors info`: what one door tells about itself.

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use doors::{DoorFigures, DoorInfo};

use crate::arguments::Info;
use crate::failure::{Failure, Outcome};
use crate::figures::{below, count, duration};
use crate::open::open;
use crate::output::print;
use crate::printable;
use crate::survey;
use crate::values;

/// So that a line fits a terminal.
const AGES_ON_A_LINE: usize = 6;

/// For the door's interface.
const PATIENCE: Duration = Duration::from_secs(1);

pub(crate) fn run(arguments: &Info) -> Outcome {
    let path = arguments.path.as_path();
    let door = open(path)?;
    let info = door
        .info()
        .map_err(|error| Failure::door("ask", path, &error))?;
    // It is its procedure that answers, which may be stuck: what is known without it is shown in any case.
    let soon = Instant::now().checked_add(PATIENCE);
    let interface = values::described(path, &door, info.attributes, soon);
    let (interface, unknown) = match interface {
        Ok(interface) => (interface, None),
        Err(failure) => (None, Some(failure.text)),
    };
    let uid = info.target.and_then(survey::user_of);
    let text = if arguments.json {
        let mut told = survey::json(path, uid, &info);
        if let Some(told) = told.as_object_mut() {
            let figures = info.figures.as_ref();
            let ages = figures.map(|f| f.ages.iter().copied().map(survey::micros).collect());
            let ages: Option<Vec<Option<u64>>> = ages;
            told.insert("ages_us".into(), ages.into());
            let histogram = figures.map(|f| f.histogram.clone());
            told.insert("histogram".into(), histogram.into());
            let interface = interface.as_ref().map(serde_json::to_value);
            told.insert(
                "interface".into(),
                interface.and_then(Result::ok).unwrap_or_default(),
            );
        }
        format!("{told}\n")
    } else {
        let mut text = for_people(path, uid, &info);
        if let Some(interface) = interface {
            let _infallible = writeln!(text, "\n{}", printable::text(&interface.to_string()));
        }
        if let Some(why) = unknown {
            let _infallible = writeln!(text, "interface         unknown: {why}");
        }
        text
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
            format!("{} running", count(figures.active.into()))
        };
        lines.push((
            "calls",
            format!(
                "{} begun, {running}, {} refused",
                count(figures.calls),
                count(figures.refused)
            ),
        ));
        lines.extend(ages(figures));
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
        lines.push((
            "gears",
            format!(
                "a thread followed a caller that pauses {} times, and parted from one {} times",
                count(figures.followed),
                count(figures.parted)
            ),
        ));
    }
    let params = &info.params;
    let bytes = if params.data_max == u64::MAX {
        "up to 4 GiB".into()
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

/// How long each call has been running, some on a line.
fn ages(figures: &DoorFigures) -> Vec<(&'static str, String)> {
    let told = figures.ages.len();
    let mut lines: Vec<String> = figures
        .ages
        .chunks(AGES_ON_A_LINE)
        .map(|some| {
            let some: Vec<String> = some.iter().copied().map(duration).collect();
            some.join(", ")
        })
        .collect();
    let running = usize::try_from(figures.active).unwrap_or(usize::MAX);
    let others = running.saturating_sub(told);
    // One that has been taken may not have begun yet.
    if told > 0 && others > 0 {
        lines.push(format!("and {others} younger"));
    }
    let names = std::iter::once("running for").chain(std::iter::repeat(""));
    names.zip(lines).collect()
}

/// The name of a process; it chose it itself.
fn command(pid: i32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).map_or_else(
        |_| "unknown".into(),
        |name| printable::line(name.trim_end()),
    )
}
