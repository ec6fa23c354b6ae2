//! Figures as people read them.

use std::time::Duration;

/// A duration with three digits at most.
pub(crate) fn duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let (value, unit) = match nanos {
        0..1_000 => return format!("{nanos} ns"),
        1_000..1_000_000 => (duration.as_secs_f64() * 1e6, "us"),
        1_000_000..1_000_000_000 => (duration.as_secs_f64() * 1e3, "ms"),
        _ if duration.as_secs() < 120 => (duration.as_secs_f64(), "s"),
        _ if duration.as_secs() < 7200 => (duration.as_secs_f64() / 60.0, "min"),
        _ => (duration.as_secs_f64() / 3600.0, "h"),
    };
    if value < 10.0 {
        format!("{value:.2} {unit}")
    } else if value < 100.0 {
        format!("{value:.1} {unit}")
    } else {
        format!("{value:.0} {unit}")
    }
}

/// A number with its thousands apart.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len().saturating_mul(2));
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && digits.len().saturating_sub(at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The time below which `percent` of the timed calls lie, in microseconds; `None` without any.
///
/// Class n of the histogram counts times below 2^(n+1) us, so this is a bound and not the time itself.
pub(crate) fn below_micros(histogram: &[u64], percent: u64) -> Option<u64> {
    let all: u64 = histogram.iter().fold(0, |sum, n| sum.saturating_add(*n));
    if all == 0 {
        return None;
    }
    let wanted = all.saturating_mul(percent).div_ceil(100);
    let mut sum = 0_u64;
    let class = histogram.iter().position(|n| {
        sum = sum.saturating_add(*n);
        sum >= wanted
    });
    let class = u32::try_from(class?).ok()?;
    1_u64.checked_shl(class.saturating_add(1))
}

/// The same for people.
pub(crate) fn below(histogram: &[u64], percent: u64) -> String {
    below_micros(histogram, percent).map_or_else(
        || "-".into(),
        |micros| format!("<{}", duration(Duration::from_micros(micros))),
    )
}

/// A table: the widths follow the contents, numbers are right-aligned, the last column is not padded.
pub(crate) fn table<const N: usize>(heads: [(&str, Align); N], rows: &[[String; N]]) -> String {
    let widths: [usize; N] = std::array::from_fn(|column| {
        let head = heads.get(column).map_or(0, |(head, _)| head.len());
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells
            .map(|cell| cell.chars().count())
            .fold(head, usize::max)
    });
    let names = heads.map(|(head, _)| head.to_owned());
    let mut text = String::new();
    for row in std::iter::once(&names).chain(rows) {
        let mut line = String::new();
        for ((cell, (_, align)), width) in row.iter().zip(heads).zip(widths) {
            let padded = match align {
                Align::Left => format!("{cell:<width$}"),
                Align::Right => format!("{cell:>width$}"),
            };
            line.push_str(&padded);
            line.push_str("  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// On which side a column is ragged.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Align {
    Left,
    Right,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits() {
        assert_eq!(duration(Duration::from_nanos(999)), "999 ns");
        assert_eq!(duration(Duration::from_nanos(1_234)), "1.23 us");
        assert_eq!(duration(Duration::from_micros(45_600)), "45.6 ms");
        assert_eq!(duration(Duration::from_secs(119)), "119 s");
        assert_eq!(duration(Duration::from_mins(10)), "10.0 min");
    }

    #[test]
    fn thousands_are_apart() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_000), "1,000");
        assert_eq!(count(1_234_567), "1,234,567");
    }

    #[test]
    fn a_percentile_is_the_bound_of_its_class() {
        assert_eq!(below_micros(&[], 99), None);
        assert_eq!(below_micros(&[0, 0], 99), None);
        assert_eq!(below_micros(&[1], 99), Some(2));
        assert_eq!(below_micros(&[98, 1, 1], 99), Some(4));
        assert_eq!(below_micros(&[98, 1, 2], 99), Some(8));
        assert_eq!(below_micros(&[98, 1, 2], 50), Some(2));
    }

    #[test]
    fn a_table_is_as_wide_as_its_cells() {
        let rows = [
            ["a".to_owned(), "10".to_owned()],
            ["bcd".to_owned(), "9".to_owned()],
        ];
        let heads = [("x", Align::Left), ("n", Align::Right)];
        assert_eq!(table(heads, &rows), "x     n\na    10\nbcd   9\n");
    }
}
