//! Figures as people read them.

/// Nanoseconds with three digits.
#[must_use]
pub(crate) fn time(nanos: f64) -> String {
    let (value, unit) = match nanos {
        n if n < 999.5 => (n, "ns"),
        n if n < 999.5e3 => (n / 1e3, "us"),
        n if n < 999.5e6 => (n / 1e6, "ms"),
        n => (n / 1e9, "s"),
    };
    format!("{} {unit}", three(value))
}

/// A number with three digits, and its magnitude.
#[must_use]
pub(crate) fn count(number: f64) -> String {
    match number {
        n if n < 999.5 => three(n),
        n if n < 999.5e3 => format!("{} k", three(n / 1e3)),
        n if n < 999.5e6 => format!("{} M", three(n / 1e6)),
        n => format!("{} G", three(n / 1e9)),
    }
}

fn three(value: f64) -> String {
    match value {
        v if v.abs() < 1e-9 => "0".into(),
        v if v < 9.995 => format!("{v:.2}"),
        v if v < 99.95 => format!("{v:.1}"),
        v => format!("{v:.0}"),
    }
}

/// A size in the unit that makes it short.
#[must_use]
pub(crate) fn bytes(size: usize) -> String {
    match size {
        n if n >= 1 << 20 && n.is_multiple_of(1 << 20) => format!("{} MiB", n >> 20),
        n if n >= 1 << 10 && n.is_multiple_of(1 << 10) => format!("{} KiB", n >> 10),
        n => format!("{n} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits() {
        assert_eq!(time(0.0), "0 ns");
        assert_eq!(time(99.0), "99.0 ns");
        assert_eq!(time(1234.0), "1.23 us");
        assert_eq!(time(999_900.0), "1.00 ms");
        assert_eq!(time(2.5e9), "2.50 s");
        assert_eq!(count(412.0), "412");
        assert_eq!(count(11_100_000.0), "11.1 M");
        assert_eq!(count(2e9), "2.00 G");
        assert_eq!(bytes(8), "8 B");
        assert_eq!(bytes(65536), "64 KiB");
        assert_eq!(bytes(64 << 20), "64 MiB");
    }
}
