//! Texts of a peer, for whoever reads them.

use std::fmt::{Display, Formatter, Result, Write};

/// A text in one line, without anything in it that steers a terminal or cannot be seen; what could is written as in Rust.
pub(super) struct Line<'t>(pub(super) &'t str);

impl Display for Line<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        self.0.chars().try_for_each(|letter| match letter {
            '"' | '\'' | '\\' => f.write_char(letter),
            letter => write!(f, "{}", letter.escape_debug()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Line;

    #[test]
    fn a_line_is_one_and_harmless() {
        let line = |text| Line(text).to_string();
        assert_eq!(line("fn say(a: &'_ str)"), "fn say(a: &'_ str)");
        assert_eq!(line(r#"a "quoted\" Wört"#), r#"a "quoted\" Wört"#);
        assert_eq!(line("a\x1b[2J\nb\u{202e}c\t"), r"a\u{1b}[2J\nb\u{202e}c\t");
    }
}
