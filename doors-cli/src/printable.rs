//! What others wrote, made safe for a terminal.

use std::path::Path;

/// A text of several lines.
pub(crate) fn text(text: &str) -> String {
    let safe = |c: char| !c.is_control() || c == '\n' || c == '\t';
    text.chars()
        .map(|c| if safe(c) { c } else { '\u{fffd}' })
        .collect()
}

/// A single line.
pub(crate) fn line(line: &str) -> String {
    line.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// A path.
pub(crate) fn path(path: &Path) -> String {
    line(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_a_terminal() {
        assert_eq!(text("a\u{1b}[2Jb\tc\n"), "a\u{fffd}[2Jb\tc\n");
        assert_eq!(line("a\tb\nc"), "a\u{fffd}b\u{fffd}c");
        assert_eq!(path(Path::new("/tmp/\u{1b}x")), "/tmp/\u{fffd}x");
    }
}
