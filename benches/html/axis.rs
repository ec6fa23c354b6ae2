//! An axis of a plot.

use crate::text;

/// An axis is at least so many decades long.
const LEAST: f64 = 0.8;

/// What an axis means.
#[derive(Clone, Copy, Debug)]
pub(super) enum Axis {
    /// Nanoseconds, logarithmic.
    Nanos,
    /// Bytes, logarithmic.
    Bytes,
    /// A number of something, logarithmic.
    Count(&'static str),
    /// Something per second, logarithmic.
    PerSecond(&'static str),
    /// A part of all calls, so that each digit of "nines" has the same room.
    Part,
}

impl Axis {
    /// Where a value lies, in units in which the axis is even.
    pub(super) fn even(self, value: f64) -> f64 {
        match self {
            // 0, 0.9, 0.99, 0.999, 0.9999 lie at 0, 1, 2, 3, 4.
            Self::Part => -(1.0 - value).max(1e-4).log10(),
            _ => value.max(1e-3).log10(),
        }
    }

    /// The ends of the axis, for these values.
    pub(super) fn ends(self, values: impl Iterator<Item = f64>) -> (f64, f64) {
        if matches!(self, Self::Part) {
            return (0.0, 4.0);
        }
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values {
            low = low.min(self.even(value));
            high = high.max(self.even(value));
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        // A line that is flat shall look so.
        let margin = ((high - low) * 0.04).max((LEAST - (high - low)) / 2.0);
        (low - margin, high + margin)
    }

    /// Where lines go, and what is written there.
    pub(super) fn ticks(self, ends: (f64, f64)) -> Vec<(f64, String)> {
        if matches!(self, Self::Part) {
            let parts = [(0.0, "0"), (0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %")];
            let more = [(0.999, "99.9 %"), (0.9999, "99.99 %")];
            return parts
                .into_iter()
                .chain(more)
                .map(|(part, name)| (self.even(part), name.into()))
                .collect();
        }
        let whole = ends.1 - ends.0;
        let powers = match self {
            Self::Bytes => Some(4),
            // Up to 64, and not up to 100.
            Self::Count(_) if ends.1 < 1.95 => Some(1),
            _ => None,
        };
        if let Some(step) = powers {
            return self.powers_of_two(ends, step);
        }
        let mut ticks = Vec::new();
        let steps: &[f64] = match whole {
            w if w < 1.3 => &[1.0, 2.0, 3.0, 5.0, 7.0],
            w if w < 2.5 => &[1.0, 2.0, 5.0],
            _ => &[1.0],
        };
        let mut decade = ends.0.floor();
        while decade <= ends.1 {
            for step in steps {
                let value = step * 10_f64.powf(decade);
                let at = self.even(value);
                if at >= ends.0 && at <= ends.1 {
                    ticks.push((at, self.name(value)));
                }
            }
            decade += 1.0;
        }
        ticks
    }

    /// A tick for every so many doublings, beginning where 64 has one: 1 KiB and 1 MiB then have one as well.
    fn powers_of_two(self, ends: (f64, f64), step: u32) -> Vec<(f64, String)> {
        let first = 6_u32.checked_rem(step).unwrap_or_default();
        let powers = (first..u64::BITS).step_by(usize::try_from(step).unwrap_or(1));
        let values = powers.map(|power| f64::from(power).exp2());
        let ticks = values.map(|value| (self.even(value), self.name(value)));
        ticks
            .filter(|(at, _)| *at >= ends.0 && *at <= ends.1)
            .collect()
    }

    /// A value as people read it.
    pub(super) fn name(self, value: f64) -> String {
        match self {
            Self::Nanos => short(&text::time(value)),
            Self::Bytes => {
                let units = [(20_f64, "MiB"), (10.0, "KiB")];
                let unit = units.into_iter().find(|unit| value >= unit.0.exp2());
                let (power, unit) = unit.unwrap_or((0.0, "B"));
                format!("{} {unit}", value / power.exp2())
            }
            Self::Part => format!("{} %", value * 100.0),
            _ => short(&text::count(value)),
        }
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Nanos => "time of a call",
            Self::Bytes => "bytes of a call and of its answer",
            Self::Count(what) | Self::PerSecond(what) => what,
            Self::Part => "part of the calls that took no longer",
        }
    }
}

/// Without digits that say nothing: "1.00 us" is "1 us".
fn short(text: &str) -> String {
    let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
    let number = if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    };
    format!("{number} {unit}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers() {
        let names: Vec<String> = Axis::Nanos
            .ticks((2.0, 6.0))
            .into_iter()
            .map(|t| t.1)
            .collect();
        assert_eq!(names, ["100 ns", "1 us", "10 us", "100 us", "1 ms"]);
    }

    #[test]
    fn sizes_and_small_counts_have_ticks_at_powers_of_two() {
        let names = |axis: Axis, values: &[f64]| {
            let ticks = axis.ticks(axis.ends(values.iter().copied()));
            ticks.into_iter().map(|tick| tick.1).collect::<Vec<_>>()
        };
        let sizes = [64.0, 26_f64.exp2()];
        let wanted = ["64 B", "1 KiB", "16 KiB", "256 KiB", "4 MiB", "64 MiB"];
        assert_eq!(names(Axis::Bytes, &sizes), wanted);
        let wanted = ["1", "2", "4", "8", "16", "32", "64"];
        assert_eq!(names(Axis::Count("at once"), &[1.0, 64.0]), wanted);
        let wanted = ["1", "10", "100", "1 k", "10 k"];
        assert_eq!(names(Axis::Count("doors"), &[1.0, 10_000.0]), wanted);
    }
}
