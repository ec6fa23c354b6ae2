//! `doors top`: the live doors of this host, watched.

use std::collections::HashMap;
use std::fmt::Write;
use std::io::{self, IsTerminal};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use doors::DoorFigures;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::arguments::Top;
use crate::failure::{Failure, Outcome};
use crate::figures::{Align, below, count, duration, table};
use crate::output::print;
use crate::printable;
use crate::survey::{Sight, look};

/// To the alternate screen, without a cursor, and lines that are too long end at the edge; and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";
/// To the upper left, and after the frame: nothing of the last one below.
const HOME: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K\n";
const CLEAR_BELOW: &str = "\x1b[K\x1b[J";

/// What was seen of all doors at one moment.
#[derive(Debug)]
struct Look {
    at: Instant,
    sights: Vec<Sight>,
}

pub(crate) fn run(arguments: &Top) -> Outcome {
    let over = ends()?;
    let mut before = Look::now()?;
    if arguments.once {
        pause(&over, arguments.interval);
        return print(frame(&before, &Look::now()?, arguments.rows));
    }
    let live = io::stdout().is_terminal();
    if live {
        print(ENTER)?;
    }
    let mut outcome = Ok(());
    while !pause(&over, arguments.interval) {
        outcome = Look::now().and_then(|after| {
            let text = frame(&before, &after, arguments.rows);
            before = after;
            if live {
                // No line break at the end: on the last line of the screen it would push the first one out.
                let lines = text.trim_end().replace('\n', CLEAR_LINE);
                print(format!("{HOME}{lines}{CLEAR_BELOW}"))
            } else {
                print(format!("{text}\n"))
            }
        });
        if outcome.is_err() {
            break;
        }
    }
    if live {
        // Before anything is said of a failure.
        let _left = print(LEAVE);
    }
    outcome
}

/// Tells when the process is to end.
fn ends() -> Outcome<Receiver<()>> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])
        .map_err(|error| Failure::new(format!("cannot receive signals: {error}")))?;
    let (end, over) = channel();
    thread::spawn(move || {
        let _signal = signals.forever().next();
        let _gone = end.send(());
    });
    Ok(over)
}

/// Waits; true if the process is to end.
fn pause(over: &Receiver<()>, interval: Duration) -> bool {
    over.recv_timeout(interval) != Err(RecvTimeoutError::Timeout)
}

impl Look {
    fn now() -> Outcome<Self> {
        let sights = look()?;
        Ok(Self {
            at: Instant::now(),
            sights,
        })
    }
}

/// A door with what happened in the interval.
#[derive(Debug)]
struct Row {
    rate: f64,
    cells: [String; 8],
}

fn frame(before: &Look, after: &Look, limit: usize) -> String {
    let seconds = after.at.duration_since(before.at).as_secs_f64();
    let known = before.sights.iter().filter_map(|sight| {
        let info = sight.seen.as_ref().ok()?;
        Some((info.id, info.figures.as_ref()?))
    });
    let known: HashMap<u64, &DoorFigures> = known.collect();
    let mut rows: Vec<Row> = after
        .sights
        .iter()
        .map(|sight| row(sight, &known, seconds))
        .collect();
    // Stable: doors at rest stay in the order of their paths.
    rows.sort_by(|a, b| b.rate.total_cmp(&a.rate));
    let all: f64 = rows.iter().map(|row| row.rate.max(0.0)).sum();
    let doors = match rows.len() {
        1 => "1 door".to_owned(),
        count => format!("{count} doors"),
    };
    let head = format!("{doors}, {all:.0} calls/s over {seconds:.1} s\n\n");
    let hidden = rows.len().saturating_sub(limit);
    let cells: Vec<_> = rows.into_iter().take(limit).map(|row| row.cells).collect();
    let heads = [
        ("CALLS/S", Align::Right),
        ("RUNNING", Align::Right),
        ("OLDEST", Align::Right),
        ("P99", Align::Right),
        ("CALLS", Align::Right),
        ("SESSIONS", Align::Right),
        ("PID", Align::Right),
        ("PATH", Align::Left),
    ];
    let mut text = head;
    text.push_str(&table(heads, &cells));
    if hidden > 0 {
        let _infallible = writeln!(text, "and {hidden} more (--rows)");
    }
    text
}

fn row(sight: &Sight, known: &HashMap<u64, &DoorFigures>, seconds: f64) -> Row {
    let path = printable::path(&sight.path);
    let none = || "-".to_owned();
    let info = match &sight.seen {
        Ok(info) => info,
        Err(why) => {
            let path = format!("{path} ({why})");
            let cells = [none(), none(), none(), none(), none(), none(), none(), path];
            return Row { rate: -1.0, cells };
        }
    };
    let now = info.figures.clone().unwrap_or_default();
    let then = known.get(&info.id);
    let made = now
        .calls
        .saturating_sub(then.map_or(now.calls, |then| then.calls));
    let rate = u32::try_from(made).map_or(f64::MAX, f64::from) / seconds;
    let oldest = if now.active == 0 {
        none()
    } else {
        duration(now.oldest_call)
    };
    let cells = [
        format!("{rate:.0}"),
        now.active.to_string(),
        oldest,
        below(
            &recent(&now.histogram, then.map(|then| then.histogram.as_slice())),
            99,
        ),
        count(now.calls),
        now.sessions.to_string(),
        info.target.map_or_else(none, |pid| pid.to_string()),
        path,
    ];
    Row { rate, cells }
}

/// The histogram of the interval; of all calls if none was timed in it.
fn recent(now: &[u64], then: Option<&[u64]>) -> Vec<u64> {
    let then = then.unwrap_or_default();
    let earlier = then.iter().copied().chain(std::iter::repeat(0));
    let since: Vec<u64> = now
        .iter()
        .zip(earlier)
        .map(|(n, e)| n.saturating_sub(e))
        .collect();
    if since.iter().any(|n| *n > 0) {
        since
    } else {
        now.to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_counts_if_it_has_calls() {
        assert_eq!(recent(&[3, 5], Some(&[3, 4])), [0, 1]);
        assert_eq!(recent(&[3, 5], Some(&[3, 5])), [3, 5]);
        assert_eq!(recent(&[3, 5], None), [3, 5]);
    }
}
