//! What must be reached, and whether it was.

mod rows;

use std::fmt;

use self::rows::Rows;
use crate::record::Record;

/// The works that the limits are about.
pub const WORKS: &[&str] = &[
    "null", "sparse", "echo", "fd", "mt", "burn", "connect", "scale", "idle", "death",
];

/// Within this factor we are at the floor.
const FLOOR_AND: f64 = 1.1;

/// The peer of the limits that need the workspace `benches/peers`.
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
    /// The measured value has to be at least the bound, not at most.
    at_least: bool,
    /// It can only be measured beside a peer of the other workspace.
    far: bool,
}

impl Limit {
    /// The work that it is about: the first word of what it says.
    #[must_use]
    pub fn work(&self) -> &str {
        let first = self.what.split([' ', ',']).next();
        first.unwrap_or_default()
    }

    /// Whether there are figures for it.
    #[must_use]
    pub fn is_measured(&self) -> bool {
        self.measured.is_some()
    }

    /// Whether it was missed; not measured is missed, too, unless another workspace is needed for it.
    #[must_use]
    pub fn is_missed(&self) -> bool {
        match self.measured {
            Some(measured) => !self.is_held_by(measured) && !self.is_bound(),
            None => !self.far,
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
        let close = !self.at_least && measured <= floor * FLOOR_AND;
        close && !self.is_held_by(measured) && !self.is_held_by(floor)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let measured = match self.measured {
            Some(measured) => format!("{measured:.3}"),
            None => "-".into(),
        };
        let sign = if self.at_least { ">=" } else { "<=" };
        let verdict = match self.measured {
            None if self.far => "needs benches/peers",
            None => "MISSED: not measured",
            Some(_) if self.is_missed() => "MISSED",
            Some(_) if self.is_bound() => "bound by its floor",
            Some(_) => "held",
        };
        write!(
            f,
            "{:<58} {measured:>9} {sign} {:<6} {verdict}",
            self.what, self.bound
        )?;
        match self.floor {
            Some(floor) => write!(f, " (floor {floor:.3})"),
            None => Ok(()),
        }
    }
}

/// All limits, with what these records say.
#[must_use]
pub fn limits(records: &[Record]) -> Vec<Limit> {
    Rows::new(records).all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(measured: Option<f64>, at_least: bool, far: bool) -> Limit {
        Limit {
            what: "something".into(),
            measured,
            bound: 1.0,
            floor: None,
            at_least,
            far,
        }
    }

    #[test]
    fn a_limit_is_bound_by_a_floor_that_misses_it_and_is_near() {
        let with = |measured, floor| Limit {
            floor: Some(floor),
            ..limit(Some(measured), false, false)
        };
        assert!(!with(1.3, 1.2).is_missed());
        assert!(with(1.3, 1.2).to_string().contains("bound"));
        assert!(with(1.4, 1.2).is_missed());
        assert!(with(1.05, 1.0).is_missed());
        assert!(with(0.9, 1.2).to_string().contains("held"));
    }

    #[test]
    fn a_limit_is_missed_on_the_wrong_side() {
        assert!(!limit(Some(1.0), false, false).is_missed());
        assert!(limit(Some(1.1), false, false).is_missed());
        assert!(!limit(Some(1.0), true, false).is_missed());
        assert!(limit(Some(0.9), true, false).is_missed());
    }

    #[test]
    fn what_was_not_measured_is_missed_unless_it_lies_elsewhere() {
        assert!(limit(None, false, false).is_missed());
        assert!(!limit(None, false, true).is_missed());
        assert!(limit(Some(2.0), false, true).is_missed());
    }

    #[test]
    fn without_records_every_limit_of_ours_is_missed() {
        let limits = limits(&[]);
        assert!(limits.iter().all(|limit| limit.is_missed() != limit.far));
        assert!(limits.len() > 30);
        assert!(limits.iter().all(|limit| WORKS.contains(&limit.work())));
    }
}
