//! What must be reached, and whether it was.

mod rows;

use std::fmt;

use self::rows::Rows;
use crate::record::Record;

/// The works that the limits are about.
pub const WORKS: &[&str] = &[
    "null", "sparse", "struct", "fd", "mt", "burn", "connect", "scale", "idle", "death",
];

/// Within this factor we are at the floor.
const FLOOR_AND: f64 = 1.1;

/// The works of the limits that need a peer of the workspace `benches/peers`.
pub const FAR_WORKS: &[&str] = &["null", "echo", "struct"];

/// That peer.
pub const FAR: &str = "iceoryx2";

/// One limit.
#[derive(Clone, Debug)]
pub struct Limit {
    what: String,
    measured: Option<f64>,
    bound: f64,
    /// What a program of this suite measured that does nothing but what stops us: a limit that it misses itself, with us
    /// close to it, is bound by it.
    floor: Option<f64>,
    /// What was measured beside that floor in the same round, at the median.
    beside_floor: Option<f64>,
    /// The measured value has to be at least the bound, not at most.
    at_least: bool,
    /// It is about what the system did not do in this run, although it was there to be seen.
    not_seen: bool,
}

impl Limit {
    /// The work that it is about: the first word of what it says.
    #[must_use]
    pub fn work(&self) -> &str {
        let first = self.what.split([' ', ',']).next();
        first.unwrap_or_default()
    }

    /// Whether it was missed; not measured is missed, too.
    #[must_use]
    pub fn is_missed(&self) -> bool {
        match self.measured {
            Some(measured) => !self.is_held_by(measured) && !self.is_bound(),
            None => !self.not_seen,
        }
    }

    fn is_held_by(&self, measured: f64) -> bool {
        if self.at_least {
            measured >= self.bound
        } else {
            measured <= self.bound
        }
    }

    /// Whether the limit is not held, and the floor neither holds it nor is far from us.
    fn is_bound(&self) -> bool {
        let (Some(measured), Some(floor)) = (self.measured, self.floor) else {
            return false;
        };
        let beside = self.beside_floor.unwrap_or(measured / floor);
        let close = !self.at_least && beside <= FLOOR_AND;
        close && !self.is_held_by(measured) && !self.is_held_by(floor)
    }
}

impl Limit {
    /// What it is about, what was measured, the bound, and whether it was held.
    pub(crate) fn cells(&self) -> [String; 4] {
        let measured = match self.measured {
            Some(measured) => format!("{measured:.3}"),
            None => "-".into(),
        };
        let sign = if self.at_least { ">=" } else { "<=" };
        let verdict = match self.measured {
            None if self.not_seen => "not seen",
            None => "MISSED: not measured",
            Some(_) if self.is_missed() => "MISSED",
            Some(_) if self.is_bound() => "bound by its floor",
            Some(_) => "held",
        };
        let bound = match self.floor {
            Some(floor) => {
                let beside = self.beside_floor.map(|beside| format!(", {beside:.2} x"));
                let beside = beside.unwrap_or_default();
                format!("{sign} {} (floor {floor:.3}{beside})", self.bound)
            }
            None => format!("{sign} {}", self.bound),
        };
        [self.what.clone(), measured, bound, verdict.into()]
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [what, measured, bound, verdict] = self.cells();
        write!(f, "{what:<70} {measured:>9} {bound:<31} {verdict}")
    }
}

/// How many there are of each verdict, in one line.
#[must_use]
pub fn sum(limits: &[Limit]) -> String {
    let missed = limits.iter().filter(|limit| limit.is_missed()).count();
    let bound = limits.iter().filter(|limit| limit.is_bound()).count();
    let not_seen = |limit: &&Limit| limit.measured.is_none() && limit.not_seen;
    let not_seen = limits.iter().filter(not_seen).count();
    let others = missed.saturating_add(bound).saturating_add(not_seen);
    let held = limits.len().saturating_sub(others);
    let not_seen = match not_seen {
        0 => String::new(),
        some => format!("; {some} of what was not seen"),
    };
    format!("{held} held, {bound} bound by their floors, {missed} missed{not_seen}")
}

/// The limits beside the floors, with what these records say.
#[must_use]
pub fn limits(records: &[Record]) -> Vec<Limit> {
    Rows::new(records).near()
}

/// The limits beside the peer of the other workspace.
#[must_use]
pub fn far(records: &[Record]) -> Vec<Limit> {
    Rows::new(records).far()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::pin::Pin;
    use crate::record::{BesideAcross, Times};
    use crate::statistics::Spread;

    fn limit(measured: Option<f64>, at_least: bool) -> Limit {
        Limit {
            what: "something".into(),
            measured,
            bound: 1.0,
            floor: None,
            beside_floor: None,
            at_least,
            not_seen: false,
        }
    }

    #[test]
    fn a_limit_is_bound_by_a_floor_that_misses_it_and_is_near() {
        let with = |measured, floor| Limit {
            floor: Some(floor),
            ..limit(Some(measured), false)
        };
        assert!(!with(1.3, 1.2).is_missed());
        assert!(with(1.3, 1.2).to_string().contains("bound"));
        assert!(with(1.4, 1.2).is_missed());
        assert!(with(1.05, 1.0).is_missed());
        assert!(with(0.9, 1.2).to_string().contains("held"));
    }

    /// First contacts that take so many times as long as the stream's.
    fn contacts(peer: &'static str, pin: Pin, ratio: f64) -> Record {
        let times = Times::of(&[], None).unwrap();
        Record {
            work: "connect",
            variant: String::new(),
            size: 8,
            threads: 1,
            pin,
            peer,
            rounds: 1,
            times: Some(Times {
                ratio: Some(Spread::of([ratio])),
                ..times
            }),
            also: BTreeMap::new(),
            note: String::new(),
        }
    }

    #[test]
    fn first_contacts_are_bound_by_their_floor_in_the_same_place_only() {
        let records = [
            contacts("doors", Pin::Unpinned, 1.35),
            contacts("first contact", Pin::Unpinned, 1.25),
            contacts("doors", Pin::OneCpu, 1.35),
            contacts("first contact", Pin::OneCpu, 1.25),
        ];
        let verdicts = |records: &[Record]| -> Vec<String> {
            let mut limits = limits(records);
            limits.retain(|limit| limit.work() == "connect");
            limits
                .iter()
                .map(|limit| limit.cells()[3].clone())
                .collect()
        };
        // Unpinned the floor holds the limit, so ours could.
        assert_eq!(verdicts(&records), ["MISSED", "bound by its floor"]);
        // Without a floor at the same place nothing is bound.
        assert_eq!(verdicts(&records[..3]), ["MISSED", "MISSED"]);
    }

    #[test]
    fn what_the_scheduler_did_not_do_is_not_seen_and_what_was_not_looked_for_is_missed() {
        let verdict = |pin, across: Option<BesideAcross>| {
            let mut record = contacts("doors", Pin::Unpinned, 0.5);
            record.work = "sparse";
            record.variant = "1.00 ms asleep".into();
            let of = |pin, across| {
                let mut record = record.clone();
                record.pin = pin;
                record.times.as_mut().unwrap().across = across;
                record
            };
            let none = BesideAcross {
                rounds: 0,
                p50: None,
            };
            let limits = limits(&[of(Pin::Unpinned, Some(none)), of(pin, across)]);
            let found = limits.iter().find(|limit| limit.what.contains("across"));
            found.unwrap().cells()[3].clone()
        };
        let seen = |ratio| BesideAcross {
            rounds: 1,
            p50: ratio,
        };
        let apart = Pin::BegunApart;
        assert_eq!(verdict(apart, Some(seen(None))), "not seen");
        assert_eq!(verdict(apart, Some(seen(Some(Spread::of([0.2]))))), "held");
        assert_eq!(
            verdict(apart, Some(seen(Some(Spread::of([0.3]))))),
            "MISSED"
        );
        // Nobody has looked there.
        assert_eq!(verdict(apart, None), "MISSED: not measured");
        assert_eq!(
            verdict(Pin::OneEach, Some(seen(None))),
            "MISSED: not measured"
        );
    }

    #[test]
    fn a_limit_is_missed_on_the_wrong_side() {
        assert!(!limit(Some(1.0), false).is_missed());
        assert!(limit(Some(1.1), false).is_missed());
        assert!(!limit(Some(1.0), true).is_missed());
        assert!(limit(Some(0.9), true).is_missed());
    }

    #[test]
    fn each_limit_is_counted_once() {
        let bound = Limit {
            floor: Some(1.2),
            ..limit(Some(1.3), false)
        };
        let all = [
            limit(Some(0.5), false),
            bound,
            limit(None, false),
            limit(Some(2.0), false),
        ];
        assert_eq!(sum(&all), "1 held, 1 bound by their floors, 2 missed");
        let unseen = Limit {
            not_seen: true,
            ..limit(None, false)
        };
        assert!(!unseen.is_missed() && unseen.to_string().ends_with("not seen"));
        let said = "0 held, 0 bound by their floors, 0 missed; 1 of what was not seen";
        assert_eq!(sum(&[unseen]), said);
    }

    #[test]
    fn what_was_not_measured_is_missed() {
        let limit = limit(None, false);
        assert!(limit.is_missed() && limit.to_string().ends_with("MISSED: not measured"));
    }

    #[test]
    fn without_records_every_limit_is_missed() {
        for (limits, works, least) in [(limits(&[]), WORKS, 30), (far(&[]), FAR_WORKS, 4)] {
            assert!(limits.iter().all(Limit::is_missed));
            assert!(limits.len() >= least, "{}", limits.len());
            for work in works {
                assert!(limits.iter().any(|limit| limit.work() == *work), "{work}");
            }
            assert!(limits.iter().all(|limit| works.contains(&limit.work())));
        }
    }
}
